"""The glossary is true of the code: its words are there, those that are gone are gone, no class has two meanings."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest
from pages import ROOT, SOURCE, all_identifiers, identifiers, read_page, read_rows, read_section

PAGE = read_page("docs/glossary.md")
TERMS = read_rows(PAGE.partition("\n## ")[0])
GONE = read_rows(read_section(PAGE, "Words that are gone"))
TWICE = read_rows(read_section(PAGE, "Names with two homes"))


def _words(identifier: str) -> set[str]:
    """Return the words of a name in either style, without the plural's s: `read_cells`, `CellKey`."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", identifier)
    return {part.lower() for part in parts} | {part.lower().removesuffix("s") for part in parts}


def _files(where: str) -> list[Path]:
    """Return the source files of a place as the glossary names it: `data/`, or everywhere."""
    return sorted((SOURCE if where == "everywhere" else SOURCE / where.strip("`/")).rglob("*.py"))


def _room(path: str) -> str:
    """Return the room of a source file as the glossary names it: `data/formats/base.py` stands in `data`."""
    return path.partition("/")[0].removesuffix(".py")


def test_a_name_is_taken_apart_in_either_style() -> None:
    assert {"report", "reader"} <= _words("ReportReader")
    assert {"cell", "by", "role"} <= _words("cells_by_role")
    assert "cell" in _words("_CELL")
    assert "report" not in _words("reporting")


def test_words_stand_once_in_the_order_of_the_alphabet() -> None:
    words = [row[0] for row in TERMS]
    assert words == sorted(words, key=lambda word: word.replace("_", " ").lower())
    assert len(set(words)) == len(words) > 40


@pytest.mark.parametrize("row", TERMS, ids=lambda row: row[0])
def test_a_word_is_in_the_code_under_its_name(row: list[str]) -> None:
    names = re.findall(r"`(\w+)`", row[2])
    assert names
    assert set(names) <= all_identifiers()


@pytest.mark.parametrize("row", GONE, ids=lambda row: row[0])
def test_a_word_that_is_gone_is_in_no_identifier(row: list[str]) -> None:
    word, where, _ = row
    files = _files(where)
    assert files, where
    left = {
        f"{path.relative_to(SOURCE)}: {name}" for path in files for name in identifiers(path) if word in _words(name)
    }
    assert not left


def test_a_class_has_a_name_of_its_own() -> None:
    homes = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].add(path.relative_to(SOURCE).as_posix())
    twice = {name: sorted(_room(path) for path in paths) for name, paths in homes.items() if len(paths) > 1}
    named = {
        name: sorted(room.rstrip("/") for room in re.findall(r"`([\w/]+)`", row[1]))
        for row in TWICE
        for name in re.findall(r"`(\w+)`", row[0])
    }
    assert twice == named


def test_the_five_course_reports_are_called_so_everywhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *SOURCE.rglob("*.py")]
    for path in pages:
        text = " ".join(path.read_text("utf-8").split())
        assert not re.search(r"\b(one|all|some) of the five reports\b|\ball five reports\b", text), path
