"""Nothing that posts are read from is ever written over, whatever it is called; other files only with --force."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from moodfuse.data.formats.base import PREDICTING, Reading
from moodfuse.errors import OutputError
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.conversion import convert
from moodfuse.workflows.destination import check_destinations
from moodfuse.workflows.prediction import Answers, predict_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.csv").write_bytes(b"an image by an odd name")
    path = tmp_path / "w.csv"
    path.write_text("id,text,image\n1,good,pics/a.csv\n")
    return path


def itself(source: Path) -> Path:
    return source


def linked(source: Path) -> Path:
    path = source.with_name("link.csv")
    path.symlink_to(source)
    return path


def hard_linked(source: Path) -> Path:
    path = source.with_name("hard.csv")
    path.hardlink_to(source)
    return path


def in_capitals(source: Path) -> Path:
    return source.with_name("W.CSV")


def by_a_detour(source: Path) -> Path:
    return source.parent / "pics" / ".." / source.name


def an_image(source: Path) -> Path:
    return source.parent / "pics" / "a.csv"


@pytest.mark.parametrize("named", [itself, linked, hard_linked, in_capitals, by_a_detour, an_image])
@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_written_over(named: Callable[[Path], Path], force: bool, source: Path) -> None:
    output = named(source)
    before = {path: path.read_bytes() for path in source.parent.rglob("*.csv")}
    with pytest.raises(OutputError):
        check_destinations([output], source, PREDICTING, force=force)
    with pytest.raises(OutputError):
        convert(source, output, force=force)
    assert {path: path.read_bytes() for path in source.parent.rglob("*.csv")} == before


@pytest.mark.parametrize("name", ["train.txt", "test_without_label.txt", "data/{id}.txt", "data/{id}.jpg"])
def test_nor_is_a_file_of_a_folder(name: str, synthetic_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(synthetic_folder, tmp_path / "posts")
    ids = (folder / "test_without_label.txt").read_text().split()[1:]
    there = next(id for id in (line.split(",")[0] for line in ids) if (folder / "data" / f"{id}.jpg").exists())
    output = folder / name.format(id=there)
    with pytest.raises(OutputError, match="belongs to the input"):
        check_destinations([output], folder, PREDICTING, force=True)
    (folder / "result.txt").write_text("before")
    with pytest.raises(OutputError, match="--force"):
        check_destinations([folder / "result.txt"], folder, PREDICTING)
    check_destinations([folder / "result.txt", folder / "new.txt"], folder, PREDICTING, force=True)


def test_nor_is_one_of_many_files(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("text\ngood\n")
    with pytest.raises(OutputError, match="belongs to the input"):
        check_destinations([tmp_path / "b.csv"], tmp_path, Reading(part="predict", strict=False), force=True)


def test_another_file_is_written_over_with_force_alone(text_run: Path, source: Path) -> None:
    predictor, output = Predictor.load(text_run, threads=1), source.with_name("out.csv")
    output.write_text("before")
    with pytest.raises(OutputError, match="--force"):
        predict_source(predictor, source, output)
    with pytest.raises(OutputError, match="--force"):
        convert(source, output)
    assert output.read_text() == "before"
    predict_source(predictor, source, output, answers=Answers(force=True))
    assert output.read_text().startswith("id,text,image,label,")
    convert(source, output, force=True)
    assert output.read_text().startswith("id,text,image,label\n")


def test_details_that_would_hit_an_input_or_a_file_are_told_too(
    text_run: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    predictor = Predictor.load(text_run, threads=1)
    (tmp_path / "r.txt.details.csv").write_text("before")
    with pytest.raises(OutputError, match=r"r\.txt\.details\.csv: the file exists already"):
        predict_source(predictor, synthetic_folder, tmp_path / "r.txt")
    assert not (tmp_path / "r.txt").exists()
