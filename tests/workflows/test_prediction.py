"""Prediction: a row out for every row in, in order, whatever format and whatever is wrong with a row."""

import csv
import io
import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest

from moodfuse.data.synthetic import Signals, write_synthetic
from moodfuse.errors import DataError, OutputError
from moodfuse.runtime.predictor import WINDOW, Predictor
from moodfuse.workflows.prediction import Answers, details_path, predict_source

POSTS = [("a1", "a good day"), ("b,2", 'she said "hi"\nand left'), ("c3", ""), ("a1", "a good day"), ("", "no id")]


@pytest.fixture(scope="module")
def predictor(trained_run: Path) -> Predictor:
    return Predictor.load(trained_run)


def write(path: Path) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"id": id, "text": text}) + "\n" for id, text in POSTS))
    else:
        with path.open("w", newline="") as file:
            table = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writerows([("id", "text"), *POSTS])
    return path


def table(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def huge_png() -> bytes:
    """30,000 x 30,000 pixels by its header, a few bytes on the disk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "in.jsonl"])
def test_every_row_comes_out_in_order_with_its_id(name: str, predictor: Predictor, tmp_path: Path) -> None:
    source, output = write(tmp_path / name), tmp_path / "out"
    summary = predict_source(predictor, source, output)
    if name == "in.jsonl":
        found = [json.loads(line) for line in output.read_text().splitlines()]
        assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-5 for row in found)
        assert found[2]["status"] == ["text_empty", "image_missing", "nothing_to_read"]
    else:
        found = table(output, "\t" if name == "in.tsv" else ",")  # type: ignore[assignment]
        assert found[2]["status"] == "text_empty|image_missing|nothing_to_read"
    assert [row["id"] for row in found] == [id for id, _ in POSTS]
    assert found[0]["label"] == found[3]["label"]  # a repeated id is two rows with one answer
    assert summary.posts == len(POSTS) == sum(summary.labels.values())
    assert summary.status["nothing_to_read"] == 1
    assert not details_path(output).exists()


@pytest.mark.parametrize("style", ["guid_tag", "report", "csv", "jsonl"])  # "report" was the name of guid_tag
def test_another_format_gives_the_same_answers(style: str, predictor: Predictor, tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv")
    predict_source(predictor, source, tmp_path / "plain")
    predict_source(predictor, source, tmp_path / "out", answers=Answers(to=style))
    two_columns = style in ("guid_tag", "report")
    if style == "jsonl":
        labels = [json.loads(line)["label"] for line in (tmp_path / "out").read_text().splitlines()]
    else:
        labels = [row["tag" if two_columns else "label"] for row in table(tmp_path / "out")]
    assert labels == [row["label"] for row in table(tmp_path / "plain")]
    assert details_path(tmp_path / "out").exists() == two_columns


def test_a_guid_tag_folder_keeps_its_two_columns_and_details_stand_beside(
    predictor: Predictor, synthetic_folder: Path, tmp_path: Path
) -> None:
    listed = (synthetic_folder / "test_without_label.txt").read_text().splitlines()
    predict_source(predictor, synthetic_folder, tmp_path / "result.txt")
    lines = (tmp_path / "result.txt").read_text().splitlines()
    assert lines[0] == "guid,tag"
    assert [line.split(",")[0] for line in lines[1:]] == [line.split(",")[0] for line in listed[1:]]
    assert {line.split(",")[1] for line in lines[1:]} <= set(predictor.labels.names)
    details = table(tmp_path / "result.txt.details.csv")
    assert [f"{row['id']},{row['label']}" for row in details] == lines[1:]
    stream = io.BytesIO()
    predict_source(predictor, synthetic_folder, None, answers=Answers(stdout=stream))
    assert stream.getvalue() == (tmp_path / "result.txt").read_bytes()


def test_whatever_is_wrong_with_a_post_it_keeps_its_row_and_says_so(predictor: Predictor, tmp_path: Path) -> None:
    folder = write_synthetic(tmp_path / "posts", posts=3, unlabelled=9, signals=Signals(missing=0), seed=1)
    data, listing = folder / "data", folder / "test_without_label.txt"
    ids = [line.split(",")[0] for line in listing.read_text().splitlines()[1:]]
    (data / f"{ids[0]}.txt").unlink()
    (data / f"{ids[1]}.jpg").unlink()
    for kind in ("txt", "jpg"):
        (data / f"{ids[2]}.{kind}").unlink()
    (data / f"{ids[3]}.txt").write_bytes(b"")
    (data / f"{ids[4]}.jpg").write_bytes(b"")
    half = (data / f"{ids[5]}.jpg").read_bytes()
    (data / f"{ids[5]}.jpg").write_bytes(half[: len(half) // 2])
    (data / f"{ids[6]}.jpg").write_bytes(b"<html>no image</html>")
    (data / f"{ids[7]}.jpg").write_bytes(huge_png())
    (data / f"{ids[8]}.txt").write_bytes(b"word " * 200_000)
    with listing.open("a") as file:
        file.write(f"{ids[0]},null\n")  # a guid that stands twice
    predict_source(predictor, folder, tmp_path / "out.csv")
    found = table(tmp_path / "out.csv")
    assert [row["id"] for row in found] == [*ids, ids[0]]
    assert [row["status"] for row in found] == [
        "text_missing", "image_missing", "text_missing|image_missing|nothing_to_read", "text_empty",
        "image_unreadable", "image_truncated", "image_format_unknown", "image_too_large", "text_truncated",
        "text_missing",
    ]  # fmt: skip
    assert [row["used"] for row in found[:4]] == ["image", "text", "", "image"]


def test_a_source_that_breaks_off_leaves_the_old_answers_alone(predictor: Predictor, tmp_path: Path) -> None:
    source, output = tmp_path / "in.json", tmp_path / "out.csv"
    source.write_text("[" + "".join(f'{{"id": {i}, "text": "fine"}},\n' for i in range(3 * WINDOW)) + '{"text": "never')
    output.write_text("before")
    with pytest.raises(DataError, match=rf"in\.json row {3 * WINDOW + 1}"):
        predict_source(predictor, source, output, answers=Answers(force=True))
    assert output.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.json", "out.csv"]


def test_an_output_that_cannot_be_written_is_told_before_any_work(predictor: Predictor, tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv")
    (tmp_path / "file").write_text("")

    def never(*_: object) -> None:
        raise AssertionError("predicted first")

    for output in (tmp_path, tmp_path / "no" / "out.csv", tmp_path / "file" / "out.csv", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError):
            predict_source(predictor, source, output, progress=never)
    with pytest.raises(DataError, match="no such file"):
        predict_source(predictor, tmp_path / "nowhere.csv", tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in.csv"]


def test_memory_does_not_grow_with_the_number_of_posts(predictor: Predictor, tmp_path: Path) -> None:
    """Rows of 18 kB, nearly all blanks: the model has one word to read, but all the rows at once would be 20 MB."""

    def peak(count: int) -> int:
        source = tmp_path / f"{count}.csv"
        with source.open("w") as file:
            file.write("id,text\n")
            for i in range(count):
                file.write(f"{i},day {' ' * 18_000}.\n")
        tracemalloc.start()
        try:
            predict_source(predictor, source, tmp_path / "out.csv", answers=Answers(force=True))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(400), peak(1_200)
    assert many < few + 3_000_000, (few, many)


def test_answers_may_be_safe_for_spreadsheets(predictor: Predictor, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text('=id,text,note\n1,=HYPERLINK("http://evil"),-5\n2,fine,@x\n')
    plain, safe = tmp_path / "plain.csv", tmp_path / "safe.csv"
    predict_source(predictor, source, plain)
    predict_source(predictor, source, safe, answers=Answers(safe=True))
    cells = [[row[name] for name in list(row)[:3]] for row in table(safe)]
    assert [next(iter(row)) for row in table(plain)] == ["=id", "=id"]
    assert [next(iter(row)) for row in table(safe)] == ["'=id", "'=id"]
    assert cells == [["1", '\'=HYPERLINK("http://evil")', "-5"], ["2", "fine", "'@x"]]
