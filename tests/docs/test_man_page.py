"""The man page is the command line's own, and troff has nothing against it."""

import shutil
import subprocess

import pytest
from pages import ROOT, load_script, read_page
from typer.main import get_command

from moodfuse.cli.main import command_line

PAGE = read_page("docs/moodfuse.1")


def test_the_page_is_what_the_command_line_says() -> None:
    assert load_script("make_man.py")["man_page"]() == PAGE, "run make man"


def test_every_verb_has_a_section_with_its_options() -> None:
    sections = {text.partition("\n")[0].split(" ")[0]: text for text in PAGE.split("\n.SS ")[1:]}
    for name, verb in get_command(command_line()).commands.items():  # type: ignore[attr-defined]
        assert name in sections
        for option in (opt for one in getattr(verb, "params", []) for opt in one.opts if opt.startswith("--")):
            assert name == "config" or option.replace("-", "\\-") in sections[name]


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man, to show the page")
def test_it_is_shown_without_a_warning() -> None:
    done = subprocess.run(["man", "--warnings", "-l", ROOT / "docs/moodfuse.1"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "MOODFUSE_CACHE" in done.stdout
