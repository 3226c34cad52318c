"""A head on few labels: what it learns, what it leaves as it was, and whether its proof can be believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from labelled_vectors import LABELS, planted

from moodfuse.decide.adapting import adapt_head, check_enough
from moodfuse.decide.fitting import cross_validate, fit_head
from moodfuse.decide.head import NO_CHANGE, Labelled, Lesson, Strength
from moodfuse.decide.proof import more_labels
from moodfuse.errors import DataError
from moodfuse.evaluate.intervals import PairedDifference
from moodfuse.labels import SENTIMENT, Labels


def accuracy(logits: np.ndarray, labelled: Labelled) -> float:
    return float((logits.argmax(-1) == labelled.true).mean())


def test_without_change_and_with_endless_strength_it_is_the_old_head() -> None:
    labelled = planted(60, vectors=1.0, answers=1.0)
    assert np.array_equal(Lesson.of(labelled).head(NO_CHANGE).logits(labelled.posts), labelled.posts.logs)
    held = Lesson.of(labelled).head(Strength(1e9, 1e9)).logits(labelled.posts)
    assert np.abs(held - labelled.posts.logs).max() < 1e-5


def test_weights_are_the_likeliest_as_scikit_learn_finds_them() -> None:
    from sklearn.linear_model import LogisticRegression

    labelled = planted(200, vectors=1.0, onto_old=False)
    lesson = Lesson.of(labelled)
    weights = lesson.fit(Strength(None, 0.5))
    theirs = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-10, max_iter=5000).fit(lesson.vectors, labelled.true)
    assert np.abs(weights - theirs.coef_.T).max() < 0.02


def test_it_learns_what_only_the_vectors_tell() -> None:
    labelled, others = planted(100, vectors=1.0, answers=0.3), planted(100, answers=0.3, seed=1)
    found = adapt_head(labelled, SENTIMENT)
    assert found.verdict == "better"
    assert found.proof.difference.low > 0.1
    assert found.proof.after.accuracy > found.proof.before.accuracy + 0.2
    assert found.sentence().startswith("better than the model you have: ")
    # Where vectors tell nothing, nothing is found in them.
    unmoved = adapt_head(others, SENTIMENT)
    assert unmoved.verdict == "not better"
    assert "keep it" in unmoved.sentence()


def test_it_learns_that_labels_are_mixed_otherwise_from_the_answers_alone() -> None:
    labelled = planted(240, answers=1.5)
    wanted = np.arange(240)[(labelled.true != 0) | (np.arange(240) % 6 == 0)]
    head, strength = fit_head(labelled.take(wanted))
    assert strength.answers is not None
    assert head.bias[0] + 1e-9 < head.bias[1:].min()


@pytest.mark.slow
def test_labels_by_chance_are_hardly_ever_proven() -> None:
    luck, proven = np.random.default_rng(0), 0
    for seed in range(6):
        labelled = planted(40, seed=seed)
        shuffled = replace(labelled, true=luck.permutation(labelled.true))
        proven += adapt_head(shuffled, SENTIMENT).verdict == "better"
    assert proven <= 1


def test_near_duplicates_are_never_on_both_sides() -> None:
    # Every post stands four times, and its label is chance: only who has seen a copy can know it.
    labelled = planted(40, copies=4)
    assert accuracy(cross_validate(labelled).whole[0], labelled) < 0.55
    apart = replace(labelled, groups=np.arange(len(labelled.true)))
    assert accuracy(cross_validate(apart).whole[0], apart) > 0.8


def test_what_an_absent_modality_holds_does_not_matter() -> None:
    labelled = planted(80, vectors=1.0, answers=1.0)
    head = Lesson.of(labelled).head(Strength(1.0, 0.3))
    posts = labelled.posts
    junk = np.where(posts.present["image"][:, None], posts.pooled["image"], 99).astype(np.float32)
    changed = replace(posts, pooled={**posts.pooled, "image": junk})
    assert np.array_equal(head.logits(posts), head.logits(changed))
    assert np.abs(head.of_vectors["image"][0]).max() > 0
    refitted = Lesson.of(replace(labelled, posts=changed)).head(Strength(1.0, 0.3))
    assert np.abs(refitted.logits(posts) - head.logits(posts)).max() < 1e-6


def test_a_modality_that_no_labelled_post_has_stays_as_it_was() -> None:
    labelled = planted(80, vectors=1.0, answers=1.0)
    text = replace(labelled, posts=labelled.posts.only("text"))
    head, _ = fit_head(text)
    assert not head.of_vectors["image"][0].any()


def test_random_posts_are_scored_and_can_refuse_what_the_others_prove() -> None:
    labelled = planted(100, vectors=1.0, answers=0.3)
    drawn = planted(400, answers=3.0, seed=5)  # the old answers are right here, and the vectors tell nothing
    found = adapt_head(labelled, SENTIMENT, drawn)
    assert found.proof.difference.low > 0
    assert found.drawn is not None
    assert found.drawn.before.n == 400
    assert found.verdict == "worse on the random posts"
    assert "drawn at random; keep it" in found.sentence()


def test_labels_of_ones_own_start_from_nothing() -> None:
    found = adapt_head(planted(90, vectors=1.0, onto_old=False), Labels(("joy", "fear", "anger")))
    most = max(found.proof.after.per_class.values(), key=lambda one: one.support)
    assert found.proof.before.accuracy == pytest.approx(most.support / 90)
    assert found.verdict == "better"
    assert "better than always answering" in found.sentence()
    assert not found.head.onto_old


def test_calibration_knows_what_was_read() -> None:
    labelled = planted(200, vectors=0.6, answers=0.5)
    calibration = adapt_head(labelled, SENTIMENT).calibration
    assert sorted(calibration.temperatures.alone) == ["image", "text"]
    assert calibration.confusion["image|text"].posts == pytest.approx(150)
    assert calibration.confusion["text"].posts == pytest.approx(200)
    # Text is what tells: with the image alone the answers are little better than chance, and say so.
    alone = calibration.confusion["image"]
    assert sum(alone.counts[i][i] for i in range(LABELS)) / alone.posts < 0.5
    assert 0 < calibration.review_threshold < 1


def test_the_curve_rises_and_says_how_many_labels_would_do() -> None:
    found = adapt_head(planted(200, vectors=1.0, answers=0.3), SENTIMENT)
    assert found.curve.fitted == (40, 80, 160)
    assert found.curve.accuracy[0] < found.curve.accuracy[-1]
    assert found.curve.twice[1] < found.curve.twice[0] < found.curve.twice[2]
    assert 0 < found.curve.gain(2) < found.curve.gain(4)
    doubtful = PairedDifference("accuracy", 0.02, -0.01, 0.05, 0.2)
    nearly = PairedDifference("accuracy", 0.028, -0.002, 0.058, 0.06)
    few, more = more_labels(found.curve, nearly, 200), more_labels(found.curve, doubtful, 200)
    assert few is not None
    assert more is not None
    assert few <= more
    flat = replace(found.curve, slope=-0.5)
    assert more_labels(flat, doubtful, 200) is None


def test_too_few_posts_or_posts_of_a_label_are_refused() -> None:
    labels = ["negative"] * 10 + ["positive"] * 10 + ["neutral"] * 2
    with pytest.raises(DataError, match=r"posts.csv: label 'neutral': expected 3 posts or more .* found 2"):
        check_enough(labels, range(22), SENTIMENT, "posts.csv", {})
    with pytest.raises(DataError, match=r"expected 20 labelled posts or more .* found 19 .* left out were 7 because"):
        check_enough(labels[:19], range(19), SENTIMENT, "posts.csv", {"because": 7})
    with pytest.raises(DataError, match="found 2"):  # twenty copies of two posts
        check_enough(["negative"] * 20, [at % 2 for at in range(20)], SENTIMENT, "posts.csv", {})
