"""How long `moodfuse compare --fusions pooled --seeds 3 --folds 5` takes, all encoders frozen, features at hand.

    python benchmarks/speed/comparing.py DATA [--seeds 3] [--json]

A run of one cell encodes the posts first, where that has not been done: the seconds are those of the cells and of what
is made of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from measure import Row, options, show, tell, timed

SECONDS = 360


def main() -> None:
    given = options(__doc__, ("seeds", 3))

    def compare(name: str, *words: str) -> float:
        tell(name)
        command = [
            sys.executable,
            "-m",
            "moodfuse",
            "compare",
            str(given.data),
            *words,
            "--name",
            name,
            "--comparisons",
            runs,
        ]
        return timed(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))

    with tempfile.TemporaryDirectory(prefix="moodfuse-compare-") as runs:
        compare("encoding", "--fusions", "concat", "--seeds", "1", "--folds", "2")
        seconds = compare("pooled", "--fusions", "pooled", "--seeds", str(given.seeds), "--folds", "5")
    what = f"compare --fusions pooled --seeds {given.seeds} --folds 5"
    show([Row(what, f"{seconds / 60:.1f} min", f"<= {SECONDS // 60} min", seconds <= SECONDS)], given)


if __name__ == "__main__":
    main()
