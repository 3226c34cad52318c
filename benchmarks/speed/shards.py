"""Labelling a Parquet file of texts: the whole, its half, and two shards at once; seconds and peak memory.

    python benchmarks/speed/shards.py DATA [--texts 1000000] [--times 1] [--json]

The posts' texts, repeated. Each process has one thread, a shard as much as the whole, so that two shards on two cores
should take half of the time. Loading the model does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq
from measure import Row, options, show, tell

from moodfuse.data.formats.readers import read_posts

CHILD = """
import json, resource, sys, time
from pathlib import Path
from moodfuse import Predictor
from moodfuse.data.formats.shards import Shard
from moodfuse.workflows.prediction import Answers, predict_source
predictor, began = Predictor.load(threads=1), time.perf_counter()
shard = Shard.parse(sys.argv[3])
predict_source(predictor, Path(sys.argv[1]), Path(sys.argv[2]), answers=Answers("parquet", force=True), shard=shard)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([time.perf_counter() - began, peak]))
"""
WITHIN = 0.05  # of linear


def main() -> None:
    given = options(__doc__, ("texts", 1_000_000), times=1)
    words = [post.text for post in read_posts(given.data) if post.text]
    with tempfile.TemporaryDirectory(prefix="moodfuse-shards-") as scratch:
        whole, half = Path(scratch) / "whole.parquet", Path(scratch) / "half.parquet"
        for path, count in ((whole, given.texts), (half, given.texts // 2)):
            texts = list(islice(cycle(words), count))
            pq.write_table(pa.table({"id": [str(i) for i in range(count)], "text": texts}), path)
        plans = {"whole": [(whole, "1/1")], "half": [(half, "1/1")], "shards": [(whole, "1/2"), (whole, "2/2")]}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in plans}
        for turn in range(given.times):
            for name, plan in plans.items():
                found[name].append(_slowest(plan, Path(scratch)))
                tell(f"{turn + 1}/{given.times} {name}: {found[name][-1][0]:.1f} s")
    seconds = {name: median(one for one, _ in runs) for name, runs in found.items()}
    peak = {name: max(one for _, one in runs) for name, runs in found.items()}
    bend, share = seconds["whole"] / (2 * seconds["half"]) - 1, seconds["shards"] / seconds["whole"]
    growth = peak["whole"] / peak["half"] - 1
    what = f"{given.texts:,} texts of a Parquet file"
    rows = [
        Row(
            f"time, {what}",
            f"{seconds['whole']:.0f} s; {100 * bend:+.1f} % against twice its half",
            "within 5 %",
            abs(bend) <= WITHIN,
        ),
        Row(
            f"two shards at once, {what}",
            f"{seconds['shards']:.0f} s: {share:.2f} of the whole's",
            "<= 0.525 of it",
            share <= (1 + WITHIN) / 2,
        ),
        Row(
            f"memory, {what}",
            f"peak {peak['whole'] / 1e6:.0f} MB, {100 * growth:+.1f} % against its half",
            "flat (5 %)",
            growth <= WITHIN,
        ),
    ]
    show(rows, given)


def _slowest(plan: list[tuple[Path, str]], scratch: Path) -> tuple[float, float]:
    """Run processes side by side; return the seconds of the slowest and the peak memory of the largest."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(scratch / f"out-{number}.parquet"), shard],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, (path, shard) in enumerate(plan)
    ]
    told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a process failed, see above")
    seconds, peaks = zip(*map(json.loads, told), strict=True)
    return max(seconds), max(peaks)


if __name__ == "__main__":
    main()
