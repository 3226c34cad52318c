"""A Chinese page says what its English twin says: the same code, tables, headings and places that others link to."""

import re
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify_unicode
from pages import ROOT

TWINS = sorted((ROOT / "docs").rglob("*.zh.md"))
PAGES = [page for page in (ROOT / "docs").rglob("*.md") if not page.name.endswith(".zh.md")]
every = pytest.mark.parametrize("chinese", TWINS, ids=lambda path: path.relative_to(ROOT / "docs").as_posix())

_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def english(chinese: Path) -> Path:
    return chinese.with_name(chinese.name.replace(".zh.md", ".md"))


def code(page: Path) -> list[str]:
    """Return the blocks of code without what a comment says."""
    blocks = _BLOCK.findall(page.read_text("utf-8"))
    return [re.sub(r"(?<=\s)#.*|^#(?!!).*", "#", block, flags=re.MULTILINE) for block in blocks]


def prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text("utf-8"))


def headings(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)


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
def test_places_that_pages_link_to_are_there(chinese: Path) -> None:
    target = english(chinese).name
    linked = {
        anchor
        for page in [*PAGES, ROOT / "README.md", ROOT / "README.zh-CN.md"]
        for name, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", prose(page))
        if Path(name).name == target or (not name and page in (chinese, english(chinese)))
    }
    there = set(re.findall(r'<a id="([^"]+)">', prose(chinese)))
    assert linked <= there | {slugify_unicode(heading, "-") for _, heading in headings(chinese)}
