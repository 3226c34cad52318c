"""Every command, file and link that a page shows is there."""

import re
from pathlib import Path

import pytest
from pages import BLOCK, ROOT, SOURCE, places, prose
from typer.main import get_command

from moodfuse.cli.main import command_line

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/*/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
every = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())

COMMAND = get_command(command_line())
VERBS = COMMAND.commands  # type: ignore[attr-defined]
FRONT = {name for option in COMMAND.params for name in option.opts}


def commands(page: str) -> list[tuple[str, set[str]]]:
    """Return the verb and the options of every command in code, whether inline or in a block."""
    blocks, rest = BLOCK.findall(page), BLOCK.sub("", page)
    lines = [line for block in blocks for line in block.splitlines()[1:-1]] + re.findall(r"`([^`\n]+)`", rest)
    found = []
    for line in lines:
        if match := re.search(r"(?:^|[ /\"(])(?<!from )moodfuse ([a-z]+)\b(.*)", line.partition(" #")[0]):
            # `make test` and the like after a semicolon or a pipe are commands of their own.
            found.append((match[1], set(re.findall(r"(?<!\S)(--[a-z][a-z-]*)", re.split(r"[;|]", match[2])[0]))))
    return found


def test_commands_are_found_in_blocks_and_in_line() -> None:
    page = "`moodfuse train DATA --name x`, moodfuse is --not one\n```\n$ moodfuse compare D --folds 2   # --no\n```\n"
    page += "`from moodfuse import load`\n"
    assert commands(page) == [("compare", {"--folds"}), ("train", {"--name"})]


@every
def test_the_commands_of_a_page_exist(path: Path) -> None:
    for verb, options in commands(path.read_text("utf-8")):
        assert verb in VERBS, f"moodfuse {verb}"
        known = {name for parameter in VERBS[verb].params for name in parameter.opts + parameter.secondary_opts}
        assert options <= known | FRONT | {"--help"}, f"moodfuse {verb}"


@every
def test_the_files_that_a_page_names_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    named = re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|md|toml|svg))`", text)
    shown = re.findall(r"\bpython ((?:docs|benchmarks|examples)/\S+\.py)", text)
    for name in [*named, *shown]:
        assert (ROOT / name).is_file() or (SOURCE / name).is_file(), name
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        assert link.startswith("http") or (path.parent / link).exists(), link


@every
def test_the_places_that_a_page_links_to_are_there(path: Path) -> None:
    for name, place in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", prose(path)):
        page = path.parent / name if name else path
        assert page.suffix != ".md" or place in places(page), f"{name}#{place}"
