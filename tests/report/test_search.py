"""The report of a search: what was found, and that it is no score to report."""

import json
from pathlib import Path

from moodfuse.config import Config
from moodfuse.records.search import is_search, read_search
from moodfuse.report.page import document_page
from moodfuse.report.search import search_document
from moodfuse.settings import build_config

HEADER = "number,state,score,epochs,seconds,optim.lr,train.batch_size,best\n"


def write_search(folder: Path, rows: str, ended: int = 4, wanted: int = 4) -> Path:
    folder.mkdir()
    best = build_config([{"optim": {"lr": 0.004}}])
    summary = {
        "trials": {"ended": ended, "wanted": wanted},
        "monitor": "macro_f1",
        "score": 0.61,
        "importances": {"optim.lr": 0.83, "train.batch_size": 0.17},
        "config": Config().model_dump(mode="json"),
        "best": best.model_dump(mode="json"),
    }
    (folder / "search.json").write_text(json.dumps(summary))
    plan = {"config": summary["config"], "data_sha256": "9b1c", "environment": {"python": "3.11", "packages": {}}}
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "trials.csv").write_text(HEADER + rows)
    return folder


ROWS = "0,complete,0.58,5,1.0,0.001,64,0.58\n1,pruned,,2,0.3,0.00001,32,0.58\n2,complete,0.61,5,1,0.004,64,0.61\n"


def test_the_best_trial_comes_first_and_is_no_score_to_report(tmp_path: Path) -> None:
    folder = write_search(tmp_path / "s", ROWS, ended=3, wanted=8)
    page = document_page(search_document(read_search(folder)))
    assert "Trial 2 is the best of 3: validation macro-F1 0.610" in page
    assert "+0.030 over the recipe" in page
    assert "optim.lr mattered most: 83 %" in page
    assert "too high" in page.split("<table>")[0]
    assert "3 of 8 trials have ended" in page
    assert '<td class="n">0.004</td>' in page
    assert page.count('role="img"') == 2


def test_a_search_that_has_just_begun_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "study.db").write_bytes(b"")
    assert is_search(folder)
    page = document_page(search_document(read_search(folder)))
    assert "No trial has ended yet" in page
    assert "search.json is missing" in page


def test_one_trial_and_only_pruned_ones(tmp_path: Path) -> None:
    one = search_document(read_search(write_search(tmp_path / "one", ROWS.splitlines()[0] + "\n", 1, 1)))
    assert "Trial 0 is the best of 1" in document_page(one)
    none = search_document(read_search(write_search(tmp_path / "none", "0,pruned,,2,0.3,0.001,64,\n", 1, 1)))
    assert "history" not in [section.id for section in none.sections]
    assert none.rows[0]["state"] == "pruned"
