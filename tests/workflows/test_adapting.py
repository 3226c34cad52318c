"""From labelled posts to a bundle: the packaged model's encoders, a new head, and all that goes on working with it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import moodfuse
from moodfuse.data.synthetic import Signals, write_synthetic
from moodfuse.decide.adaptation import Adaptation
from moodfuse.errors import ConfigError, DataError, OutputError
from moodfuse.files import sha256
from moodfuse.runtime.bundle import SEAL, default_bundle, read_bundle
from moodfuse.runtime.explain import explain
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.evaluation import evaluate_unseen
from moodfuse.workflows.prediction import predict_source
from moodfuse.workflows.reviewing import ReviewOptions, open_review

#: What the labels of the synthetic posts are called where they are classes of one's own.
OWN = {"negative": "sad", "neutral": "calm", "positive": "glad"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 synthetic posts with text and image in CSV: labels of one's own, a third drawn at random."""
    home = tmp_path_factory.mktemp("adapting")
    posts = write_synthetic(home / "posts", posts=80, unlabelled=4, signals=Signals(text=0.9, image=0.9), seed=5)
    rows = [(post.id, post.text, f"posts/data/{post.id}.jpg", str(post.label)) for post in moodfuse.read_posts(posts)]
    own = [
        (id, text, image, OWN[label], "random" if at % 3 == 0 else "queue")
        for at, (id, text, image, label) in enumerate(rows)
    ]
    _write(home / "labels.csv", rows)
    _write(home / "own.csv", own, ("id", "text", "image", "label", "drawn"))
    return home


@pytest.fixture(scope="module")
def adapted(folder: Path) -> Adaptation:
    """The packaged model adapted to own labels."""
    return moodfuse.adapt(folder / "own.csv", folder / "mine", labels=list(OWN.values()))


def _rows(path: Path) -> list[list[str]]:
    """Return the rows of a table, the header first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _write(
    path: Path, rows: Sequence[Sequence[object]], head: Sequence[str] = ("id", "text", "image", "label")
) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def test_the_new_bundle_has_the_old_encoders_and_tells_where_it_comes_from(adapted: Adaptation) -> None:
    assert adapted.verdict == "better"
    assert adapted.bundle is not None
    before, after = read_bundle(default_bundle()), read_bundle(adapted.bundle)
    for name in ("text.onnx", "image.onnx", "tokenizer.json"):
        assert after.manifest.files[name] == before.manifest.files[name] == sha256(after.path(name))
    assert after.manifest.files["head.onnx"] != before.manifest.files["head.onnx"]
    assert after.manifest.labels == tuple(OWN.values())
    seal = (default_bundle() / SEAL).read_text("ascii").strip()
    training = after.manifest.training
    assert (training["regime"], training["posts"]) == ("adapted", adapted.posts)
    assert training["adapted_from"]["manifest_sha256"] == seal
    assert training["adapted_from"]["training"] == before.manifest.training
    assert set(after.manifest.languages) == set(before.manifest.languages)
    card = after.path("MODEL_CARD.md").read_text("utf-8")
    assert seal in card
    assert "drawn at random" in card
    assert after.manifest.scores["test"]["n"] == adapted.posts


def test_the_bundle_answers_what_the_proof_promises(adapted: Adaptation, folder: Path) -> None:
    # Posts that the head was fitted on are known as such; the random ones score as `adapt` said.
    posts = moodfuse.read_posts(folder / "own.csv", labels=moodfuse.load(adapted.bundle).labels)
    scores = evaluate_unseen(moodfuse.load(adapted.bundle), posts).scores
    assert adapted.drawn is not None
    assert (scores.n, scores.seen_in_training) == (adapted.drawn.after.n, len(posts) - adapted.drawn.after.n)
    assert scores.accuracy == pytest.approx(adapted.drawn.after.accuracy)
    assert scores.macro_f1 == pytest.approx(adapted.drawn.after.macro_f1)


def test_predict_explain_and_summary_go_on_working(adapted: Adaptation, folder: Path, tmp_path: Path) -> None:
    from moodfuse.workflows.prediction import predict_source

    predictor = moodfuse.load(adapted.bundle)
    predict_source(predictor, folder / "labels.csv", tmp_path / "answers.csv")
    summary = moodfuse.summarise(tmp_path / "answers.csv", bundle=adapted.bundle)
    assert set(summary.total.shares) == set(OWN.values())
    found = explain(predictor, moodfuse.read_posts(folder / "labels.csv")[0], grid=2)
    assert sum(sum(one.values()) for one in found.shares.values()) == pytest.approx(0, abs=1e-6)
    nothing = predictor.predict()
    counts = [adapted.proof.after.per_class[name].support + 1 for name in OWN.values()]
    assert list(nothing.probabilities.values()) == pytest.approx([n / sum(counts) for n in counts], abs=1e-6)
    assert nothing.needs_review


def test_a_post_is_answered_alike_alone_and_among_others(adapted: Adaptation, folder: Path) -> None:
    predictor, posts = moodfuse.load(adapted.bundle), moodfuse.read_posts(folder / "labels.csv")[:12]
    together = [list(one.probabilities.values()) for one in predictor.stream(posts)]
    alone = [list(next(predictor.stream([post])).probabilities.values()) for post in posts]
    assert np.abs(np.array(together) - np.array(alone)).max() < 1e-5


def test_an_adapted_bundle_is_adapted_again_and_refuses_what_it_has_seen(
    adapted: Adaptation, folder: Path, tmp_path: Path
) -> None:
    assert adapted.bundle is not None
    head, *rows = _rows(folder / "own.csv")
    shutil.copytree(folder / "posts", tmp_path / "posts")
    seen = _write(tmp_path / "seen.csv", [row for row in rows if row[-1] == "queue"], head)
    with pytest.raises(DataError, match=r"found 0 .* left out were \d+ that the bundle has seen in its training"):
        moodfuse.adapt(seen, bundle=adapted.bundle)
    fresh = write_synthetic(tmp_path / "fresh", posts=40, unlabelled=1, signals=Signals(text=0.9, image=0.9), seed=77)
    rows = [(post.id, post.text, OWN[str(post.label)]) for post in moodfuse.read_posts(fresh)]
    texts = _write(tmp_path / "texts.csv", rows, ("id", "text", "label"))
    again = moodfuse.adapt(texts, tmp_path / "again", bundle=adapted.bundle, keep_anyway=True)
    assert again.onto_old
    assert again.bundle is not None
    manifest = read_bundle(again.bundle).manifest
    assert manifest.training["adapted_from"]["training"]["regime"] == "adapted"
    # These posts have no image: with one, the new head says what it says of the text, and the old one of both.
    answer = moodfuse.load(again.bundle).predict("what a lovely day")
    assert set(answer.probabilities) == set(OWN.values())


def test_what_is_not_better_is_not_written_unless_that_is_asked(tmp_path: Path) -> None:
    # Texts that the packaged model reads nearly all right: there is nothing left to gain.
    drawn = write_synthetic(tmp_path / "posts", posts=30, unlabelled=1, signals=Signals(text=1.0, image=1.0), seed=9)
    rows = [(post.id, post.text, post.label) for post in moodfuse.read_posts(drawn) if post.text]
    given = _write(tmp_path / "labels.csv", rows, ("id", "text", "label"))
    found = moodfuse.adapt(given, tmp_path / "mine")
    assert found.verdict == "not better"
    assert found.bundle is None
    assert not (tmp_path / "mine").exists()
    kept = moodfuse.adapt(given, tmp_path / "mine", keep_anyway=True)
    assert kept.bundle == tmp_path / "mine"
    assert json.loads(json.dumps(kept.as_json()))["verdict"] == "not better"


def test_posts_that_the_bundle_has_seen_prove_nothing(posts_folder: Path) -> None:
    known = moodfuse.read_posts(posts_folder)[:60]
    told: list[str] = []
    with pytest.raises(DataError, match="left out were 60 that the bundle has seen in its training"):
        moodfuse.adapt(
            [
                {"id": p.id, "text": p.text, "image": str(p.image.source) if p.image else None, "label": p.label}
                for p in known
            ],
            notify=told.append,
        )
    assert any(line.startswith("left out: 60 posts") for line in told)


def test_labels_that_contradict_are_told(folder: Path, tmp_path: Path) -> None:
    head, *rows = _rows(folder / "own.csv")
    first = rows[0]
    other = next(name for name in OWN.values() if name != first[3])
    twice = _write(tmp_path / "twice.csv", [*rows, first], head)
    with pytest.raises(DataError, match=rf"id '{first[0]}' stands on line 2 and again on line \d+"):
        moodfuse.adapt(twice, labels=list(OWN.values()))
    rows = [*rows[:29], ["again", *first[1:3], other, "queue"]]
    told: list[str] = []
    shutil.copytree(folder / "posts", tmp_path / "posts")
    with pytest.raises(DataError, match="expected 20 labelled posts"):  # of 29 a third is random
        moodfuse.adapt(_write(tmp_path / "two.csv", rows, head), labels=list(OWN.values()), notify=told.append)
    assert "left out: 2 posts whose text and image stand twice, with two labels" in told


def test_a_label_outside_the_set_is_refused_with_its_line(folder: Path) -> None:
    with pytest.raises(DataError, match=r"own.csv line 2: unknown label '\w+'; known: negative, neutral, positive"):
        moodfuse.adapt(folder / "own.csv")
    with pytest.raises(ConfigError, match="two or more different names"):
        moodfuse.adapt(folder / "own.csv", labels=["one"])


def test_only_a_bundle_is_replaced_and_never_the_one_that_is_read(adapted: Adaptation, folder: Path) -> None:
    with pytest.raises(OutputError, match="holds a bundle already; name another folder, or replace it with --force"):
        moodfuse.adapt(folder / "own.csv", adapted.bundle)
    with pytest.raises(OutputError, match="is the bundle that is read"):
        moodfuse.adapt(folder / "own.csv", adapted.bundle, bundle=adapted.bundle, force=True)
    with pytest.raises(OutputError, match="expected a new folder or a bundle to replace"):
        moodfuse.adapt(folder / "own.csv", folder / "posts", force=True)


def test_labels_of_a_review_are_found_beside_the_answers_and_the_models_own_teach_nothing(folder: Path) -> None:
    labelled, answers = _rows(folder / "labels.csv")[1:], folder / "answers.csv"
    unlabelled = _write(folder / "unlabelled.csv", [row[:3] for row in labelled], ("id", "text", "image"))
    predict_source(Predictor.load(), unlabelled, answers)
    with pytest.raises(DataError, match=r"every label is the answer that a model gave.*moodfuse review ANSWERS"):
        moodfuse.adapt(answers)
    true = {id: label for id, *_, label in labelled}
    with open_review(answers, ReviewOptions("ann", budget=40, share=0.2)) as opened:
        shown = opened.review.posts[:36]
        for post in shown:
            opened.review.label(post.row, true[post.answered.post.id])
    found = moodfuse.adapt(answers)
    tests = sum(post.drawn == "random" for post in shown)
    assert found.drawn is not None
    assert (found.posts, found.drawn.after.n) == (36 - tests, tests)
