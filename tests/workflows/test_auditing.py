"""Audit from Python: the parts of it that lie above `data`, most of all likely label errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Post, Posts
from moodfuse.errors import ConfigError, DataError
from moodfuse.labels import SENTIMENT
from moodfuse.settings import build_config
from moodfuse.workflows.auditing import audit
from moodfuse.workflows.label_errors import out_of_fold


def test_a_real_folder_is_audited_whole(synthetic_folder: Path) -> None:
    seen: set[str] = set()
    found = audit(synthetic_folder, progress=lambda what, *_: seen.add(what))
    assert len(found.posts) == 132
    assert sum(found.classes.values()) == 120
    assert found.label_errors is None
    assert "looking at images" in seen


def test_planted_label_errors_are_found(synthetic_folder: Path) -> None:
    posts = list(read_posts(synthetic_folder))
    others = {"negative": "positive", "positive": "negative", "neutral": "positive"}
    planted = {post.id for post in posts[:120:10]}
    flipped = [replace(p, label=others[str(p.label)]) if p.id in planted else p for p in posts]
    clean, found = audit(Posts(posts), labels=True).label_errors, audit(Posts(flipped), labels=True)
    errors = found.label_errors
    assert clean is not None
    assert errors is not None
    listed = [issue.id for issue in errors.issues]
    assert len(planted & set(listed)) >= 7
    assert len(planted & set(listed[:12])) >= 4  # chance: 1.2
    assert errors.noise > clean.noise
    assert 0.5 < errors.accuracy < clean.accuracy
    first = errors.issues[0]
    assert first.given != first.suggested
    assert first.confidence > first.given_probability
    finding = found.finding("label_errors")
    assert finding is not None
    assert finding.ids == tuple(listed)
    assert found.to_json()["label_errors"]["issues"][0]["id"] == first.id


def test_probabilities_are_of_posts_that_the_model_never_saw() -> None:
    generator = np.random.default_rng(0)
    vectors, truth = np.eye(60), generator.integers(0, 3, 60)  # each post known by a number of its own
    probabilities = out_of_fold(vectors, truth, np.arange(60) % 5, 3)
    assert probabilities.sum(1) == pytest.approx(1)
    assert (probabilities.argmax(1) == truth).mean() < 0.6


def test_a_class_that_the_other_folds_lack_gets_no_probability() -> None:
    truth = np.array([0, 1, 0, 1, 2, 0, 1, 0])
    probabilities = out_of_fold(
        np.random.default_rng(0).normal(size=(8, 3)), truth, np.array([0, 0, 0, 0, 1, 1, 1, 1]), 3
    )
    assert (probabilities[:4, 2] > 0).all()
    assert (probabilities[4:, 2] == 0).all()


def test_an_encoder_that_has_seen_the_labels_does_not_judge_them(synthetic_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").write_text(build_config([{"train": {"regime": "end_to_end"}}]).to_yaml())
    with pytest.raises(ConfigError, match="may have seen the labels"):
        audit(synthetic_folder, labels=True, config=build_config([{"model": {"text": str(tmp_path)}}]))


@pytest.mark.parametrize("label", [None, "positive"])
def test_too_few_labels_are_a_note_not_an_end(label: str | None) -> None:
    found = audit([{"id": str(i), "text": f"words of post number {i}", "label": label} for i in range(5)], labels=True)
    note = found.finding("label_errors_skipped")
    assert note is not None
    assert "label errors were not looked for" in note.what
    assert found.finding("image_missing") is not None


def test_other_labels_are_those_of_the_configuration() -> None:
    rows = [{"id": str(i), "text": f"words of post {i}", "label": "ab"[i % 2]} for i in range(20)]
    with pytest.raises(DataError, match="unknown label 'a'"):
        audit(rows)
    assert audit(rows, config=build_config([{"labels": ["a", "b"]}])).classes == {"a": 10, "b": 10}


def test_the_real_posts_hold_what_is_known_of_them(posts_folder: Path) -> None:
    if len(read_posts(posts_folder)) != 4_000:
        pytest.skip("other real posts than those that these numbers are of")
    # Texts only: decoding 4,511 images is the work of `moodfuse audit`, not of a quick test.
    from moodfuse.data.audit.inventory import take_inventory

    inventory = take_inventory(posts_folder)
    found = audit(Posts(Post(p.id, p.text, None, p.label, p.encoding, p.lossy) for p in inventory.posts))
    numbers = {one.check: (one.count, one.total) for one in found.findings}
    assert found.classes == dict(zip(SENTIMENT.names, (1_193, 419, 2_388), strict=True))
    assert numbers["text_not_utf8"] == (1_061, 4_511)
    assert numbers["conflicting_labels_text"] == (34, 121)
    assert numbers["unlabelled_text_among_labelled"] == (40, 511)
    assert numbers["text_no_words"] == (302, 4_511)
