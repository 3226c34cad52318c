"""A run: everything in its folder, every score from the bundle, and no end that a killed run cannot still reach."""

import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from moodfuse.config import Config
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.data.splits import Split
from moodfuse.errors import BundleError, ConfigError, DataError, TrainingError
from moodfuse.learn.recipes import resolve_config
from moodfuse.records.claim import Claim, working_alone
from moodfuse.records.metrics import RunMetrics
from moodfuse.records.record import read_record
from moodfuse.records.run import open_run
from moodfuse.report.markdown import markdown
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.evaluation import evaluate_posts, evaluate_unseen
from moodfuse.workflows.reporting import report_document
from moodfuse.workflows.training import train


class Stop(BaseException):
    """Ends a run where a test wants it to end, as a Ctrl-C would."""


def stop_at(what: str):
    def progress(doing: str, *_: int) -> None:
        if doing.startswith(what):
            raise Stop

    return progress


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def history(run: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows(run / "history.csv")]


def state(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)


@pytest.fixture(scope="module")
def config(trained_run: Path) -> Config:
    return resolve_config(file=trained_run / "config.yaml")


def test_the_run_folder_is_complete(trained_run: Path, posts: Posts) -> None:
    assert {path.name for path in trained_run.iterdir()} == {
        "config.yaml", "split.json", "history.csv", "metrics.json", "predictions.csv",
        "checkpoints", "bundle", "environment.json", "log.txt",
    }  # fmt: skip
    assert {path.name for path in (trained_run / "checkpoints").iterdir()} == {"best.safetensors", "last.safetensors"}
    split = Split.load(trained_run / "split.json")
    assert sorted(split.folds) == sorted(posts.ids)
    assert [row["id"] for row in rows(trained_run / "predictions.csv")] == split.test_ids
    environment = json.loads((trained_run / "environment.json").read_text())
    assert {"moodfuse", "python", "platform", "packages", "git", "data_sha256"} <= set(environment)
    assert "near-duplicates" in (trained_run / "log.txt").read_text()
    metrics = json.loads((trained_run / "metrics.json").read_text())
    assert metrics["training"]["epochs"] == len(history(trained_run))
    best = max(history(trained_run), key=lambda row: (float(row["val_macro_f1"]), -int(row["epoch"])))
    assert metrics["training"]["best_epoch"] == int(best["epoch"]) + 1
    assert metrics["protocol"]["split_sha256"] == split.sha256
    assert read_bundle(trained_run).manifest.scores["test"] == metrics["test"]


def test_the_scores_are_those_of_the_bundle_on_the_held_out_posts(trained_run: Path, posts: Posts) -> None:
    split = Split.load(trained_run / "split.json")
    metrics = json.loads((trained_run / "metrics.json").read_text())
    again = evaluate_posts(Predictor.load(trained_run), posts.subset(split.test_ids))
    for name in ("n", "accuracy", "macro_f1", "per_class", "confusion"):
        if name in metrics["test"]:
            assert again.scores.as_json()[name] == metrics["test"][name]
    assert metrics["test"]["n"] == len(split.test_ids)
    assert metrics["test"]["accuracy"] > 0.6  # a strong signal is planted
    told = {row["id"]: row["predicted"] for row in rows(trained_run / "predictions.csv")}
    assert told == {prediction.id: prediction.label for prediction in again.predictions}


def test_the_bundle_keeps_how_held_out_posts_were_answered(trained_run: Path) -> None:
    metrics = read_record(trained_run / "metrics.json", RunMetrics)
    confusion = read_bundle(trained_run).manifest.confusion
    parts = {"image|text": metrics.test, **metrics.alone}
    assert {used: [list(row) for row in one.counts] for used, one in confusion.items()} == {
        used: scores.confusion for used, scores in parts.items()
    }


def test_posts_that_training_saw_are_counted_and_left_out_of_a_score(trained_run: Path, posts: Posts) -> None:
    split = Split.load(trained_run / "split.json")
    predictor = Predictor.load(trained_run)
    renamed = Posts([replace(post, id=f"new-{post.id}") for post in posts])  # other ids, the same posts
    result = evaluate_unseen(predictor, renamed)
    assert result.scores.seen_in_training == len(split.train_ids) + len(split.validation_ids)
    assert result.posts.ids == [f"new-{id}" for id in posts.ids if id in set(split.test_ids)]
    with pytest.raises(DataError, match="trained on all"):
        evaluate_unseen(predictor, posts.subset(split.train_ids))


def test_near_duplicates_of_what_training_saw_are_left_out_too(trained_run: Path, posts: Posts) -> None:
    split = Split.load(trained_run / "split.json")
    seen, unseen = posts.subset(split.train_ids)[:6], posts.subset(split.test_ids)
    reworded = [replace(post, id=f"text-{i}", text=f"RT @a {post.text} .", image=None) for i, post in enumerate(seen)]
    saved = [replace(post, id=f"image-{i}", text=None, image=saved_again(post)) for i, post in enumerate(seen)]
    result = evaluate_unseen(Predictor.load(trained_run), Posts([*reworded, *saved, *unseen]))
    assert result.scores.seen_in_training == 12
    assert result.posts.ids == unseen.ids


def saved_again(post: Post) -> ImageRef:
    """A post's image as another program would have saved it."""
    image = look(post.images[0]).image
    assert image is not None
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70)
    return ImageRef(file.getvalue())


def test_no_test_post_takes_part_in_training_or_selection(
    trained_run: Path, posts: Posts, config: Config, tmp_path: Path
) -> None:
    """With other labels and texts in the test part, the very same model comes out."""
    test = set(Split.load(trained_run / "split.json").test_ids)
    other = {"negative": "positive", "positive": "neutral", "neutral": "negative"}
    changed = [
        replace(post, label=other[str(post.label)], text=f"{post.text} changed") if post.id in test else post
        for post in posts
    ]
    split = json.loads((trained_run / "split.json").read_text())
    (tmp_path / "split.json").write_text(json.dumps(split["folds"]))
    result = train(Posts(changed), config, name="changed", runs=tmp_path, split_file=tmp_path / "split.json")
    before = json.loads((trained_run / "metrics.json").read_text())
    assert history(result.run.path) == history(trained_run)
    assert (result.run.bundle / "head.onnx").read_bytes() == (trained_run / "bundle" / "head.onnx").read_bytes()
    assert result.metrics.bundle.temperature == before["bundle"]["temperature"]
    assert result.metrics.validation.accuracy == before["validation"]["accuracy"]
    assert result.metrics.test.as_json() != before["test"]
    assert str(result.metrics.protocol.split_origin).endswith("split.json")


def test_a_finished_run_is_not_touched_again(trained_run: Path, posts: Posts, config: Config) -> None:
    before = state(trained_run)
    result = train(posts, config, name=trained_run.name, runs=trained_run.parent, progress=stop_at(""))
    assert result.resumed
    assert result.metrics.as_json() == json.loads((trained_run / "metrics.json").read_text())
    assert state(trained_run) == before


def test_two_trainings_never_write_into_one_folder(posts: Posts, config: Config, tmp_path: Path) -> None:
    def again(*_: object) -> None:
        with pytest.raises(TrainingError, match=r"one: another training is running there; wait for it .*--name"):
            train(posts, config, name="one", runs=tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(posts, config, name="one", runs=tmp_path, progress=again)
    assert train(posts, config, name="one", runs=tmp_path).bundle.manifest.name == "one"


def test_a_name_that_holds_something_else_is_refused(trained_run: Path, posts: Posts, config: Config) -> None:
    name, runs, before = trained_run.name, trained_run.parent, state(trained_run)
    other = config.model_copy(update={"optim": config.optim.model_copy(update={"lr": 0.5})})
    with pytest.raises(ConfigError, match=r"another configuration \(optim\.lr: .* there, 0\.5 now\); .*--name"):
        train(posts, other, name=name, runs=runs)
    with pytest.raises(DataError, match=r"other posts .*--name"):
        train(posts[:100], config, name=name, runs=runs)
    relabelled = Posts([replace(posts[0], label="neutral" if posts[0].label != "neutral" else "positive"), *posts[1:]])
    with pytest.raises(DataError, match="other posts"):
        train(relabelled, config, name=name, runs=runs)
    assert state(trained_run) == before


@pytest.mark.parametrize("begun", [False, True])
def test_a_folder_where_another_training_runs_is_not_touched(
    begun: bool, posts: Posts, config: Config, tmp_path: Path
) -> None:
    with working_alone(tmp_path / "run"):  # as the other training does, before and after it has fixed its split
        run = open_run(Claim("run", tmp_path, "run"), config, "hash")
        if begun:
            Split({post.id: 0 for post in posts}).save(run.split)
        (run.path / ".log.txt.0123abcd.part").write_text("half of a line")
        before = state(run.path)
        with pytest.raises(TrainingError, match="another training is running there"):
            train(posts, config.model_copy(update={"seed": 9}), name="run", runs=tmp_path)
        assert state(run.path) == before


@pytest.mark.parametrize("name", ["../x", "", ".", "a/b", "x" * 300])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--name: expected .*found"):
        open_run(Claim("run", tmp_path, name), Config(), "hash")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_in_it_is_never_made_a_run(tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / "train.txt").write_text("guid,tag\n")
    with pytest.raises(ConfigError, match=r"found a folder with train\.txt"):
        open_run(Claim("run", tmp_path, "posts"), Config(), "hash")
    assert [path.name for path in (tmp_path / "posts").iterdir()] == ["train.txt"]


def test_a_mistake_before_anything_is_fitted_does_not_take_the_name(
    posts: Posts, config: Config, tmp_path: Path
) -> None:
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    part = ["test", "val", "train", "train", "train"]
    lines = [f"{post.id},{part[i % 5]}\n" for i, post in enumerate(posts)]
    bad.write_text("id,split\n" + "".join(lines[:-1]))
    good.write_text("id,split\n" + "".join(lines))
    with pytest.raises(DataError, match=r"bad\.csv: says nothing of 1 labelled posts"):
        train(posts, config, name="run", runs=tmp_path / "runs", split_file=bad)
    with pytest.raises(Stop):
        train(posts, config, name="run", runs=tmp_path / "runs", split_file=good, progress=stop_at("training"))
    split = Split.load(tmp_path / "runs" / "run" / "split.json")
    assert split.test_ids == posts.ids[::5]
    assert split.validation_ids == posts.ids[1::5]


def test_duplicates_across_a_given_split_are_warned_of_and_not_moved(
    posts: Posts, config: Config, tmp_path: Path
) -> None:
    twin = Posts([*posts, replace(posts[0], id="twin")])
    part = ["test", "val", "train", "train", "train"]
    (tmp_path / "split.csv").write_text(
        "guid,split\n" + "".join(f"{post.id},{part[i % 5]}\n" for i, post in enumerate(posts)) + "twin,train\n"
    )
    told: list[str] = []
    with pytest.raises(Stop):
        train(
            twin, config, name="run", runs=tmp_path / "runs", split_file=tmp_path / "split.csv",
            progress=stop_at("training"), notify=told.append,
        )  # fmt: skip
    [warning] = [line for line in told if line.startswith("warning")]
    assert re.search(r"[1-9]\d* groups of near-duplicates \(\d+ posts\)", warning)
    assert warning in (tmp_path / "runs" / "run" / "log.txt").read_text()
    assert {"twin", posts[0].id} <= set(Split.load(tmp_path / "runs" / "run" / "split.json").folds)
    assert Split.load(tmp_path / "runs" / "run" / "split.json").parts["twin"] == "train"


def test_a_loss_that_is_no_number_ends_the_run_with_what_to_do(posts: Posts, config: Config, tmp_path: Path) -> None:
    wild = config.model_copy(
        update={"optim": config.optim.model_copy(update={"lr": 10.0, "weight_decay": 10.0, "clip": 0.0})}
    )
    with pytest.raises(TrainingError, match=r"epoch \d+: the loss is no longer a number; lower optim\.lr"):
        train(posts, wild, name="wild", runs=tmp_path)
    with pytest.raises(BundleError, match="no bundle here"):
        read_bundle(tmp_path / "wild")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"model": {"fusion": "gatd"}}, "unknown fusion 'gatd'; did you mean .*gated"),
        ({"model": {"text": "minilmm"}}, "did you mean .*minilm"),
        ({"model": {"options": {"widht": 3}}}, "unknown option 'widht'"),
        ({"train": {"device": "mps", "devices": 9}}, "this machine has .*use train.device=auto"),
        ({"model": {"fusion": "text"}, "train": {"regime": "end_to_end", "tune": ["image"]}}, "found image; .*text"),
    ],
)
def test_what_cannot_be_trained_is_told_before_any_work(words: dict, said: str, posts: Posts, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        train(posts, resolve_config("concat", overrides=[words]), name="x", runs=tmp_path, progress=stop_at(""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_early_fusion_reads_the_pixels_and_its_bundle_holds_no_image_encoder(posts: Posts, tmp_path: Path) -> None:
    settings = {"train": {"epochs": 1, "batch_size": 16}, "model": {"options": {"channels": 4}}}
    result = train(posts, resolve_config("early", overrides=[settings]), name="early", runs=tmp_path)
    assert not result.bundle.path("image.onnx").exists()
    assert result.bundle.manifest.parity["probability"] <= 1e-4
    both, text = (Predictor(result.bundle).predict("a word", image) for image in (posts[0].image.source, None))
    assert (both.used, text.used) == ({"text", "image"}, {"text"})
    assert both.probabilities != text.probabilities


def test_the_run_tells_what_the_model_says_of_each_modality_alone(trained_run: Path, posts: Posts) -> None:
    metrics = json.loads((trained_run / "metrics.json").read_text())
    held_out = posts.subset(Split.load(trained_run / "split.json").test_ids)
    predictor = Predictor.load(trained_run)
    for modality in ("text", "image"):
        alone = evaluate_posts(predictor, held_out, only=modality)
        assert metrics[f"test_{modality}_only"] == alone.scores.as_json()
        assert {name for one in alone.predictions for name in one.used} == {modality}
        told = [row[f"{modality}_only"] for row in rows(trained_run / "predictions.csv")]
        assert told == [one.label for one in alone.predictions]


def test_without_test_posts_no_score_is_called_a_test_score(posts: Posts, tmp_path: Path) -> None:
    settings = {"split": {"validation": 0.2}, "train": {"epochs": 2}}
    run = train(posts, resolve_config("text", overrides=[settings]), name="all", runs=tmp_path)
    split = Split.load(run.run.split)
    assert (len(split.validation_ids), split.test_ids) == (round(0.2 * len(posts)), [])
    metrics = json.loads(run.run.metrics.read_text())
    assert "test" not in metrics
    assert metrics["validation"]["n"] == len(split.validation_ids)
    assert [row["id"] for row in rows(run.run.predictions)] == split.validation_ids
    manifest = run.bundle.manifest
    assert "test" not in manifest.scores
    assert not manifest.confusion
    assert "no test scores" in (run.bundle.path("MODEL_CARD.md")).read_text()
    page = markdown(report_document(run.run.path))
    assert f"on {len(split.validation_ids)} validation posts" in page
    assert "are no test scores" in page
    assert "held-out" not in page
    given = resolve_config(file=run.run.config)
    with pytest.raises(ConfigError, match=r"--split and split\.validation both say"):
        train(posts, given, name="two", runs=tmp_path, split_file=run.run.split)
