"""How large the house is and how far one walks in it, of this checkout or of another: run it on both to compare.

    python benchmarks/structure.py [--source path/to/src] [--walk] [--install] [--circles]

Without an option it reads the sources alone and prints, for each package: files, lines and floors; for all of it:
public functions over six parameters (`self` not counted), untyped mappings, functions over the limit of complexity
(where ruff is installed) and import circles.

- Floors: the longest path of imports between files of one folder, in files (1: none imports another); sub-packages are
  folders of their own. Imports within functions and for type checkers count; a circle counts as one floor.
- `--circles` prints the circles between files alone, and exits with 1 where there are any; `make lint` runs it.
- `--walk` also runs a real `moodfuse train` and `moodfuse compare` on a few synthetic posts under a profiler. Files
  entered: those of which a function ran. Changes of file: calls of our own functions that lie in another file than the
  call before, in the same thread. From fit to loss: our own frames that stand between a function called `fit` and the
  cross-entropy of a training step, both ends counted, where they are most; frames of PyTorch and Lightning are not.
- `--install` adds up the files of what `moodfuse[serve]` requires, as installed here, by the checkout's pyproject.toml.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MOST_PARAMETERS = 6
MOST_COMPLEX = 12
UNTYPED = ("dict[str, Any]", "Mapping[str, Any]")
POSTS = 60
QUICK = ("train.epochs=2", "--offline", "--quiet")

Graph = Mapping[str, set[str]]
Row = tuple[str, object]


def read_modules(source: Path) -> dict[str, Path]:
    """Return every module of moodfuse by its dotted name."""
    files = sorted((source / "moodfuse").rglob("*.py"))
    names = [".".join(file.relative_to(source).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return dict(zip(names, files, strict=True))


def read_imports(modules: Mapping[str, Path]) -> Graph:
    """Return which modules of moodfuse each one imports, anywhere in it."""
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        named = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= (whole & modules.keys()) or {node.module}
        graph[module] = named & modules.keys() - {module}
    return graph


def find_circles(graph: Graph) -> list[list[str]]:
    """Return the sets of modules of which each reaches each other by imports (strongly connected components)."""
    reached = {module: _reach(graph, module) for module in graph}
    circles = {frozenset(other for other in reached[one] if one in reached[other]) for one in graph}
    return sorted(sorted(circle) for circle in circles if len(circle) > 1)


def _reach(graph: Graph, start: str) -> set[str]:
    found, ahead = set(), [start]
    while ahead:
        for module in graph[ahead.pop()] - found:
            found.add(module)
            ahead.append(module)
    return found


def count_floors(graph: Graph, folder: Iterable[str]) -> int:
    """Return how many files the longest path of imports between the modules of `folder` holds."""
    here = set(folder)
    inner = {module: graph[module] & here for module in here}
    circle = {module: "+".join(names) for names in find_circles(inner) for module in names}
    merged: dict[str, set[str]] = {}
    for module, imported in inner.items():
        name = circle.get(module, module)
        merged.setdefault(name, set()).update({circle.get(one, one) for one in imported} - {name})

    @cache
    def height(name: str) -> int:
        return 1 + max(map(height, merged[name]), default=0)

    return max(map(height, merged))


def long_signatures(tree: ast.AST, *, most: int = MOST_PARAMETERS) -> Iterator[str]:
    """Yield the public functions, methods and constructors of a module that have more than `most` parameters."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (f"{node.name}.{name}" for name in long_signatures(node, most=most))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [one.arg for one in [*given.posonlyargs, *given.args, *given.kwonlyargs]]
            if (not node.name.startswith("_") or node.name == "__init__") and len(
                [name for name in names if name not in ("self", "cls")]
            ) > most:
                yield node.name


def count_complex(source: Path) -> int | None:
    """Return how many functions are over the limit of complexity, as ruff counts it; `None` where there is no ruff."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero", "--select", "C901"]
    command += ["--config", f"lint.mccabe.max-complexity={MOST_COMPLEX}", "--output-format", "json", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return len(json.loads(done.stdout)) if done.returncode == 0 else None


def package_rows(modules: Mapping[str, Path], graph: Graph) -> Iterator[tuple[str, int, int, int]]:
    """Yield each folder's name, files, lines and floors."""
    folders: dict[str, list[str]] = {}
    for module, path in modules.items():
        folders.setdefault(".".join(path.parent.parts[path.parts.index("moodfuse") :]), []).append(module)
    for folder, inside in sorted(folders.items()):
        lines = sum(len(modules[module].read_text("utf-8").splitlines()) for module in inside)
        yield folder, len(inside), lines, count_floors(graph, inside)


def total_rows(source: Path, modules: Mapping[str, Path], graph: Graph) -> Iterator[Row]:
    """Yield what is counted over all files."""
    texts = {module: path.read_text("utf-8") for module, path in modules.items()}
    yield "files", len(modules)
    yield "lines of source", sum(len(text.splitlines()) for text in texts.values())
    long = [f"{module}.{name}" for module, text in texts.items() for name in long_signatures(ast.parse(text))]
    verbs = sum(name.startswith("moodfuse.cli.") for name in long)
    yield (
        f"public functions over {MOST_PARAMETERS} parameters (verbs, whose options they are, apart)",
        len(long) - verbs,
    )
    yield f"verbs over {MOST_PARAMETERS} parameters", verbs
    for words in UNTYPED:
        yield f"`{words}`", sum(text.count(words) for text in texts.values())
    yield f"functions of complexity over {MOST_COMPLEX}", count_complex(source)
    yield "import circles between files", len(find_circles(graph))


@dataclass(slots=True)
class Walk:
    """A profiler that writes down which files of `home` are entered, and how often another one is."""

    home: str
    files: set[str] = field(default_factory=set)
    changes: int = 0
    fit_to_loss: list[CodeType] = field(default_factory=list)
    _last: dict[int, str] = field(default_factory=dict)
    _ours: dict[CodeType, bool] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        if self._is_ours(code):
            thread = threading.get_ident()
            self.files.add(code.co_filename)
            self.changes += self._last.get(thread, code.co_filename) != code.co_filename
            self._last[thread] = code.co_filename
        elif code.co_name == "cross_entropy":
            self._loss(frame)

    def _is_ours(self, code: CodeType) -> bool:
        if code not in self._ours:  # bodies of modules and classes run at their import: they are no functions
            self._ours[code] = code.co_filename.startswith(self.home) and bool(code.co_flags & inspect.CO_OPTIMIZED)
        return self._ours[code]

    def _loss(self, frame: FrameType | None) -> None:
        codes = []
        while frame := frame and frame.f_back:
            codes += [frame.f_code] if self._is_ours(frame.f_code) else []
        names = [code.co_name for code in codes]
        if "training_step" in names and "fit" in names:
            depth = len(names) - names[::-1].index("fit")
            self.fit_to_loss = max(self.fit_to_loss, codes[:depth], key=len)


def walk(source: Path, *, log: Path) -> Iterator[Row]:
    """Train and compare on synthetic posts under the profiler; what they print goes to `log`."""
    sys.path.insert(0, str(source))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOODFUSE_CACHE"] = f"{folder}/cache"  # features are computed here, not found
        data, rest = f"{folder}/posts", ["--name", "walk", *QUICK]
        _run(["synthetic", data, "--posts", str(POSTS), "--quiet"], log)
        train = _run(["train", data, "--recipe", "concat", "--runs", f"{folder}/runs", *rest], log)
        compare = ["compare", data, "--fusions", "concat,gated", "--seeds", "1", "--folds", "2", "--workers", "1"]
        compared = _run([*compare, "--comparisons", f"{folder}/comparisons", *rest], log)
    for verb, found in (("train", train), ("compare", compared)):
        yield f"files entered by `{verb}`", len(found.files)
        yield f"changes of file in `{verb}`", found.changes
    yield "our own frames from fit to loss", len(train.fit_to_loss)
    yield "files that they lie in", len({code.co_filename for code in train.fit_to_loss})
    home = len(train.home)
    steps = [f"{code.co_filename[home:]}:{code.co_name}" for code in reversed(train.fit_to_loss)]
    yield "these frames", " > ".join(steps)


def _run(arguments: list[str], log: Path) -> Walk:
    """Run one verb in this process, under the profiler."""
    from moodfuse.cli.main import run

    found = Walk(str(Path(inspect.getfile(run)).parents[1]) + os.sep)
    with log.open("a", encoding="utf-8") as file:
        out, sys.stdout = sys.stdout, file
        threading.setprofile(found)
        sys.setprofile(found)
        try:
            code = run(arguments)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
            sys.stdout = out
    if code:
        sys.exit(f"moodfuse {' '.join(arguments)}: exit code {code}, see {log}")
    return found


def installed_size(source: Path) -> Iterator[Row]:
    """Yield the megabytes that moodfuse and what `moodfuse[serve]` requires take up, all of it and the largest."""
    from packaging.requirements import Requirement

    project = tomllib.loads((source.parent / "pyproject.toml").read_text("utf-8"))["project"]
    ahead = [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["serve"]]
    sizes = {"moodfuse": sum(path.stat().st_size for path in (source / "moodfuse").rglob("*") if path.is_file())}
    seen: set[tuple[str, frozenset[str]]] = set()
    missing: set[str] = set()
    while ahead:
        wanted = ahead.pop()
        key = (wanted.name.lower().replace("_", "-"), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            missing.add(wanted.name)
            continue
        paths = (Path(str(found.locate_file(file))) for file in found.files or ())
        sizes[key[0]] = sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")
        extras = ["", *wanted.extras]
        required = [Requirement(line) for line in found.requires or ()]
        ahead += [one for one in required if not one.marker or any(one.marker.evaluate({"extra": e}) for e in extras)]
    yield "packages of `moodfuse[serve]`", len(sizes)
    yield "megabytes installed with `[serve]`", round(sum(sizes.values()) / 1e6, 1)
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:6]
    yield "the largest, in megabytes", ", ".join(f"{name} {sizes[name] / 1e6:.1f}" for name in largest)
    if missing:
        yield "not installed here, so not counted", ", ".join(sorted(missing))


def main() -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--source", type=Path, default=ROOT / "src", help="the folder that holds moodfuse/")
    parser.add_argument("--walk", action="store_true", help="also train and compare under a profiler")
    parser.add_argument("--install", action="store_true", help="also add up what moodfuse[serve] takes up")
    parser.add_argument("--circles", action="store_true", help="only look for import circles; exit 1 where there are")
    options = parser.parse_args()
    source = options.source.resolve()
    modules = read_modules(source)
    graph = read_imports(modules)
    circles = find_circles(graph)
    for circle in circles:
        print("these import each other:", ", ".join(circle))
    if options.circles:
        sys.exit(1 if circles else None)
    print("| package | files | lines | floors |\n|---|---|---|---|")
    for package in package_rows(modules, graph):
        print("| " + " | ".join(map(str, package)) + " |")
    rows = list(total_rows(source, modules, graph))
    rows += installed_size(source) if options.install else []
    rows += walk(source, log=Path(tempfile.gettempdir()) / "structure-walk.txt") if options.walk else []
    print("\n| of all | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {'-' if value is None else value} |")


if __name__ == "__main__":
    main()
