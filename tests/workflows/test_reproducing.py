"""The course reports in one command each, with tiny checkpoints of the very architectures that they name."""

import csv
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.splits import Split
from moodfuse.data.synthetic import Signals, write_synthetic
from moodfuse.errors import ConfigError
from moodfuse.learn.recipes.course_reports import course_reports, find_report
from moodfuse.workflows.reproduction.plan import Reproducing
from moodfuse.workflows.reproduction.run import ReproductionResult, reproduce
from tiny_checkpoints import reported_encoders

ONCE: dict[str, Any] = {"train": {"epochs": 1, "patience": 0, "batch_size": 32}}
STAGED: dict[str, Any] = {"train": {**ONCE["train"], "stage_epochs": 1, "stage_batch_size": 32}}


@pytest.fixture(scope="module", autouse=True)
def hub() -> Iterator[None]:
    with reported_encoders():
        yield


@pytest.fixture(scope="module")
def folder_of_posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 labelled posts and 6 without a label: enough for ten folds."""
    folder = tmp_path_factory.mktemp("few") / "posts"
    return write_synthetic(folder, posts=60, unlabelled=6, signals=Signals(text=0.9, image=0.9), seed=3)


def run(name: str, data: Path, folder: Path, **changes: Any) -> ReproductionResult:
    given: dict[str, Any] = {"encoders": "original", "budget": "quick", "workers": 1, "output": folder}
    given |= {"overrides": [STAGED if name in ("s0", "s1") else ONCE]}
    return reproduce(name, data, **(given | changes))


@pytest.fixture(scope="module")
def done(folder_of_posts: Path, tmp_path_factory: pytest.TempPathFactory) -> ReproductionResult:
    return run("s0", folder_of_posts, tmp_path_factory.mktemp("reproduced") / "s0")


@pytest.mark.slow
def test_it_leaves_what_a_report_needs(done: ReproductionResult, folder_of_posts: Path) -> None:
    folder = done.folder.path
    for name in ("report.html", "report.md", "report.csv", "picture.svg", "comparison/report.html"):
        assert (folder / name).is_file(), name
    assert [path.name for path in (folder / "runs").iterdir() if (path / "report.html").is_file()]
    curves = {path.name for path in (folder / "curves").iterdir()}
    assert {
        "loss-cma.svg",
        "accuracy-text.svg",
        "loss-text-encoder-alone.svg",
        "loss-image-encoder-alone.svg",
    } <= curves
    drawn = (folder / "curves" / "loss-cma.svg").read_text()
    assert drawn.startswith("<svg")
    assert "var(--" not in drawn  # it has its own colours, as nothing around it gives it any
    unlabelled = (folder_of_posts / "test_without_label.txt").read_text().split()[1:]
    rows = list(csv.DictReader((folder / "submission.csv").open()))
    assert [row["guid"] for row in rows] == [line.split(",")[0] for line in unlabelled]
    assert {row["tag"] for row in rows} <= {"negative", "neutral", "positive"}
    assert done.record.submission is not None
    assert sum(done.record.submission.labels.values()) == len(rows)


@pytest.mark.slow
def test_the_best_fusion_takes_the_encoders_of_the_first_cell(done: ReproductionResult) -> None:
    folder = done.folder.path
    stages = folder / "comparison" / "stages"
    (run,) = (folder / "runs").glob("[!.]*")
    for modality in ("text", "image"):
        (cell,) = stages.glob(f"{modality}-*/seed0-fold0/history.csv")
        assert (run / f"history-{modality}.csv").read_bytes() == cell.read_bytes()  # its seconds too: tuned once
    assert not list(stages.rglob("*.safetensors"))
    ids = {row["id"] for row in csv.DictReader((run / "predictions.csv").open())}
    cells = Split.load(folder / "comparison" / "split.json").folds
    assert ids == {i for i, fold in cells.items() if fold in (0, 1)}
    assert ">bert-base-uncased<" in (folder / "picture.svg").read_text()
    assert "all layers tuned alone, then frozen" in (folder / "picture.svg").read_text()


@pytest.mark.slow
def test_the_protocol_of_a_report_without_a_test_part(folder_of_posts: Path, tmp_path: Path) -> None:
    result = run("s4", folder_of_posts, tmp_path / "s4", overrides=[ONCE, {"split": {"validation": 20}}])
    assert (result.record.unseen, result.record.tested) == (False, 20)
    page = result.folder.markdown.read_text()
    assert "20 validation posts, which chose: no test scores" in page
    assert "unseen posts" not in page
    assert result.record.submission is not None


@pytest.mark.slow
def test_what_was_reported_stands_beside_what_is_found(done: ReproductionResult) -> None:
    text = done.folder.markdown.read_text()
    assert "| concat | accuracy | 0.824 |" in text
    assert "one string" in text  # cma's trap
    systems = {system.name: system for system in done.record.systems}
    assert list(systems) == list(course_reports()["s0"].systems)
    for system in systems.values():
        found = system.found["accuracy"]
        assert found.low <= found.value <= found.high
        assert set(system.chosen_on) == {"accuracy", "macro_f1"}
    assert {"2 of five cells", "stage_epochs 1 instead of 5"} <= set(done.record.cut)
    assert json.loads(done.folder.results.read_text()) == done.record.as_json()
    wrong = list(csv.DictReader(done.folder.wrong.open()))
    best = max((s for s in done.record.systems if s.reads == "both"), key=lambda s: s.found["macro_f1"].value)
    assert len(wrong) == round((1 - best.found["accuracy"].value) * done.record.tested)
    assert all(row["label"] != row["predicted"] for row in wrong)


@pytest.mark.slow
def test_the_same_command_goes_on_and_trains_nothing_twice(done: ReproductionResult, folder_of_posts: Path) -> None:
    submission = done.folder.submission.read_bytes()
    lines: list[str] = []
    again = run("s0", folder_of_posts, done.folder.path, notify=lines.append)
    assert any("nothing was trained" in line for line in lines)
    assert again.record == done.record
    assert done.folder.submission.read_bytes() == submission
    with pytest.raises(ConfigError, match=r"another configuration.*; give another folder with -o, or delete that"):
        run("s1", folder_of_posts, done.folder.path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["s1", "s2", "s3", "s4"])
def test_every_report_runs_with_its_architectures(name: str, folder_of_posts: Path, tmp_path: Path) -> None:
    result = run(name, folder_of_posts, tmp_path / name)
    report = course_reports()[name]
    assert [system.name for system in result.record.systems] == list(report.systems)
    assert result.record.encoders == report.encoders
    assert result.record.submission is not None
    if name in ("s2", "s3"):
        assert {point.system for point in result.record.points} == set(report.systems)
        assert any("points of the grid" in word for word in result.record.cut)
    for cell in (tmp_path / name / "comparison" / "cells").glob("*/*/metrics.json"):
        assert json.loads(cell.read_text())["config"]["model"]["text"] == report.encoders["text"]


@pytest.mark.parametrize("name", list(course_reports()))
def test_the_whole_budget_is_what_the_report_says(name: str, folder_of_posts: Path) -> None:
    posts = read_posts(folder_of_posts)
    whole = Reproducing(find_report(name), "original", "full")
    assert whole.cut(len(whole.posts(posts)), len(posts.labelled())) == []
    cut = Reproducing(find_report(name), "packaged", "cut")
    assert [model.name for model in cut.models()] == [model.name for model in whole.models()]
    assert cut.models()[0].config.model.text == "minilm"
    assert "one split instead of five" in cut.cut(4000, 4000)
    if name == "s2":
        points = {len(list(product(*model.grid.values()))) for model in cut.models()}
        assert (points, {model.config.train.epochs for model in cut.models()}) == ({8}, {20})
        assert "regime frozen instead of end_to_end" in cut.cut(4000, 4000)
    assert find_report(find_report(name).title).name == name


def test_bad_input_is_one_clear_line(folder_of_posts: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown report 's9'; did you mean s"):
        run("s9", folder_of_posts, tmp_path)
    with pytest.raises(ConfigError, match="--encoders: expected packaged or original, found 'mine'"):
        run("s0", folder_of_posts, tmp_path, encoders="mine")
