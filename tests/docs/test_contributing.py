"""CONTRIBUTING.md quotes files that run, draws the house that there is, and names commands and files that exist."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import get_args

import pytest
from pages import ROOT, SOURCE, load_script, read_page, read_rows, read_section

from moodfuse.plugins import Group

PAGE = read_page("CONTRIBUTING.md")
QUOTE = load_script("quote_examples.py")
HOUSE = load_script("make_house.py")
RECIPES = ["examples/plugins/my_fusion.py", "examples/plugins/my_reader.py", "examples/plugins/my_encoder.py"]


def test_the_three_recipes_are_quoted() -> None:
    assert list(QUOTE["quotations"](PAGE)) == RECIPES


@pytest.mark.parametrize("path", RECIPES)
def test_a_recipe_is_the_file_that_a_test_runs(path: str) -> None:
    assert QUOTE["quotations"](PAGE)[path] == (ROOT / path).read_text("utf-8")


def test_the_groups_of_entry_points_are_those_that_are_loaded() -> None:
    assert set(re.findall(r"`(moodfuse\.\w+s)`", PAGE)) == set(get_args(Group))


def test_quotations_are_filled_from_the_files_and_go_stale_with_them(tmp_path: Path) -> None:
    page = "above\n\n<!-- a.py -->\n```python\nold = 1\n```\n\nbelow, <!-- a.py --> no quotation\n"
    assert QUOTE["stale"](page, tmp_path) == ["a.py"]  # a file that is not there is no excuse
    (tmp_path / "a.py").write_text('new = """\n    ```\n"""\n')
    filled = QUOTE["filled"](page, tmp_path)
    assert QUOTE["quotations"](filled) == {"a.py": 'new = """\n    ```\n"""\n'}
    assert filled.startswith("above\n\n<!-- a.py -->\n")
    assert filled.endswith("```\n\nbelow, <!-- a.py --> no quotation\n")
    assert QUOTE["stale"](filled, tmp_path) == []
    (tmp_path / "a.py").write_text("newer = 2\n")
    assert QUOTE["stale"](filled, tmp_path) == ["a.py"]


def test_the_map_names_every_room_once() -> None:
    names = [
        name for row in read_rows(read_section(PAGE, "The map of the house")) for name in re.findall(r"`(\w+)`", row[0])
    ]
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    modules = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    assert sorted(names) == sorted(rooms | modules)


def test_the_picture_shows_the_house_as_it_stands() -> None:
    drawn = HOUSE["draw_house"]()
    assert read_page("docs/house.svg") == drawn, "run python docs/make_house.py"
    texts = {element.text for element in ElementTree.fromstring(drawn).iter() if element.tag.endswith("text")}
    for path in [*SOURCE.glob("*/__init__.py"), *SOURCE.glob("*/*/__init__.py")]:
        assert path.parent.name in texts
    assert [room.name for floor in HOUSE["read_floors"]() for room in floor if "torch" in room.libraries] == ["learn"]


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"^ *\.?/?make ([a-z-]+)|`make ([a-z-]+)", PAGE, re.MULTILINE)))
)
def test_every_make_target_is_in_the_makefile(target: tuple[str, str]) -> None:
    assert re.search(rf"^{''.join(target)}:", read_page("Makefile"), re.MULTILINE)


def test_every_file_that_is_named_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    named = re.findall(r"`((?:src|docs|tests|benchmarks|\.ci|learn|data)/[\w./-]*)`", PAGE)
    assert links
    assert named
    for path in [*links, *named]:
        assert (ROOT / path).exists() or (SOURCE / path).exists(), path
