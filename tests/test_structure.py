"""The script that counts the house: what it takes for a circle, a floor and a long signature."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "structure.py"
sys.path.insert(0, str(SCRIPT.parent))

from structure import count_floors, find_circles, long_signatures, read_imports, read_modules  # noqa: E402


def plant(folder: Path, files: dict[str, str]) -> Path:
    """Write a small moodfuse."""
    for name, text in files.items():
        path = folder / "moodfuse" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def circles(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--source", str(folder), "--circles"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "files",
    [
        {"a": "import moodfuse.b", "b": "from moodfuse import a"},
        {"a": "from moodfuse.b import x", "b": "def f():\n    from moodfuse.c import y", "c": "import moodfuse.a"},
        {"a": "from moodfuse.b import x", "b": "if TYPE_CHECKING:\n    from moodfuse.a import y"},
        {"p/__init__": "from moodfuse.p.a import x", "p/a": "from moodfuse.p import y"},
    ],
    ids=["of two", "through a function", "for a type checker", "of a package and its file"],
)
def test_a_planted_circle_is_found_and_fails(tmp_path: Path, files: dict[str, str]) -> None:
    done = circles(plant(tmp_path, files))
    assert done.returncode == 1
    assert "these import each other: moodfuse." in done.stdout


def test_no_circle_is_none(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {"a": "import moodfuse.b", "b": "from moodfuse.c import y", "c": "import json", "d": "from moodfuse import a"},
    )
    done = circles(tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    graph = read_imports(read_modules(tmp_path))
    assert count_floors(graph, graph) == 4


def test_a_circle_is_one_floor(tmp_path: Path) -> None:
    plant(tmp_path, {"a": "import moodfuse.b", "b": "import moodfuse.a\nimport moodfuse.c", "c": ""})
    graph = read_imports(read_modules(tmp_path))
    assert find_circles(graph) == [["moodfuse.a", "moodfuse.b"]]
    assert count_floors(graph, graph) == 2


def test_long_signatures_are_those_of_what_others_call() -> None:
    seven = "a, b, c, d, e, *, f, g"
    text = f"def long({seven}): ...\ndef _own({seven}): ...\ndef short(a, b, c, d, e, f): ...\n"
    text += f"class C:\n    def __init__(self, {seven}): ...\n    def m(self, a, b, c, d, e, f): ...\n"
    assert list(long_signatures(ast.parse(text))) == ["long", "C.__init__"]
