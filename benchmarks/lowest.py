"""Test with the lowest versions that pyproject.toml allows: make lowest, or python benchmarks/lowest.py [TEST ...]

Resolves every direct dependency to its lowest version (uv), installs them in an environment of its own, and runs tests
there. Where one fails, a lower bound in pyproject.toml is too low. PyTorch is left out, and so are the tests that need
it, unless `--torch 2.13.0` says which of its versions can be had here.
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


def main(tests: list[str], torch: str | None) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        tools, lowest = Environment(Path(temporary) / "tools"), Environment(Path(temporary) / "lowest")
        tools.install("uv")
        asked, found = Path(temporary) / "asked.txt", Path(temporary) / "found.txt"
        asked.write_text(f"torch=={torch}\n" if torch else "", "utf-8")
        extras = [word for extra in [*EXTRAS, *(["train"] if torch else [])] for word in ("--extra", extra)]
        how = ["--resolution", "lowest-direct", "--constraint", str(asked), "--python", str(lowest.python)]
        how += ["--no-annotate", "--no-header", "--output-file", str(found)]
        tools.run("-m", "uv", "pip", "compile", "pyproject.toml", *how, *extras, cwd=ROOT)
        print(found.read_text("utf-8"), flush=True)
        install = ["-m", "uv", "pip", "install", "--python", str(lowest.python)]
        tools.run(*install, "--requirement", str(found), *TOOLS)
        tools.run(*install, "--no-deps", "--editable", str(ROOT))
        command = [lowest.python, "-m", "pytest", "-p", "no:cacheprovider", *(tests or TESTS)]
        command += WITH_TORCH if torch and not tests else []
        command += [] if torch else ["--deselect", TRAINS]
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", help="by default those of reading, scoring, deciding and answering")
    parser.add_argument("--torch", help="version of PyTorch to install, with the other dependencies of training")
    arguments = parser.parse_args()
    sys.exit(main(arguments.tests, arguments.torch))
