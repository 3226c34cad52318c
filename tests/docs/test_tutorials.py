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
                assert line == "..." or told(line, said)
    assert ran >= 3


def told(line: str, said: str) -> bool:
    """Tell whether `said` holds a line, whose shares, in percent, may be others by five points.

    Products of bytes are rounded otherwise by a processor without VNNI, and a tutorial's few posts are on the edge.
    """
    number = r"\d+(?:\.\d+)?"
    pattern = f"({number})".join(map(re.escape, re.split(number, line)))
    shown = re.findall(number, line)
    return any(all(map(close, shown, found.groups())) for found in re.finditer(pattern, said))


def close(number: str, other: str) -> bool:
    if "." in number or "." in other:
        return abs(float(number) - float(other)) < 0.02
    return number == other or (len(number) <= 2 and abs(int(number) - int(other)) <= 5)


def test_a_line_is_told_with_like_shares_and_no_other_words() -> None:
    line = "Of 840 posts: 16 % negative (13 to 18), score 0.71"
    assert told(line, f"before\n{line}\nafter")
    assert told(line, "Of 840 posts: 16 % negative (13 to 19), score 0.72.")
    assert not told(line, "Of 841 posts: 16 % negative (13 to 18), score 0.71")
    assert not told(line, "Of 840 posts: 16 % negative (13 to 24), score 0.71")
    assert not told(line, "Of 840 posts: 16 % negative (13 to 18), score 0.74")
    assert not told(line, "Of 840 posts: 16 % positive (13 to 18), score 0.71")


@pytest.mark.parametrize("name", ["table", "folder", "service"])
def test_both_languages_show_the_same_code(name: str) -> None:
    assert blocks(name)
    assert blocks(name) == blocks(f"{name}.zh")
