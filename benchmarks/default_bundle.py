"""Make the bundle that moodfuse brings, from nothing: cross-validate its recipe, train it on every post, install it.

    python benchmarks/default_bundle.py DATA [--recipe default] [--runs runs] [--name default]

DATA is the folder of labelled posts with its unlabelled file beside them. Writes `src/moodfuse/runtime/default_bundle/`
and the answers to the unlabelled file, `benchmarks/results/test_result.txt`. An interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from moodfuse.runtime.bundle import add_file, read_bundle

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "src" / "moodfuse" / "runtime" / "default_bundle"
LARGEST = 40_000_000
DATA_NOTE = """
## Data

4,000 labelled posts of Twitter, nearly all English (negative 1,193, neutral 419, positive 2,388), drawn from the MVSA
collection (Niu et al., 2016): collected for research, and so is what was learned from them. Labels are noisy: 34 of 121
groups of identical texts carry labels that differ (`moodfuse audit`). No text, image or name of a post stands in this
bundle, only 64-bit digests of posts, by which `moodfuse evaluate` leaves training posts out.

Do not use it to judge persons, to decide about moderation without a human, or on languages other than English.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--name", default="default")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    moodfuse = [str(Path(sys.executable).with_name("moodfuse"))]
    named = ["--recipe", arguments.recipe, "--name", arguments.name, "--runs", str(arguments.runs)]
    subprocess.run([*moodfuse, "train", str(arguments.data), *named], check=True)
    install(arguments.runs / arguments.name / "bundle")
    answers = ROOT / "benchmarks" / "results" / "test_result.txt"
    answers.parent.mkdir(exist_ok=True)
    subprocess.run([*moodfuse, "predict", str(arguments.data), "-o", str(answers), "--force"], check=True)
    answers.with_name(answers.name + ".details.csv").unlink()  # made again by the same command


def install(bundle: Path) -> None:
    """Copy a run's bundle into the package, with the note on its data; refuse one that is too large to ship."""
    size = sum(path.stat().st_size for path in read_bundle(bundle).folder.iterdir())
    if size > LARGEST:
        raise SystemExit(f"{bundle}: {size / 1e6:.1f} MB; expected at most {LARGEST / 1e6:.0f}")
    if PLACE.exists():
        shutil.rmtree(PLACE)
    shutil.copytree(bundle, PLACE)
    installed = read_bundle(PLACE)
    card = installed.path("MODEL_CARD.md").read_text("utf-8")
    add_file(installed, "MODEL_CARD.md", card.rstrip() + "\n" + DATA_NOTE)
    print(f"{PLACE.relative_to(ROOT)}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
