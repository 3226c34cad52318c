"""What comes back is the file that came in: its further columns, its separator, and why a post was not read whole."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

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
