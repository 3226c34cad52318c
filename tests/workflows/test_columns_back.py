"""What came in comes back: every column, in order, as it was, and behind it the answer."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.shards import Shard
from moodfuse.errors import ConfigError, OutputError
from moodfuse.runtime import workbook
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.prediction import Answers, predict_source

BEHIND = ["label", "confidence", "p_negative", "p_neutral", "p_positive", "used", "status", "needs_review", "details"]
SHORT = ["id", "label", *BEHIND[2:5], "confidence", *BEHIND[5:]]


@pytest.fixture(scope="module")
def predictor(text_run: Path) -> Predictor:
    return Predictor.load(text_run, threads=1)


def table(path: Path, separator: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=separator))


def written(path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_a_table_comes_back_with_its_answers(suffix: str, separator: str, predictor: Predictor, tmp_path: Path) -> None:
    rows = [["when", "text", "id", "Price"], ["1/2", 'a "good"\nday', "007", "1,5"], ["", "bad, bad", "=1+1", " x "]]
    source, output = written(tmp_path / f"in{suffix}", rows, separator), tmp_path / f"out{suffix}"
    predict_source(predictor, source, output)
    found = table(output, separator)
    assert [row[:4] for row in found] == rows
    assert found[0][4:] == BEHIND
    assert {len(row) for row in found} == {13}
    assert found[1][4] in predictor.labels.names


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (["text", "Label", "confidence"], ["moodfuse_label", "moodfuse_confidence"]),
        (["text", "label", "moodfuse_label"], ["moodfuse_moodfuse_label", "confidence"]),
        (["text", "", " LABEL "], ["moodfuse_label", "confidence"]),
        (["text", "two\nlines", "a,b"], ["label", "confidence"]),
    ],
)
def test_a_name_that_is_taken_gets_a_prefix(
    header: list[str], names: list[str], predictor: Predictor, tmp_path: Path
) -> None:
    source = written(tmp_path / "in.csv", [header, ["good", "1", "2"], ["bad", "3"]])
    predict_source(predictor, source, tmp_path / "out.csv")
    found = table(tmp_path / "out.csv")
    assert found[0][:3] == header
    assert found[0][3:5] == names
    assert [row[:3] for row in found[1:]] == [["good", "1", "2"], ["bad", "3", ""]]  # a short row is filled up


def test_many_and_equal_columns_come_back(predictor: Predictor, tmp_path: Path) -> None:
    header = ["text", "note", "note", *(f"c{i}" for i in range(5_000))]
    source = written(tmp_path / "in.csv", [header, *([str(i), *map(str, range(5_002))] for i in range(3))])
    predict_source(predictor, source, tmp_path / "out.csv")
    found = table(tmp_path / "out.csv")
    assert len(found[0]) == len(set(found[0])) == 5_003 + len(BEHIND)
    assert all(row[1:5_003] == [*map(str, range(5_002))] for row in found[1:])


LINES: list[dict[str, Any]] = [
    {"id": 9007199254740993, "text": "good", "user": {"name": "é", "tags": [1, None]}, "likes": 1.0},
    {"text": "half \ud83d", "id": "x", "probabilities": "mine", "ok": True},
]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet", ""])
def test_fields_of_json_come_back_in_every_format(suffix: str, predictor: Predictor, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    source.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    predict_source(predictor, source, output)
    if suffix in (".jsonl", ".json", ""):
        text = output.read_text()
        found = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        for row, line in zip(found, LINES, strict=True):
            assert list(row)[: len(line)] == list(line)
            assert {name: row[name] for name in line} == line
            assert list(row)[len(line) :] == ["label", "confidence", "moodfuse_probabilities", *BEHIND[5:]]
        return
    if suffix == ".parquet":
        found = pytest.importorskip("pyarrow.parquet").read_table(output).to_pylist()
    else:
        found = list(csv.DictReader(io.StringIO(output.read_text())))
    assert found[0]["id"] == "9007199254740993"
    assert json.loads(found[0]["user"]) == LINES[0]["user"]
    assert found[1]["text"] == "half \\ud83d"
    assert list(found[0])[:6] == ["id", "text", "user", "likes", "probabilities", "ok"]


def test_a_list_of_nothing_is_still_json(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n")
    predict_source(predictor, tmp_path / "in.csv", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == []


def test_columns_of_parquet_keep_their_types(predictor: Predictor, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {
        "text": ["good", None, "bad"], "n": pa.array([1, 2**62, None], pa.int64()),
        "at": pa.array([datetime(2024, 1, 2, 3, 4, 5)] * 3, pa.timestamp("us")), "tags": [["a"], [], None],
        "nul\0l": [True, None, False], "who": pa.array(["x", "y", "x"]).dictionary_encode(), "label": ["a", "b", None],
    }  # fmt: skip
    source = pa.table(columns)
    pq.write_table(source, tmp_path / "in.parquet")
    predict_source(predictor, tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.names[7:] == ["moodfuse_label", *BEHIND[1:]]
    kept = found.select(range(7))
    assert kept.to_pylist() == source.to_pylist()
    assert [kept.schema.field(i).type for i in (1, 2)] == [pa.int64(), pa.timestamp("us")]
    parts = [tmp_path / f"{i}.parquet" for i in (1, 2)]
    for number, part in enumerate(parts, start=1):
        predict_source(predictor, tmp_path / "in.parquet", part, shard=Shard(number, 2))
    assert pa.concat_tables(map(pq.read_table, parts)).select(range(7)).to_pylist() == source.to_pylist()


def cells_of(path: Path) -> list[list[tuple[str, str]]]:
    """Kind and text of each cell of a workbook's first sheet, formulas marked as such."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    return [
        [
            ("f" if cell.find(f"{space}f") is not None else cell.get("t", "n"), "".join(cell.itertext()))
            for cell in row.iter(f"{space}c")
        ]
        for row in sheet.iter(f"{space}row")
    ]


def test_excel_holds_text_as_text(predictor: Predictor, tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter")
    rows = [["id", "text", "a"], ["007", "=1+1", "1.23E+17"], ["12345678901234567890", "http://a.example/", "+1"]]
    predict_source(predictor, written(tmp_path / "in.csv", rows), tmp_path / "out.xlsx")
    found = cells_of(tmp_path / "out.xlsx")
    assert [[text for _, text in row[:3]] for row in found] == rows
    assert {kind for row in found for kind, _ in row[:3]} == {"inlineStr"}
    assert [kind for kind, _ in found[1][3:]] == ["inlineStr", *["n"] * 4, "inlineStr", "inlineStr", "b"]


def test_what_excel_cannot_hold_is_said_and_nothing_is_written(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xlsxwriter")
    output = tmp_path / "out.xlsx"
    for text, said in (("x" * 32_768, "32,768 characters"), ("😡" * 16_384, "32,768 characters")):
        source = written(tmp_path / "in.csv", [["text"], ["fine"], [text]])
        with pytest.raises(OutputError, match=rf"row 3, column 'text': {said}"):
            predict_source(predictor, source, output)
    wide = written(tmp_path / "wide.csv", [["text", *map(str, range(16_384))], ["fine"]])
    with pytest.raises(OutputError, match="16,394 columns"):
        predict_source(predictor, wide, output)
    monkeypatch.setattr(workbook, "MAX_ROWS", 3)
    long = written(tmp_path / "long.csv", [["text"], *[["fine"]] * 3])
    with pytest.raises(OutputError, match="more than 2 posts"):
        predict_source(predictor, long, output)
    assert not output.exists()


def test_answers_alone(predictor: Predictor, tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", [["text", "label", "id"], ["good", "x", "7"]])
    predict_source(predictor, source, tmp_path / "out.csv", answers=Answers(short=True))
    found = table(tmp_path / "out.csv")
    assert found[0] == SHORT
    assert found[1][0] == "7"


@pytest.mark.parametrize("name", ["out.xls", "out.doc", "out.txt", "out.csv.gz"])
def test_an_unknown_ending_is_an_error_that_lists_those_there_are(
    name: str, predictor: Predictor, tmp_path: Path
) -> None:
    source = written(tmp_path / "in.csv", [["text"], ["good"]])
    with pytest.raises(ConfigError, match=r"\.csv, \.tsv, \.jsonl, \.json, \.parquet, \.xlsx"):
        predict_source(predictor, source, tmp_path / name)
    predict_source(predictor, source, tmp_path / name, answers=Answers(to="csv"))
    assert table(tmp_path / name)[1][0] == "good"


def test_a_stream_gets_what_came_in(predictor: Predictor, tmp_path: Path) -> None:
    for name, start in (("in.csv", b"text,"), ("in.tsv", b"text\t")):
        source = written(tmp_path / name, [["text", "x"], ["good", "1"]], "\t" if name == "in.tsv" else ",")
        stream = io.BytesIO()
        predict_source(predictor, source, None, PREDICTING, Answers(stdout=stream))
        assert stream.getvalue().startswith(start)
    with pytest.raises(OutputError, match="xlsx is written to a file"):
        predict_source(predictor, source, None, PREDICTING, Answers("xlsx", stdout=io.BytesIO()))


def test_a_table_whose_format_is_named_needs_no_header_that_is_known(predictor: Predictor, tmp_path: Path) -> None:
    source, output = written(tmp_path / "in.txt", [["foo", "bar"], ["a good day", "1"]]), tmp_path / "out.csv"
    predict_source(predictor, source, output, replace(PREDICTING, format="csv", columns={"text": "foo"}))
    assert [row[:3] for row in table(output)] == [["foo", "bar", "label"], ["a good day", "1", table(output)[1][2]]]
    assert table(output)[1][7] == "text"
