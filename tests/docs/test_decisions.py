"""Every decision has a page of one shape, stands in the index, and names files that are there."""

import re
from pathlib import Path

import pytest
from pages import ROOT, SOURCE, read_page, read_rows

FOLDER = ROOT / "docs" / "decisions"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
HEADINGS = ["What", "Why", "What else was weighed", "What would change our mind"]

every = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


def test_the_index_names_every_page_with_its_title() -> None:
    rows = read_rows(read_page("docs/decisions/README.md"))
    named = [re.fullmatch(r"\[(.+)\]\((.+)\)", row[0]) for row in rows]
    titles = {path.name: path.read_text("utf-8").splitlines()[0].removeprefix("# ") for path in PAGES}
    assert [(match[2], match[1]) for match in named if match] == list(titles.items())
    assert all(row[1] for row in rows)


@every
def test_a_page_says_what_why_what_else_and_what_would_change_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert 15 <= len(text.splitlines()) <= 35
    assert max(map(len, text.splitlines())) <= 150


@every
def test_what_a_page_names_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (path.parent / link).is_file(), link
    for named in re.findall(r"`([\w./-]+\.py|\w+/(?:[\w-]+/)*)`", text):
        assert (SOURCE / named).exists() or (ROOT / named).exists(), named
