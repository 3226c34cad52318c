"""Readers of third parties: found through entry points, held to the same contract, and never the end of a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "plugins" / "my_reader.py"

NOTES = """id: 7
label: positive

What a day!
It was warm.
---
id: 8

It rained.
---
"""

TOLD = "is left out"
# A reader that would do, were it not for one attribute.
READER = "from moodfuse.data.formats.tables import CsvReader\nclass X(CsvReader):\n name = 'x'\n priority = 99\n"
BROKEN = {
    "it cannot be imported": ("import no_such_package", "my_reader:X", TOLD),
    "its module is no Python": ("class X(:", "my_reader:X", TOLD),
    "it ends the process": ("raise SystemExit(3)", "my_reader:X", TOLD),
    "nothing is there": ("", "my_reader:X", TOLD),
    "it is no reader": ("class X: pass", "my_reader:X", TOLD),
    "it lacks a method": (
        "from moodfuse.data.formats.base import Reader\nclass X(Reader):\n name = 'x'",
        "my_reader:X",
        TOLD,
    ),
    "it takes the name of another": (
        "from moodfuse.data.formats.tables import CsvReader\nclass X(CsvReader): pass",
        "my_reader:X",
        "two formats are called 'csv'",
    ),
    "it has no suffixes": (READER + " suffixes = None", "my_reader:X", TOLD),
    "its suffixes are a text": (READER + " suffixes = '.x'", "my_reader:X", TOLD),
    "a suffix is a number": (READER + " suffixes = ('.x', 7)", "my_reader:X", TOLD),
    "its priority is none": (READER + " priority = None", "my_reader:X", TOLD),
    "its name is empty": (READER + " name = ''", "my_reader:X", TOLD),
    "it cannot be made": (READER + " def __init__(self): raise RuntimeError('a\\nb')", "my_reader:X", TOLD),
    "it fails where it is asked": (
        "from moodfuse.data.formats.tables import CsvReader\n"
        "class X(CsvReader):\n name = 'x'\n priority = 1\n"
        " def recognises(self, path, header): raise RuntimeError('a\\nb')",
        "my_reader:X",
        "the reader of x fails on",
    ),
}


def installed(folder: Path, code: str, entry: str) -> dict[str, str]:
    """Lay a module and its entry point down as pip does; returns the environment of a process that sees them."""
    folder.mkdir()
    (folder / "my_reader.py").write_text(code)
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[moodfuse.readers]\nmine = {entry}\n")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def moodfuse(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "moodfuse", *words], env=env, capture_output=True, text=True)


@pytest.fixture
def example(tmp_path: Path) -> dict[str, str]:
    return installed(tmp_path / "site", EXAMPLE.read_text(), "my_reader:NotesReader")


def test_the_example_reads_files_and_folders_of_them(tmp_path: Path, example: dict[str, str]) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a.notes").write_text(NOTES)
    (tmp_path / "many" / "b.notes").write_text(NOTES.replace("id: ", "id: b"))
    for source, expected in (("many/a.notes", 2), ("many", 4)):
        done = moodfuse("convert", str(tmp_path / source), str(tmp_path / f"{expected}.csv"), "-q", env=example)
        assert (done.returncode, done.stderr) == (0, "")
        rows = (tmp_path / f"{expected}.csv").read_text().split("\n\n")[0]
        assert rows.startswith('id,text,image,label\n7,"What a day!\nIt was warm.",,positive\n8,It rained.,,\n')
        assert rows.count("It rained.") == expected / 2


@pytest.mark.slow
def test_the_example_keeps_the_contract_of_readers(example: dict[str, str]) -> None:
    words = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-k", "notes"]
    suites = [str(HERE / name) for name in ("test_readers.py", "test_hostile_sources.py")]
    done = subprocess.run([*words, *suites], env=example, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 25


def test_a_reader_of_another_package_is_no_business_of_the_suite_until_it_hands_its_case_in(tmp_path: Path) -> None:
    code = EXAMPLE.read_text().replace('"notes"', '"letters"').replace(".notes", ".letters")
    env = installed(tmp_path / "site", code, "my_reader:NotesReader")
    (tmp_path / "site" / "letters_case.py").write_text(
        "from reader_cases import Case, add_note, make_notes\n"
        "def make(folder, posts):\n"
        "    return make_notes(folder, posts).rename(folder / 'sample.letters')\n"
        "CASES = {'letters': Case(make, add_note)}\n"
    )
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(HERE / "test_readers.py"), "-k"]
    chosen = "letters or has_a_case or csv and says_what_it_is"
    for case, passed in (({}, 2), ({"MOODFUSE_READER_CASES": "letters_case"}, 10)):
        done = subprocess.run([*words, chosen], env=env | case, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert int(done.stdout.split(" passed")[0].split()[-1]) >= passed


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plug_in_is_a_line_of_warning_and_no_more(tmp_path: Path, what: str) -> None:
    code, entry, told = BROKEN[what]
    env = installed(tmp_path / "site", code, entry)
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a.csv").write_text("id,text\n1,good\n")
    for source, output in (("many/a.csv", "a.jsonl"), ("many", "b.jsonl")):
        done = moodfuse("convert", str(tmp_path / source), str(tmp_path / output), "-q", env=env)
        assert done.returncode == 0, done.stderr
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert (tmp_path / output).read_text().count("good") == 1


def test_no_plug_in_is_looked_for_before_a_file_of_posts_is(tmp_path: Path) -> None:
    env = installed(tmp_path / "site", "raise RuntimeError('too early')", "my_reader:X")
    done = moodfuse("predict", "--text", "good", "-q", env=env)
    assert (done.returncode, done.stderr) == (0, "")
