"""Two runs: a paired test on the same posts, none on different ones."""

import csv
from pathlib import Path

import numpy as np
import pytest
from run_folder import write_run

from moodfuse.evaluate.intervals import paired_bootstrap
from moodfuse.labels import SENTIMENT
from moodfuse.records.run import read_run
from moodfuse.report.document import Document
from moodfuse.report.page import document_page
from moodfuse.report.pair import compare_pair, pair_document, verdict, why_not_paired


def pair(a: Path, b: Path) -> Document:
    one, other = read_run(a), read_run(b)
    refusal = why_not_paired(one, other)
    return pair_document(one, other, None if refusal else compare_pair(one, other, None), refusal)


def test_the_test_is_the_paired_bootstrap_of_evaluate(tmp_path: Path) -> None:
    a, b = (read_run(write_run(tmp_path / name, wrong=wrong)) for name, wrong in (("good", 30), ("bad", 2)))
    b.predictions.reverse()  # another order of the same posts is the same test
    test = compare_pair(a, b, None)
    rows = [np.array([SENTIMENT.id(getattr(post, key)) for post in run]) for run, key in (
        (a.predictions, "label"), (a.predictions, "predicted"), (b.predictions[::-1], "predicted"),
    )]  # fmt: skip
    assert test.differences["macro_f1"] == paired_bootstrap(*rows, labels=SENTIMENT)["macro_f1"]
    assert test.both_right + test.both_wrong + test.mcnemar.only_a + test.mcnemar.only_b == 60
    assert verdict(("good", "bad"), test).startswith("good beats bad by ")
    assert verdict(("bad", "good"), compare_pair(b, a, None)).startswith("good beats bad by ")


def test_equal_runs_cannot_be_told_apart(tmp_path: Path) -> None:
    page = document_page(pair(write_run(tmp_path / "a"), write_run(tmp_path / "b")))
    assert "a and b cannot be told apart here" in page
    assert "McNemar" in page
    assert "the configurations are the same" in page


def test_duplicates_widen_the_interval(tmp_path: Path) -> None:
    a, b = read_run(write_run(tmp_path / "a", wrong=20)), read_run(write_run(tmp_path / "b", wrong=3))
    groups = {post.id: int(post.id[1:]) // 12 for post in a.predictions}
    grouped, single = (compare_pair(a, b, one).differences["accuracy"] for one in (groups, None))
    assert grouped.difference == single.difference
    assert (grouped.low, grouped.high) != (single.low, single.high)


def test_different_test_posts_are_refused_in_one_line(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", first=30)
    found = pair(a, b)
    page = document_page(found)
    assert "tested on different posts (30 of 60 and 60 are the same)" in page
    assert "p-value" not in page
    assert "McNemar" not in page
    assert "Side by side" in page
    assert "test" not in [section.id for section in found.sections]
    assert {row["run"] for row in found.rows} == {"a", "b"}


def test_different_labels_of_the_same_posts_are_refused(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    with (b / "predictions.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    rows[1][1] = "positive" if rows[1][1] != "positive" else "neutral"
    with (b / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert "different labels for the same posts" in document_page(pair(a, b))


@pytest.mark.parametrize("which", [0, 1])
def test_a_run_without_scores_is_shown_beside_the_other(tmp_path: Path, which: int) -> None:
    folders = [write_run(tmp_path / "a"), write_run(tmp_path / "b")]
    (folders[which] / "metrics.json").unlink()
    (folders[which] / "predictions.csv").unlink()
    page = document_page(pair(*folders))
    assert f"{'ab'[which]} has no scores yet" in page
    assert f"{'ba'[which]}: macro-F1" in page


def test_settings_that_differ_are_told(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "x" / "a")
    text = (b / "config.yaml").read_text()
    (b / "config.yaml").write_text(text.replace("dropout: 0.1", "dropout: 0.25", 1))
    page = document_page(pair(a, b))
    assert "model.dropout" in page
    assert "0.25" in page
    assert "optim.lr" not in page
    assert "x/a" in page  # two runs of one name are told apart by their folder
