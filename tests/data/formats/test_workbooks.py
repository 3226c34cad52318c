from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import python_calamine
import xlsxwriter
from format_cases import error_of
from python_calamine import CalamineWorkbook

from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.readers import count_posts, read_posts, source_format, stream_posts


def workbook(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for line, row in enumerate(rows):
                sheet.write_row(line, 0, row)
    return path


ROWS = [
    ["Tweet_ID", "text", "when", "likes", "done", "label"],
    ["007", "good", datetime.date(2024, 5, 1), 3, True, "positive"],
    [None, None, None, None, None, "  "],
    [12, 5, datetime.datetime(2024, 5, 1, 10, 30), 2.5, False, None],
]


def test_a_workbook(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", empty=[], posts=ROWS)
    assert source_format(path) == "xlsx"
    told: list[str] = []
    stream = stream_posts(path, strict=False, fields=True, notify=told.append)
    posts = list(stream)
    assert [(post.id, post.text, post.label) for post in posts] == [("007", "good", "positive"), ("12", "5", None)]
    assert stream.columns == tuple(ROWS[0])
    assert posts[0].fields == {
        "Tweet_ID": "007", "text": "good", "when": "2024-05-01", "likes": 3, "done": True, "label": "positive",
    }  # fmt: skip
    assert (posts[1].fields or {})["when"] == "2024-05-01 10:30:00"
    assert (posts[1].fields or {})["likes"] == 2.5
    assert "id from 'Tweet_ID'" in told[0]
    assert read_posts(path).ids == ["007", "12"]


def test_a_sheet_by_its_name(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", one=[["text"], ["a"]], two=[["text"], ["b"]])
    told: list[str] = []
    assert [post.text for post in stream_posts(path, notify=told.append)] == ["a"]
    assert "--sheet" in told[0]
    assert [post.text for post in stream_posts(path, sheet="two")] == ["b"]
    assert "has no sheet 'three'" in error_of(path, sheet="three")
    assert "'one', 'two'" in error_of(path, sheet="three")


def test_an_id_that_a_spreadsheet_rounds_is_told(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", posts=[["id", "text"], [1234567890123456789, "a"]])
    told: list[str] = []
    list(stream_posts(path, notify=told.append))
    assert "row 2" in told[0]


def test_what_is_no_workbook(tmp_path: Path) -> None:
    assert "the workbook is empty" in error_of(workbook(tmp_path / "a.xlsx", posts=[]))
    (tmp_path / "b.xlsx").write_bytes(b"PK\3\4\0\0\0nothing")
    assert "cannot be read as a workbook" in error_of(tmp_path / "b.xlsx")
    (tmp_path / "c.xls").write_text("id\ttext\n1\ta\n")  # many programs write such files
    assert [post.text for post in stream_posts(tmp_path / "c.xls")] == ["a"]


@pytest.mark.parametrize("name", ["posts.csv", "posts.jsonl", "posts.tsv", "posts.zip", "posts"])
def test_a_workbook_is_told_by_what_it_is(tmp_path: Path, name: str) -> None:
    path = workbook(tmp_path / "a.xlsx", posts=ROWS).rename(tmp_path / name)
    assert source_format(path) == "xlsx"
    assert read_posts(path).ids == ["007", "12"]


def test_other_archives_are_no_workbooks(tmp_path: Path) -> None:
    kinds = {"a.docx": ("word/document.xml", b""), "a.odt": ("mimetype", b"application/vnd.oasis.opendocument.text")}
    for name, (member, content) in kinds.items():
        with ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, content)
        assert "binary" in error_of(tmp_path / name)
    with ZipFile(tmp_path / "a.csv", "w") as archive:
        archive.writestr("mimetype", b"application/vnd.oasis.opendocument.spreadsheet")
    assert source_format(tmp_path / "a.csv") == "xlsx"
    (tmp_path / "old.csv").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert source_format(tmp_path / "old.csv") == "xlsx"


def test_a_workbook_is_loaded_once_and_its_sheet_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "a.xlsx", one=[["text", "more"], ["a", 1]], two=[["text"], ["b"]])
    loaded = 0
    load = CalamineWorkbook.from_filelike

    class Counted:
        @staticmethod
        def from_filelike(file: Any) -> Any:
            nonlocal loaded
            loaded += 1
            return load(file)

    monkeypatch.setattr(python_calamine, "CalamineWorkbook", Counted)
    told: list[str] = []
    reading = replace(PREDICTING, fields=True, notify=told.append)
    stream = stream_posts(path, reading)
    assert (stream.columns, count_posts(path, reading)) == (("text", "more"), 1)
    assert [post.text for post in stream] == ["a"]
    assert len(told) == 1
    assert loaded == 1
    assert [post.text for post in stream_posts(path, reading)] == ["a"]
    assert loaded == 2  # what has been read to its end is not kept
