"""Build what is released, and prove it as a stranger would: python benchmarks/release.py [--out dist]

Writes the source archive, the wheel and a list of what the wheel brings along (CycloneDX). Checks their metadata and
contents; installs the wheel, without PyTorch, in an environment of its own, predicts there, and lets mypy check a
program that uses the types. Ends with an error at the first check that fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHEEL_MB = 95
IN_WHEEL = ["moodfuse/py.typed", "moodfuse/runtime/default_bundle/manifest.json", "moodfuse/serve/static/index.html"]
IN_SOURCE = ["CHANGELOG.md", "CITATION.cff", "LICENSE", "NOTICE", "README.zh-CN.md", "constraints.txt", "docs/data.md"]
IN_SOURCE += ["tests/conftest.py", "benchmarks/release.py", "examples/quickstart.py"]
CONSUMER = """
import moodfuse

answer = moodfuse.load().predict("what a day!")
label: str = answer.label
confidence: float = answer.confidence
wrong: int = answer.label  # type: ignore[assignment]
"""


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        tools, bare = Environment(Path(temporary) / "tools"), Environment(Path(temporary) / "bare")
        tools.install("build", "twine", "cyclonedx-bom", "mypy", "basedpyright")
        for old in [*out.glob("moodfuse-*"), *out.glob("*.cdx.json")]:
            old.unlink()
        tools.run("-m", "build", "--outdir", str(out), str(ROOT))
        (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
        print(tools.run("-m", "twine", "check", "--strict", str(wheel), str(source)).strip())
        check_contents(wheel, source)
        bare.install(str(wheel))
        check_answers(bare, Path(temporary))
        parts = out / "moodfuse.cdx.json"
        tools.run("-m", "cyclonedx_py", "environment", str(bare.python), "--output-file", str(parts))
        print(f"{len(json.loads(parts.read_text('utf-8'))['components'])} parts told in {parts}")
        check_types(tools, bare, Path(temporary))


class Environment:
    """A virtual environment with nothing in it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.folder = folder
        self.python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run this environment's Python and return what it prints; `SystemExit` with all of it if it fails."""
        done = subprocess.run([self.python, *arguments], capture_output=True, text=True, cwd=cwd)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, *packages: str) -> None:
        self.run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)


def check_contents(wheel: Path, source: Path) -> None:
    """Look into both archives: what has to be there, and that the wheel brings no tests and is not too large."""
    megabytes = wheel.stat().st_size / 1e6
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    with tarfile.open(source) as file:
        told = {name.partition("/")[2] for name in file.getnames()}
    missing = [name for name in IN_WHEEL if name not in names] + [name for name in IN_SOURCE if name not in told]
    strange = [name for name in names if not name.startswith(("moodfuse/", "moodfuse-"))]
    if missing or strange or megabytes > WHEEL_MB:
        raise SystemExit(f"missing {missing}, not ours {strange}, wheel {megabytes:.1f} MB of at most {WHEEL_MB}")
    print(f"wheel {megabytes:.1f} MB of at most {WHEEL_MB}, source {source.stat().st_size / 1e6:.1f} MB")


def check_answers(bare: Environment, folder: Path) -> None:
    """Predict with the installed wheel, away from the source."""
    if "torch" in bare.run("-m", "pip", "list"):
        raise SystemExit("the plain install brings PyTorch")
    posts = folder / "posts.csv"
    posts.write_text("id;tweet\n1;I am not happy with it\n2;what a wonderful day 😍\n", "utf-8")
    bare.run("-m", "moodfuse", "predict", str(posts), "-o", "answers.csv", cwd=folder)
    labels = [line.split(";")[2] for line in (folder / "answers.csv").read_text("utf-8").splitlines()[1:]]
    if labels != ["negative", "positive"]:
        raise SystemExit(f"expected negative and positive, found {labels}")
    if not (bare.folder / "share/man/man1/moodfuse.1").is_file():
        raise SystemExit("the wheel installs no man page")
    print("the installed wheel predicts, without PyTorch, and brings its man page")


def check_types(tools: Environment, bare: Environment, folder: Path) -> None:
    """Let mypy and Pyright check a program that uses the installed package's types, one of them wrongly."""
    program = folder / "consumer.py"
    program.write_text(CONSUMER, "utf-8")
    options = ["--strict", "--warn-unused-ignores", f"--python-executable={bare.python}"]
    print(tools.run("-m", "mypy", *options, str(program), cwd=folder).strip())
    strict = {"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": "error"}
    (folder / "pyrightconfig.json").write_text(json.dumps(strict), "utf-8")
    print(tools.run("-m", "basedpyright", "--pythonpath", str(bare.python), str(program), cwd=folder).strip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    main(parser.parse_args().out)
