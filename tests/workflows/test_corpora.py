"""Corpora that train along: drawn anew each epoch, cleared of the posts' near-duplicates, never tested on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from moodfuse.cli.main import command_line
from moodfuse.config import Config
from moodfuse.data.corpora import Pool
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import BundleError, ConfigError, DataError
from moodfuse.learn.batches import LengthBatches, PostBatches
from moodfuse.learn.recipes import resolve_config
from moodfuse.records.comparison import load_comparison
from moodfuse.workflows.comparison.run import compare
from moodfuse.workflows.evaluation import SEEN, read_seen
from moodfuse.workflows.searching import search
from moodfuse.workflows.training import train

LABELS = ("negative", "neutral", "positive")


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, posts: Posts) -> Path:
    """Thirty texts of their own, and three of the posts: word for word, in capitals, with an address behind."""
    path = tmp_path_factory.mktemp("corpus") / "texts.csv"
    places = ("a harbour", "the old mill", "some quiet lane", "our back yard", "that long bridge")
    own = [
        (f"t{n}", f"{places[n % 5]} on day {n} with {word} company", LABELS[n % 3])
        for n, word in enumerate(("dear", "usual", "tiresome") * 10)
    ]
    said = [post.text or "" for post in posts.labelled() if len((post.text or "").split()) >= 6][:3]
    copies = [
        ("c0", said[0], "positive"),
        ("c1", said[1].upper(), "negative"),
        ("c2", said[2] + " http://x.y", "neutral"),
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "tweet", "sentiment"), *own, *copies])
    return path


def config(corpus: Path, share: float = 1.0, **train: object) -> Config:
    also = [{"path": str(corpus), "share": share}]
    settings = {"epochs": 2, "patience": 0, **train}
    return resolve_config("concat", overrides=[{"data": {"also_train": also}, "train": settings}])


def test_every_epoch_draws_its_share_anew() -> None:
    epoch = [0]
    batches = LengthBatches(6, 4, seed=3, epoch=lambda: epoch[0], pools=[Pool(range(6, 106), 0.1)])
    passes = []
    for epoch[0] in (0, 1, 0):
        passes.append([position for batch in batches for position in batch])
        assert len(passes[-1]) == 16
        assert len(batches) == 4
        assert sorted(passes[-1])[:6] == [0, 1, 2, 3, 4, 5]
        assert len(set(passes[-1])) == 16
    assert passes[0] == passes[2] != passes[1]
    assert set(passes[0]) != set(passes[1])


def test_classes_are_counted_as_often_as_they_are_seen() -> None:
    part = PostBatches(None, None, [0, 0, 1, *[1] * 20], [0, 1, 2], [Pool(range(3, 23), 0.5)])
    assert (part.count, len(part), part.pools) == (3, 23, [Pool(range(3, 23), 0.5)])
    seen = np.bincount(part.targets[part.rows], weights=part.seen)
    assert seen.tolist() == [2, 11]


@pytest.mark.slow
def test_what_trains_along_is_told_and_is_not_tested(corpus: Path, posts: Posts, tmp_path: Path) -> None:
    told: list[str] = []
    result = train(posts, config(corpus, 0.5), name="along", runs=tmp_path, notify=told.append)
    [facts] = result.metrics.protocol.also_train
    assert (facts.source, facts.posts, facts.left_out, facts.share) == (str(corpus), 30, 3, 0.5)
    assert any("30 posts train along (an epoch draws 50% of them)" in line for line in told)
    plain = resolve_config("concat", overrides=[{"train": {"epochs": 2, "patience": 0}}])
    alone = train(posts, plain, name="alone", runs=tmp_path)
    assert result.metrics.test.n == alone.metrics.test.n
    assert result.metrics.protocol.train == alone.metrics.protocol.train
    assert result.run.split.read_text() == alone.run.split.read_text()
    assert result.metrics.test.values() != alone.metrics.test.values() or (
        result.bundle.path("head.onnx").read_bytes() != alone.bundle.path("head.onnx").read_bytes()
    )
    card = result.bundle.path("MODEL_CARD.md").read_text("utf-8")
    assert f"\n- {corpus.name}: 30 posts train along" in card  # no path: the card is published
    seen = [read_seen(run.bundle.path(SEEN))["train"] for run in (result, alone)]
    assert len(seen[0]) == len(seen[1]) + 30


def test_other_texts_are_another_run(corpus: Path, posts: Posts, tmp_path: Path) -> None:
    train(posts, config(corpus), name="one", runs=tmp_path)
    changed = tmp_path / "texts.csv"
    changed.write_text(corpus.read_text("utf-8").replace("harbour", "haven"), "utf-8")
    with pytest.raises(ConfigError, match="another"):
        train(posts, config(changed), name="one", runs=tmp_path)


@pytest.mark.slow
def test_every_cell_of_a_comparison_trains_along(corpus: Path, posts: Posts, tmp_path: Path) -> None:
    also = {"data": {"also_train": [str(corpus)]}, "train": {"epochs": 1, "patience": 0}}
    result = compare(
        posts, fusions=["concat", "text"], seeds=1, folds=2, overrides=[also], comparisons=tmp_path, workers=1
    )
    assert load_comparison(result.path).plan.data.also_train[0].posts == 30
    assert any("30 posts train along" in note for note in result.results.notes)
    without = compare(
        posts,
        fusions=["concat", "text"],
        seeds=1,
        folds=2,
        overrides=[{"train": also["train"]}],
        comparisons=tmp_path,
        name="without",
        workers=1,
    )
    assert result.results.posts == without.results.posts
    assert [row.accuracy for row in result.rows] != [row.accuracy for row in without.rows]


def test_every_trial_of_a_search_trains_along(corpus: Path, posts: Posts, tmp_path: Path) -> None:
    result = search(posts, config(corpus), trials=1, name="s", searches=tmp_path)
    assert result.summary.also_train[0].posts == 30


def test_stacking_leaves_the_corpora_out_of_its_last_layer(corpus: Path, posts: Posts, tmp_path: Path) -> None:
    late = resolve_config(
        "decision",
        overrides=[
            {"model": {"options": {"rule": "stacked"}, "auxiliary": 1.0}},
            {"data": {"also_train": [str(corpus)]}, "train": {"epochs": 1, "patience": 0}},
        ],
    )
    assert train(posts, late, name="late", runs=tmp_path).metrics.protocol.also_train[0].posts == 30


@pytest.mark.parametrize(
    ("content", "message"),
    [("id,text\n1,no label here\n", "no post has a label"), ("id,text,label\n1,a b c,furious\n", "furious")],
)
def test_a_corpus_that_cannot_train_is_named(content: str, message: str, posts: Posts, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as raised:
        train(posts, config(path), name="bad", runs=tmp_path)
    assert str(path) in str(raised.value)


def test_a_corpus_of_nothing_but_the_posts_themselves_is_refused(synthetic_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every post is a near-duplicate"):
        train(read_posts(synthetic_folder), config(synthetic_folder), name="own", runs=tmp_path)


def test_the_command_takes_files_with_and_without_a_share(corpus: Path, synthetic_folder: Path, tmp_path: Path) -> None:
    command = ["train", str(synthetic_folder), "train.epochs=1", "train.patience=0", "--runs", str(tmp_path), "--json"]
    found = CliRunner().invoke(command_line(), [*command, "--quiet", "--also-train", f"{corpus}=0.25"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["protocol"]["also_train"][0]["share"] == 0.25
    wrong = CliRunner().invoke(command_line(), [*command, "--also-train", f"{corpus}=much"])
    assert isinstance(wrong.exception, ConfigError)
    assert "FILE=SHARE" in str(wrong.exception)


@pytest.mark.parametrize("content", ["[]", "{}", "no JSON", '{"train": 3, "validation": []}', "[" * 50_000])
def test_a_record_of_training_posts_that_is_none_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "seen.json").write_text(content)
    with pytest.raises(BundleError, match=r"seen\.json: is no record of training posts"):
        read_seen(tmp_path / "seen.json")
