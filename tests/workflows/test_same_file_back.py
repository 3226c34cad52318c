"""What comes back is the file that came in: its further columns, its separator, and why a post was not read whole."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moodfuse.data.formats.base import PREDICTING
from moodfuse.errors import DataError
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.prediction import Answers, details_path, predict_source


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load(threads=1)


def rows_of(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=separator))


def guid_tag_folder(folder: Path, listing: str) -> Path:
    """Three posts: one with a page for an image, one with a text alone, one with neither."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "1.txt").write_text("what a wonderful day")
    (folder / "data" / "1.jpg").write_text("<html>log in</html>")
    (folder / "data" / "2.txt").write_text("how awful")
    (folder / "test_without_label.txt").write_text(listing)
    return folder


def test_details_stand_beside_a_guid_tag_file(predictor: Predictor, tmp_path: Path) -> None:
    folder, output = guid_tag_folder(tmp_path / "posts", "guid,tag\n1,null\n2,null\n"), tmp_path / "out.txt"
    predict_source(predictor, folder, output)
    found = rows_of(details_path(output))
    assert [row["details"] for row in found] == ["image_format_unknown: web page (HTML)", ""]
    assert list(found[0])[-2:] == ["needs_review", "details"]


def test_details_stand_in_answers_alone(predictor: Predictor, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,image\nfine,gone.jpg\nfine,https://example.org/a.jpg\n")
    predict_source(predictor, source, tmp_path / "out.csv", answers=Answers(short=True))
    found = [row["details"] for row in rows_of(tmp_path / "out.csv")]
    assert found == [
        f"image_not_found: looked for {tmp_path / 'gone.jpg'}", "image_not_fetched: --remote-images fetches it"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["in.csv", "in.json"])
def test_a_stream_stays_empty_where_the_first_rows_cannot_be_read(
    name: str, predictor: Predictor, tmp_path: Path
) -> None:
    bad = {"in.csv": "id,image\n1,gone.jpg\n", "in.json": '[{"text": "fine"}, {"text": nothing}]'}
    (tmp_path / name).write_text(bad[name])
    stream = io.BytesIO()
    with pytest.raises(DataError):
        predict_source(predictor, tmp_path / name, None, answers=Answers(stdout=stream))
    assert stream.getvalue() == b""
    good = {"in.csv": "text\n", "in.json": "[]"}
    (tmp_path / name).write_text(good[name])
    predict_source(predictor, tmp_path / name, None, answers=Answers(stdout=stream))
    assert stream.getvalue().decode().split(",")[0] in ("text", "[\n\n]\n")


LISTING = """guid;tag;when;who
1;null;"3;4";ann
2;negative;;
"""


def test_further_columns_of_a_guid_tag_list_come_back_in_the_details(predictor: Predictor, tmp_path: Path) -> None:
    folder, output = guid_tag_folder(tmp_path / "posts", LISTING), tmp_path / "out.txt"
    predict_source(predictor, folder, output)
    assert output.read_text().startswith("guid,tag\n1,")
    found = rows_of(details_path(output))
    assert list(found[0])[:6] == ["guid", "tag", "when", "who", "label", "confidence"]
    assert [[row[name] for name in ("guid", "tag", "when", "who")] for row in found] == [
        ["1", "null", "3;4", "ann"], ["2", "negative", "", ""]
    ]  # fmt: skip
    predict_source(predictor, folder, tmp_path / "out.jsonl")
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert (first["guid"], first["when"], first["details"]) == ("1", "3;4", ["image_format_unknown: web page (HTML)"])


def test_whatever_does_not_go_into_a_guid_tag_file_goes_into_its_details(predictor: Predictor, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.txt"
    source.write_text("text,mine,id\nfine,x,7\n")
    predict_source(predictor, source, output, answers=Answers(to="guid_tag"))
    [row] = rows_of(details_path(output))
    assert list(row)[:4] == ["text", "mine", "id", "label"]
    predict_source(predictor, source, output, answers=Answers(to="guid_tag", short=True, force=True))
    assert list(rows_of(details_path(output))[0])[:2] == ["id", "label"]


def answered(predictor: Predictor, source: Path, output: str, **how: Any) -> bytes:
    path = source.with_name(output)
    predict_source(predictor, source, path, answers=Answers(**how))
    return path.read_bytes()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "sep={}\n"])
def test_a_table_keeps_its_separator(separator: str, first: str, predictor: Predictor, tmp_path: Path) -> None:
    source, opening = tmp_path / "in.csv", first.format(separator)
    source.write_text(f"{opening}id{separator}text\n7{separator}fine\n")
    found = answered(predictor, source, "out.csv")
    assert found.startswith(separator.join((f"{opening}id", "text", "label", "confidence", "")).encode())
    assert found.splitlines()[-1].startswith(separator.join(("7", "fine", "")).encode())
    short = answered(predictor, source, "short.csv", short=True)
    assert short.startswith(separator.join((f"{opening}id", "label", "p_negative", "")).encode())
    stream = io.BytesIO()
    predict_source(predictor, source, None, answers=Answers(stdout=stream))
    assert stream.getvalue() == found
    again = answered(predictor, tmp_path / "out.csv", "again.csv")  # and is read again
    assert again.startswith(separator.join((f"{opening}id", "text", "label", "confidence", "")).encode())


@pytest.mark.parametrize(
    ("name", "text", "output", "start"),
    [
        ("in.tsv", "id\ttext\n7\tfine\n", "out.csv", b"id,text,label,"),
        ("in.txt", "id\ttext\n7\tfine\n", "out.csv", b"id,text,label,"),
        ("in.csv", "id;text\n7;fine\n", "out.tsv", b"id\ttext\tlabel\t"),
        ("in.csv", "sep=;\nid;text\n7;fine\n", "out.tsv", b"id\ttext\tlabel\t"),
        ("in.jsonl", '{"id": 7, "text": "fine"}\n', "out.csv", b"id,text,label,"),
    ],
)
def test_another_kind_of_file_is_written_as_it_is_by_rule(
    name: str, text: str, output: str, start: bytes, predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    assert answered(predictor, tmp_path / name, output).startswith(start)


@pytest.mark.parametrize(
    ("encoding", "marked"),
    [("utf-8", False), ("utf-8-sig", True), ("utf-16", True), ("cp1252", True), ("gb18030", True), ("ascii", False)],
)
def test_what_a_spreadsheet_has_opened_it_opens_again(
    encoding: str, marked: bool, predictor: Predictor, tmp_path: Path
) -> None:
    text = {"gb18030": "今天天气很好，我们很开心", "ascii": "a fine day"}.get(
        encoding, "schöner Tag, größer geht es nicht"
    )
    source = tmp_path / "in.csv"
    source.write_bytes(f"id;text\r\n7;{text}\r\n".encode(encoding))
    for output in ("out.csv", "out.tsv"):
        found = answered(predictor, source, output)
        assert found.startswith(b"\xef\xbb\xbf") is marked
        assert text in found.decode("utf-8-sig")
    assert not answered(predictor, source, "out.jsonl").startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("cells", "comma"),
    [
        (("1,5", "x"), True), (("-0,25", "1,234"), True),
        (("1.5", "1,5"), False), (("1,234", "12,345,678"), False), (("a, b", "x"), False),
    ],
)  # fmt: skip
def test_numbers_have_the_commas_of_a_table_with_decimal_commas(
    cells: tuple[str, str], comma: bool, predictor: Predictor, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text;a;b\nfine;" + ";".join(cells) + "\n")
    head, row = answered(predictor, source, "out.csv").decode().splitlines()
    found = dict(zip(head.split(";"), row.split(";"), strict=True))
    assert (found["a"], found["b"]) == cells
    assert ("," in found["confidence"], "." in found["confidence"]) == (comma, not comma)
    for name in ("confidence", "p_negative", "p_neutral", "p_positive"):
        assert 0 <= float(found[name].replace(",", ".")) <= 1
    tabs = answered(predictor, source, "out.tsv").decode()
    assert ("0," in tabs.splitlines()[1].split("\t")[4]) is comma


def test_a_folder_of_tables_is_answered_as_its_first_one_is_written(predictor: Predictor, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("id|text\n7|fine\n")
    assert answered(predictor, folder, "out.csv").startswith(b"id|text|label|")


def test_what_there_is_to_tell_of_a_source_is_told_once(predictor: Predictor, tmp_path: Path) -> None:
    """An existing file is held against every file of the input first, which reads the posts before they are read."""
    source, output, told = tmp_path / "posts.csv", tmp_path / "out.csv", list[str]()
    source.write_text("tweet_id,tweet\n1,what a day\n")
    for force in (False, True):
        told.clear()
        predict_source(
            predictor,
            source,
            output,
            replace(PREDICTING, notify=told.append),
            Answers(None, False, force, io.BytesIO()),
        )
        assert [line.partition(":")[0] for line in told] == ["columns"]
