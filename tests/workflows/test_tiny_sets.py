"""Sets of a few posts: what trains on posts works, or says in one line what would do."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from moodfuse.config import Config
from moodfuse.data.duplicates import group_duplicates
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.errors import DataError, TrainingError
from moodfuse.learn.recipes import resolve_config
from moodfuse.workflows.classifier import FusionClassifier
from moodfuse.workflows.comparison.run import compare
from moodfuse.workflows.label_errors import find_label_errors
from moodfuse.workflows.searching import search
from moodfuse.workflows.training import train

LABELS = ("negative", "neutral", "positive")
WORDS = [
    "river",
    "stone",
    "cloud",
    "lamp",
    "garden",
    "paper",
    "window",
    "bottle",
    "ticket",
    "engine",
    "pillow",
    "ladder",
    "hammer",
    "orange",
]
ONE_EPOCH = {"train": {"epochs": 1}}

VERBS: dict[str, Callable[[Posts, Config, Path], object]] = {
    "train": lambda posts, config, folder: train(posts, config, name="run", runs=folder),
    "search": lambda posts, config, folder: search(posts, config, trials=1, name="search", searches=folder),
    "compare": lambda posts, config, folder: compare(
        posts, fusions=["text"], comparisons=folder, workers=1, overrides=[{"labels": list(config.labels)}]
    ),
    "audit": lambda posts, config, _: find_label_errors(posts, group_duplicates(posts), config),
    "fit": lambda posts, config, folder: FusionClassifier(
        "text", config=ONE_EPOCH | {"labels": list(config.labels)}, run=folder / "fit"
    ).fit(posts),
}
#: Where `split.folds` may be chosen.
SETTABLE = {"train", "search", "fit"}


def tiny(count: int, classes: int) -> Posts:
    """Return posts of which no two are alike, the labels in turn."""
    texts = (" ".join(WORDS[(number * step + step) % 12] for step in (1, 5, 7)) for number in range(count))
    posts = (Post(str(number), f"{text} {number}", None, LABELS[number % classes]) for number, text in enumerate(texts))
    return Posts(posts, source="tiny.csv")


def configured(classes: int, **settings: object) -> Config:
    return resolve_config("text", overrides=[ONE_EPOCH, {"labels": list(LABELS[: max(2, classes)])}, settings])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_two_to_twelve_posts_are_enough_or_the_line_says_what_is(tmp_path: Path, verb: str, classes: int) -> None:
    for count in range(2, 13):
        try:
            VERBS[verb](tiny(count, classes), configured(classes), tmp_path / str(count))
        except DataError as error:
            line = str(error)
            assert line.startswith("tiny.csv: ")
            assert "\n" not in line
            assert "3 or more groups" in line or re.search(r"\d+ folds need \d+ groups .* found \d+ labelled", line)
            assert "split.folds" not in line or verb in SETTABLE
        else:
            assert verb == "audit"
            assert count >= 9  # five of one label


@pytest.mark.parametrize(("count", "classes"), [(6, 2), (9, 3)])
def test_the_folds_that_the_line_names_do(tmp_path: Path, count: int, classes: int) -> None:
    posts = tiny(count, classes)
    for verb in ("train", "search"):
        with pytest.raises(DataError) as caught:
            VERBS[verb](posts, configured(classes), tmp_path / verb)
        match = re.search(r"set split\.folds=(\d+), or add posts$", str(caught.value))
        assert match is not None
        VERBS[verb](posts, configured(classes, split={"folds": int(match[1])}), tmp_path / f"{verb} again")


def with_images(posts: Posts) -> Posts:
    """Give each post an image that no other one has."""
    pictured = []
    for number, post in enumerate(posts):
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 20 + 9 * number).save(buffer, "PNG")
        pictured.append(replace(post, image=ImageRef(buffer.getvalue())))
    return Posts(pictured, source=posts.source)


def stacked(classes: int, folds: int) -> Config:
    settings = {"model": {"options": {"rule": "stacked"}}, "split": {"folds": folds}}
    return resolve_config("decision", overrides=[ONE_EPOCH, settings, {"labels": list(LABELS[:classes])}])


def test_a_stacker_is_fitted_on_as_many_parts_as_there_are_posts_for(tmp_path: Path) -> None:
    bundle = train(with_images(tiny(8, 2)), stacked(2, folds=4), name="run", runs=tmp_path).bundle
    assert bundle.manifest.parity["probability"] <= 1e-4


def test_a_stacker_with_one_post_of_each_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="two training posts of some label"):
        train(with_images(tiny(9, 3)), stacked(3, folds=3), name="run", runs=tmp_path)
