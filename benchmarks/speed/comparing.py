"""How long `moodfuse compare --fusions pooled --seeds 3 --folds 5` takes, all encoders frozen, features at hand.

    python benchmarks/speed/comparing.py DATA [--seeds 3] [--json]

A small comparison encodes the posts first, where that has not been done: the seconds are those of the cells and of what
is made of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Row, options, show, tell, timed

SECONDS = 360


def main() -> None:
    given = options(__doc__, ("seeds", 3))
    with tempfile.TemporaryDirectory(prefix="moodfuse-compare-") as folder:
        compare(given.data, folder, "encoding", "--fusions", "concat", "--seeds", "1", "--folds", "2")
        fusions = ["--fusions", "pooled", "--seeds", str(given.seeds), "--folds", "5"]
        seconds = timed(lambda: compare(given.data, folder, "pooled", *fusions))
    what = f"compare --fusions pooled --seeds {given.seeds} --folds 5"
    show([Row(what, f"{seconds / 60:.1f} min", f"<= {SECONDS // 60} min", seconds <= SECONDS)], given)


def compare(data: Path, folder: str, name: str, *words: str) -> None:
    tell(name)
    command = ["-m", "moodfuse", "compare", str(data), *words, "--name", name, "--comparisons", folder]
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
