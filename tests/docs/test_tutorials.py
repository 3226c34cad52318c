"""Every tutorial works as it is written: its files are made, its commands run, what it shows is said."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import read_page

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[tuple[str, str, str]]:
    """Return a tutorial's blocks: their language, their file's name or an empty string, their text."""
    return _BLOCK.findall(read_page(f"docs/tutorials/{name}.md"))


@pytest.mark.parametrize("name", ["table", pytest.param("folder", marks=pytest.mark.slow)])
def test_a_tutorial_works_as_it_is_written(name: str, tmp_path: Path) -> None:
    said = ""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = 0
    for language, title, text in blocks(name):
        if title:
            (tmp_path / title).write_text(text, "utf-8")
        elif language == "sh":
            done = subprocess.run(
                text, shell=True, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PATH": path}
            )
            said = done.stderr + done.stdout
            assert done.returncode == 0, said
            ran += 1
        elif language == "text":
            for line in text.splitlines():
                assert line == "..." or line in said
    assert ran >= 3


@pytest.mark.parametrize("name", ["table", "folder", "service"])
def test_both_languages_show_the_same_code(name: str) -> None:
    assert blocks(name)
    assert blocks(name) == blocks(f"{name}.zh")
