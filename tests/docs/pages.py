"""The pages that these tests read, and the scripts that write them."""

from __future__ import annotations

import re
import runpy
import tokenize
from functools import lru_cache
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify_unicode as slugify

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "moodfuse"
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def read_page(name: str) -> str:
    """Return a page's text; `name` is its path from the repository's root."""
    return (ROOT / name).read_text("utf-8")


def read_section(page: str, heading: str) -> str:
    """Return what stands under a second-level heading."""
    _, found, rest = page.partition(f"\n## {heading}\n")
    assert found, f"the page has no section {heading!r}"
    return rest.partition("\n## ")[0]


def read_rows(section: str) -> list[list[str]]:
    """Return the cells of a Markdown table, its two head lines left out."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def load_script(name: str) -> dict[str, Any]:
    """Return the names that a script in docs/ defines."""
    return runpy.run_path(str(ROOT / "docs" / name))


def prose(page: Path) -> str:
    """Return a page's text without its blocks of code."""
    return BLOCK.sub("", page.read_text("utf-8"))


def headings(page: Path) -> list[tuple[str, str]]:
    """Return the signs before each heading (#, ##) and its words."""
    return re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)


def places(page: Path) -> set[str]:
    """Return what a link to the page may name behind its #: anchors, and headings as the site and GitHub write them."""
    return set(re.findall(r'<a id="([^"]+)">', prose(page))) | {slugify(words, "-") for _, words in headings(page)}


@lru_cache
def identifiers(path: Path) -> frozenset[str]:
    """Return every identifier in a Python file: names alone, no words of texts or comments."""
    with tokenize.open(path) as file:
        return frozenset(t.string for t in tokenize.generate_tokens(file.readline) if t.type == tokenize.NAME)


@lru_cache
def all_identifiers() -> frozenset[str]:
    """Return every identifier in the source."""
    return frozenset().union(*(identifiers(path) for path in SOURCE.rglob("*.py")))
