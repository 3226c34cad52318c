"""An image that is a pipe nobody writes to, or a device without end, is unreadable to every command, and at once."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def moodfuse(*words: object) -> str:
    """Run a command, and kill it where it hangs."""
    done = subprocess.run(
        [sys.executable, "-m", "moodfuse", *map(str, words)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory, synthetic_folder: Path) -> Path:
    """The synthetic posts, of which two have no image but something else in its place."""
    folder = shutil.copytree(synthetic_folder, tmp_path_factory.mktemp("hostile") / "posts")
    first, second = sorted((folder / "data").glob("*.jpg"))[:2]
    first.unlink()
    os.mkfifo(first)
    second.unlink()
    second.symlink_to("/dev/zero")
    guids = [path.stem for path in (first, second)]
    lines = (folder / "train.txt").read_text().splitlines()
    listed = {line.split(",")[0] for line in lines}
    added = [f"{guid},positive" for guid in guids if guid not in listed]
    (folder / "train.txt").write_text("\n".join([*lines, *added, ""]))
    (folder / "test_without_label.txt").write_text("guid,tag\n" + "".join(f"{guid},null\n" for guid in guids))
    return folder


@pytest.mark.slow
def test_no_command_waits_for_them(posts: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    words = ["train.epochs=1", "train.batch_size=16", "--name", "a", "--runs", runs, "-q"]
    moodfuse("train", posts, "--recipe", "concat", *words)
    scores = json.loads(moodfuse("evaluate", runs / "a", posts, "--json", "-q"))
    assert scores["seen_in_training"] > 50
    moodfuse("predict", runs / "a", posts, "-o", tmp_path / "out.csv", "-q")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["status"], row["used"]) for row in rows] == [("image_unreadable", "text")] * 2


@pytest.mark.slow
def test_nor_does_a_comparison(posts: Path, tmp_path: Path) -> None:
    few = ["--fusions", "concat", "--folds", "2", "--seeds", "1", "--workers", "1", "--robustness", "train.epochs=1"]
    assert json.loads(moodfuse("compare", posts, *few, "--comparisons", tmp_path, "--json", "-q"))


def test_nor_does_an_audit(posts: Path) -> None:
    audit = json.loads(moodfuse("audit", posts, "--json", "-q"))
    assert audit["images"]["unreadable"] == 2
    found = next(finding for finding in audit["findings"] if finding["check"] == "image_unreadable")
    listed = (posts / "test_without_label.txt").read_text().split()[1:]
    assert sorted(found["ids"]) == sorted(line.split(",")[0] for line in listed)


def test_nor_does_the_search_for_duplicates(posts: Path) -> None:
    code = (
        "import sys, moodfuse\n"
        "from moodfuse.data.duplicates import group_duplicates\n"
        "print(len(group_duplicates(moodfuse.read_posts(sys.argv[1])).by_image))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(posts)], capture_output=True, text=True, timeout=120)
    assert 100 < int(done.stdout) <= 118
