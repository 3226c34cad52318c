"""The report of a run: the verdict first, and as much of the rest as is on disk."""

import json
from pathlib import Path

import pytest
from run_folder import write, write_run

from moodfuse.records.run import is_run, read_run
from moodfuse.report.document import Document, Gallery, Notice, Verdicts
from moodfuse.report.page import document_page
from moodfuse.report.run import Extra, run_document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "one")


def document(folder: Path) -> Document:
    return run_document(read_run(folder), Extra(picture_note="no picture"))


def blocks(document: Document, kind: type) -> list:
    return [block for section in document.sections for block in section.blocks if isinstance(block, kind)]


def test_the_verdict_comes_first_with_interval_and_protocol(folder: Path) -> None:
    found = document(folder)
    assert found.sections[0].id == "summary"
    verdict = found.sections[0].blocks[0]
    assert isinstance(verdict, Verdicts)
    metrics = json.loads((folder / "metrics.json").read_text())["test"]
    low, high = metrics["intervals"]["macro_f1"]
    assert f"{metrics['macro_f1']:.3f} ({low:.3f} to {high:.3f})" in verdict.lines[0]
    assert "60 held-out posts" in verdict.lines[0]
    assert any("Always answering" in line for line in verdict.lines)
    page = document_page(found)
    assert page.index("Macro-F1") < page.index("<table>")
    assert "looked at once" in page


def test_everything_that_a_run_holds_is_there(folder: Path) -> None:
    ids = [section.id for section in document(folder).sections]
    assert ids == [
        "summary", "scores", "training", "calibration", "mistakes", "model", "protocol", "configuration", "environment",
    ]  # fmt: skip
    page = document_page(document(folder))
    for word in ("confusion matrix", "optim.lr", "0.001", "numpy", "accuracy over confidence"):
        assert word in page
    assert not blocks(document(folder), Gallery)  # no posts: the mistakes stand in a table


def test_the_surest_mistake_stands_first(folder: Path) -> None:
    wrong = read_run(folder).wrong
    assert len(wrong) == 15
    sure = [post.confidence for post in wrong]
    assert sure == sorted(sure, reverse=True)
    assert all(post.label != post.predicted for post in wrong)


@pytest.mark.parametrize(
    "name", ["metrics.json", "predictions.csv", "history.csv", "split.json", "environment.json", "config.yaml"]
)
@pytest.mark.parametrize("how", ["gone", "cut", "other"])
def test_what_is_missing_is_said_and_the_rest_stands(folder: Path, name: str, how: str) -> None:
    path = folder / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if how == "cut" else b"[1, \xff\x00 {")
    found = document(folder)
    page = document_page(found)
    assert "In short" in page
    if how == "gone":
        assert any(name in notice.text for notice in blocks(found, Notice))


def test_a_run_that_has_not_ended_says_so(folder: Path) -> None:
    for name in ("metrics.json", "predictions.csv"):
        (folder / name).unlink()
    found = document(folder)
    assert "not ended" in found.sections[0].blocks[0].lines[0]
    assert [section.id for section in found.sections][1] == "training"
    assert list(found.rows) == []
    assert is_run(folder)


def test_one_epoch_one_post_and_no_mistake_are_enough(tmp_path: Path) -> None:
    found = document(write_run(tmp_path / "small", posts=1, first=1, wrong=1000, epochs=1))
    page = document_page(found)
    assert "None of the 1 held-out posts is wrong" in page
    assert "Epoch 1 of 1 was kept" in page


def test_a_given_split_that_parts_duplicates_is_warned_of(folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["protocol"]["duplicate_groups_across"] = 7
    write(folder / "metrics.json", metrics)
    assert any("7 groups of near-duplicates" in notice.text for notice in blocks(document(folder), Notice))


def test_stages_have_curves_of_their_own(folder: Path) -> None:
    (folder / "history-text.csv").write_bytes((folder / "history.csv").read_bytes())
    assert "stage of the text encoder" in document_page(document(folder))


def test_the_rows_are_the_scores(folder: Path) -> None:
    rows = document(folder).rows
    metrics = json.loads((folder / "metrics.json").read_text())
    [row] = [row for row in rows if row["part"] == "test" and row["score"] == "macro_f1"]
    assert row["value"] == metrics["test"]["macro_f1"]
    assert [row["low"], row["high"]] == metrics["test"]["intervals"]["macro_f1"]
    assert {row["part"] for row in rows} == {"test", "validation"}


def test_what_each_modality_alone_gives_is_told_where_the_run_holds_it(folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    assert "ablation" not in [section.id for section in document(folder).sections]
    metrics["test_text_only"] = metrics["test"] | {"macro_f1": 0.456}
    metrics["test_image_only"] = metrics["test"] | {"macro_f1": 0.345}
    write(folder / "metrics.json", metrics)
    page = document_page(document(folder))
    assert "Given one modality alone, the same model has macro-F1 0.456 from the text and 0.345 from the image." in page
    assert "the text alone" in page.split('id="ablation"')[1].split('id="training"')[0]
    assert {row["part"] for row in document(folder).rows} == {"test", "test_text_only", "test_image_only", "validation"}
