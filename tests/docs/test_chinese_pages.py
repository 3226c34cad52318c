"""A Chinese page says what its English twin says: the same code, tables, headings and places that others link to."""

import re
from pathlib import Path

import pytest
from pages import BLOCK, ROOT, headings, places, prose, slugify

TWINS = sorted((ROOT / "docs").rglob("*.zh.md"))
every = pytest.mark.parametrize("chinese", TWINS, ids=lambda path: path.relative_to(ROOT / "docs").as_posix())


def english(chinese: Path) -> Path:
    return chinese.with_name(chinese.name.replace(".zh.md", ".md"))


def code(page: Path) -> list[str]:
    """Return the blocks of code without what a comment says."""
    blocks = BLOCK.findall(page.read_text("utf-8"))
    return [re.sub(r"(?<=\s)#.*|^#(?!!).*", "#", block, flags=re.MULTILINE) for block in blocks]


@every
def test_code_is_the_same(chinese: Path) -> None:
    assert code(chinese) == code(english(chinese))


@every
def test_tables_hold_the_same_numbers(chinese: Path) -> None:
    numbers = [
        [sorted(re.findall(r"\d+(?:\.\d+)?", row)) for row in re.findall(r"^\|.*", prose(page), re.MULTILINE)]
        for page in (chinese, english(chinese))
    ]
    assert numbers[0] == numbers[1]


@every
def test_headings_have_the_same_levels(chinese: Path) -> None:
    assert [level for level, _ in headings(chinese)] == [level for level, _ in headings(english(chinese))]


@every
def test_every_place_of_the_english_page_is_there(chinese: Path) -> None:
    assert {slugify(words, "-") for level, words in headings(english(chinese)) if level != "#"} <= places(chinese)
