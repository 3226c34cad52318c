from __future__ import annotations

import time
from pathlib import Path

import pytest

from moodfuse.data.image_finding import IMAGE_SUFFIXES, find_beside, find_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Photos/A.JPG", "Photos/b.png", "Photos/B.png", "Photos/caf\u00e9.Jpeg", "one.TXT", "One.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("Photos/A.JPG", "Photos/A.JPG"),
        ("photos/a.jpg", "Photos/A.JPG"),
        ("Photos/b.png", "Photos/b.png"),  # the very name wins
        ("Photos/b.PNG", None),  # two would do
        ("photos/cafe\u0301.jpeg", "Photos/caf\u00e9.Jpeg"),
        ("Photos/none.png", None),
        ("nowhere/a.jpg", None),
        ("Photos/A.JPG/x", None),
        ("Photos/\0.jpg", None),
        ("", "."),
    ],
)
def test_a_file_is_found_whatever_its_letters_case(folder: Path, given: str, found: str | None) -> None:
    assert find_file(str(folder / given)) == (None if found is None else folder / found)


def test_an_id_is_never_taken_for_another_id(folder: Path) -> None:
    assert find_beside(folder, "one", (".txt",)) == folder / "one.TXT"
    assert find_beside(folder, "one", IMAGE_SUFFIXES) is None  # One.jpg is another post's
    assert find_beside(folder, "One", IMAGE_SUFFIXES) == folder / "One.jpg"


@pytest.mark.parametrize("suffix", [".JPG", ".Jpeg", ".jfif", ".TIF", ".tiff", ".Avif", ".HEIC", ".heif", ".WEBP"])
def test_every_suffix_counts_in_any_case(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"7{suffix}").touch()
    assert find_beside(tmp_path, "7", IMAGE_SUFFIXES) == tmp_path / f"7{suffix}"


def test_what_is_added_later_is_found(tmp_path: Path) -> None:
    assert find_beside(tmp_path, "7", IMAGE_SUFFIXES) is None
    time.sleep(0.02)  # file systems tell the time of a change in steps
    (tmp_path / "7.GIF").touch()
    assert find_beside(tmp_path, "7", IMAGE_SUFFIXES) == tmp_path / "7.GIF"


def test_a_folder_is_listed_once(tmp_path: Path) -> None:
    for i in range(2000):
        (tmp_path / f"{i}.PNG").touch()
    start = time.perf_counter()
    assert all(find_beside(tmp_path, str(i), IMAGE_SUFFIXES) for i in range(2000))
    assert time.perf_counter() - start < 2  # listing it for each would take minutes
