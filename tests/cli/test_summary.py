"""moodfuse summary: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from answer_files import prediction, week_file, write
from moodfuse.cli.main import run


def test_it_prints_sentences_rows_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(week_file(tmp_path / "answers.csv"))
    assert run(["summary", path, "--by", "month,brand"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Of 400 posts that were read: ")
    assert "Negative rose from" in told
    assert run(["summary", path, "--csv", "--quiet"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["label"] for row in rows[:3]] == ["negative", "neutral", "positive"]
    assert run(["summary", path, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["posts"] == 400


def test_it_writes_a_page_and_never_over_the_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = week_file(tmp_path / "answers.csv")
    assert run(["summary", str(path), "-o", str(tmp_path / "page.html")]) == 0
    assert run(["summary", str(path), "-o", str(tmp_path / "page.html")]) == 1
    assert "exists already" in capsys.readouterr().err
    short = write(tmp_path / "short.csv", [prediction(str(at), (0.8, 0.1, 0.1)) for at in range(40)])
    assert run(["summary", str(short), "-o", str(tmp_path / "page.html"), "--force"]) == 0
    assert run(["summary", str(path), "-o", str(path), "--force"]) == 1
    assert "is the input itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--by", "nothing"], "--by: unknown column 'nothing'"),
        (["--time", "text"], "expected times"),
        (["--json", "--csv"], "--json does not go with --csv"),
        (["-o", "page.pdf"], "expected a name that ends in"),
    ],
)
def test_bad_input_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str) -> None:
    assert run(["summary", str(week_file(tmp_path / "answers.csv")), "--quiet", *options]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
