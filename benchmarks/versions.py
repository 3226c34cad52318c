"""Test with the lowest or highest versions that pyproject.toml allows: python benchmarks/versions.py lowest|highest

Resolves every dependency (uv; lowest: direct ones alone), installs them in an environment of its own, and runs tests
there: where one fails, a bound in pyproject.toml is wrong. `--python python3.13` tests with another Python that is
here; `--resolve 3.14` only says whether wheels of everything exist for one that is not. PyTorch is left out, and so are
the tests that need it, unless `--torch 2.13.0` says which of its versions can be had here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from release import ROOT, Environment

EXTRAS = ["adapt", "eval", "heic", "hub", "lexicon", "report", "review", "serve", "tables"]
TOOLS = ["pytest", "hypothesis", "httpx", "pandas"]
TESTS = ["tests/data", "tests/evaluate", "tests/decide", "tests/test_language.py", "tests/report/test_summary_page.py"]
TESTS += ["tests/report/test_page.py", "tests/workflows/test_adapting.py", "tests/workflows/test_summarising.py"]
TESTS += ["tests/workflows/test_same_file_back.py"]
WITH_TORCH = ["tests/runtime", "tests/serve/test_front_door.py"]
WITH_TORCH += ["tests/workflows/test_prediction.py", "tests/workflows/test_training.py"]
TRAINS = "tests/workflows/test_summarising.py::test_another_bundle_is_refused_and_a_run_corrects_its_own_answers"


def resolve(tools: Environment, which: str, python: str, torch: str | None, folder: Path) -> Path:
    """Return the file of the versions that a Python (a version or a path) gets; `SystemExit` where there are none."""
    asked, found = folder / "asked.txt", folder / "found.txt"
    asked.write_text(f"torch=={torch}\n" if torch else "", "utf-8")
    extras = [word for extra in [*EXTRAS, *(["train"] if torch else [])] for word in ("--extra", extra)]
    how = ["--resolution", "lowest-direct" if which == "lowest" else "highest", "--constraint", str(asked)]
    how += ["--python-version" if python[0].isdigit() else "--python", python, "--only-binary", ":all:"]
    how += ["--no-annotate", "--no-header", "--output-file", str(found)]
    tools.run("-m", "uv", "pip", "compile", "pyproject.toml", *how, *extras, cwd=ROOT)
    print(found.read_text("utf-8"), flush=True)
    return found


def main(which: str, tests: list[str], python: str, torch: str | None, only: str | None) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        tools = Environment(Path(temporary) / "tools")
        tools.install("uv")
        if only:
            resolve(tools, which, only, torch, Path(temporary))
            return 0
        tried = str(Path(temporary) / "tried/bin/python")
        tools.run("-m", "uv", "venv", "--python", python, str(Path(tried).parents[1]))
        found = resolve(tools, which, tried, torch, Path(temporary))
        install = ["-m", "uv", "pip", "install", "--python", tried]
        tools.run(*install, "--requirement", str(found), *TOOLS)
        tools.run(*install, "--no-deps", "--editable", str(ROOT))
        command = [tried, "-m", "pytest", "-p", "no:cacheprovider", *(tests or TESTS)]
        command += WITH_TORCH if torch and not tests else []
        command += [] if torch else ["--deselect", TRAINS]
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["lowest", "highest"])
    parser.add_argument("tests", nargs="*", help="by default those of reading, scoring, deciding and answering")
    parser.add_argument("--python", default=sys.executable, help="the Python to test with; by default this one")
    parser.add_argument("--resolve", metavar="VERSION", help="only resolve, for this version of Python")
    parser.add_argument("--torch", help="version of PyTorch to install, with the other dependencies of training")
    arguments = parser.parse_intermixed_args()
    sys.exit(main(arguments.which, arguments.tests, arguments.python, arguments.torch, arguments.resolve))
