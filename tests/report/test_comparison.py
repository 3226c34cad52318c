"""The report of a comparison: verdicts first, every arm, and what there is of an unfinished one."""

import json
from pathlib import Path

import pytest
from comparison_folder import FUSIONS, write_comparison

from moodfuse.records.comparison import is_comparison, read_comparison
from moodfuse.report.comparison import comparison_document
from moodfuse.report.document import Document, Notice, Verdicts
from moodfuse.report.page import document_page


def document(folder: Path) -> Document:
    return comparison_document(read_comparison(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(tmp_path_factory.mktemp("comparisons") / "first")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Document:
    return document(folder)


@pytest.fixture(scope="module")
def page(whole: Document) -> str:
    return document_page(whole)


def test_the_headlines_come_first(whole: Document, page: str) -> None:
    verdicts = whole.sections[0].blocks[0]
    assert isinstance(verdicts, Verdicts)
    assert verdicts.lines[0].startswith("gated scores highest")
    assert page.index("The image helps") < page.index("<table>")


def test_every_part_of_the_comparison_is_there(whole: Document, page: str) -> None:
    assert [section.id for section in whole.sections] == [
        "summary", "scores", "verdicts", "ablation", "labels", "calibration", "robustness", "cost", "training",
        "protocol", "configuration", "environment",
    ]  # fmt: skip
    for arm in (*FUSIONS, "text", "image", "gated without image", "lowrank without text"):
        assert f'<th scope="row">{arm}</th>' in page
    for words in (
        "0.620 (0.604 to 0.637)",
        "BBC-CV",
        "0.616 (0.600 to 0.630)",
        "gated beats text by 3.2 points",
        "123",
    ):
        assert words in page
    assert "near-duplicates" in page.split("<table>")[0]  # the protocol in words, before any figure in a table


@pytest.mark.parametrize(
    ("fixed", "said", "unsaid"),
    [
        (0, "trains on the other seven;", "trains on eight"),
        (1, "trains on the other seven (a model that chooses no epoch trains on eight", "the other eight"),
        (None, "trains on the other eight and takes its temperature", "the other seven"),
    ],
)
def test_the_protocol_says_what_validates(tmp_path: Path, fixed: int | None, said: str, unsaid: str) -> None:
    folder = write_comparison(tmp_path / "fixed")
    plan = json.loads((folder / "comparison.json").read_text())
    for model in plan["models"][:fixed]:
        model["config"]["train"] = {"monitor": "none"}
    (folder / "comparison.json").write_text(json.dumps(plan))
    page = document_page(document(folder)).replace("&#39;", "'")
    assert said in page
    assert unsaid not in page


def test_arms_are_ordered_by_score_and_the_best_is_marked(folder: Path, whole: Document) -> None:
    rows = read_comparison(folder).rows
    values = [row.macro_f1.value for row in rows]
    assert values == sorted(values, reverse=True)
    scores = next(section for section in whole.sections if section.id == "scores")
    table = next(block for block in scores.blocks if getattr(block, "columns", [""])[0] == "arm")
    assert [table.rows[i][0] for i in table.marked] == ["gated"]


def test_the_rows_have_every_arm_and_score(whole: Document) -> None:
    rows = whole.rows
    assert {(row["arm"], row["score"]) for row in rows} >= {("gated", "macro_f1"), ("text", "accuracy")}
    [row] = [row for row in rows if (row["arm"], row["score"]) == ("gated without text", "macro_f1")]
    assert (row["withheld"], row["value"]) == ("text", pytest.approx(0.42))


def test_an_unfinished_comparison_says_how_far_it_is(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "half", fusions=("gated",), finished=False)
    (folder / "cells" / "gated" / "seed0-fold4" / "metrics.json").write_text('{"model": "ga')  # killed while writing
    (folder / "cells" / "gated" / ".seed0-fold5.part").mkdir()
    found = document(folder)
    notices = [block.text for block in found.sections[0].blocks if isinstance(block, Notice)]
    assert any("14 of ? cells" in text for text in notices)
    assert any("results.json" in text for text in notices)
    assert "training" in [section.id for section in found.sections]
    assert "gated" in document_page(found)


def test_results_of_some_models_only_are_shown(folder: Path, tmp_path: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    results |= {
        "finished": False,
        "cells": {"done": 12, "wanted": 70},
        "rows": [results["rows"][0], {"arm": "late", "model": "late", "macro_f1": {}}],
        "best": None,
        "verdicts": [],
        "pairs": [],
        "calibration": [],
        "robustness": {},
        "cost": [],
    }
    copy = write_comparison(tmp_path / "some", finished=False)
    (copy / "results.json").write_text(json.dumps(results))
    page = document_page(document(copy))
    assert "12 of 70 cells" in page
    assert "gated" in page


@pytest.mark.parametrize("content", ["", "[]", "{", '{"rows": []}', "{}"])
def test_broken_results_are_told(tmp_path: Path, content: str) -> None:
    folder = write_comparison(tmp_path / "broken", fusions=("gated",), finished=False)
    (folder / "results.json").write_text(content)
    assert is_comparison(folder)
    assert "nothing to compare" in document_page(document(folder))
