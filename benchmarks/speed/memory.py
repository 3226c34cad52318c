"""Memory and time while labelling 100,000 posts: the folder's posts repeated through a list file.

python benchmarks/speed/memory.py DATA [--posts 100000] [--json]
"""

from __future__ import annotations

import json
import subprocess
import sys

from bundles import BROUGHT
from measure import Row, options, part_of, show, tell

#: Labels in a process of its own, so that its peak memory is its own; tells (seconds, peak in bytes) at each tenth.
CHILD = """
import json, resource, sys, time
from pathlib import Path
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.prediction import Answers, predict_source
predictor, began, seen = Predictor.load(sys.argv[1]), time.perf_counter(), []
unit = 1 if sys.platform == "darwin" else 1024
def progress(what, done, total):
    if done % (total // 10) == 0:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        seen.append((time.perf_counter() - began, peak))
        print(f"  {done} of {total}: {seen[-1][0]:.0f} s, {peak / 1e6:.0f} MB", file=sys.stderr, flush=True)
predict_source(predictor, Path(sys.argv[2]), Path(sys.argv[3]), answers=Answers("csv", force=True), progress=progress)
print(json.dumps(seen))
"""


def main() -> None:
    given = options(__doc__, ("posts", 100_000))
    listed = len((given.data / "train.txt").read_text().splitlines()) - 1
    with part_of(given.data, listed, repeat=-(-given.posts // listed)) as folder:
        path = folder / "test_without_label.txt"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[: given.posts + 1]))
        command = [sys.executable, "-c", CHILD, str(BROUGHT), str(folder), str(folder / "out.csv")]
        tell(f"labelling {given.posts} posts")
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peaks = zip(*json.loads(done.stdout), strict=True)
    growth, bend = peaks[-1] / peaks[0] - 1, seconds[9] / (2 * seconds[4]) - 1
    rows = [
        Row(
            f"memory, labelling {given.posts:,} posts",
            f"peak {peaks[-1] / 1e6:.0f} MB, {100 * growth:+.1f} % after the first tenth",
            "< 700 MB, flat (5 %)",
            peaks[-1] < 700e6 and growth <= 0.05,
        ),
        Row(
            f"time, labelling {given.posts:,} posts",
            f"{seconds[-1]:.0f} s; the whole takes {100 * bend:+.1f} % against twice its half",
            "within 5 %",
            abs(bend) <= 0.05,
        ),
    ]
    show(rows, given)


if __name__ == "__main__":
    main()
