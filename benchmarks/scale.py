"""What Ray costs and brings, beside the plain path in the same run, and whether any row is lost or doubled.

    python benchmarks/scale.py [BUNDLE] [--posts 1000,10000] [--workers 1,2] [--image-pixels 320] [--image-every 1]

Draws posts (a JPEG of IMAGE-PIXELS for every IMAGE-EVERY-th, a corrupt one for every hundredth) into a Parquet file and
labels it with `predict` in one process, then on a local Ray, at equal cores: k threads against k workers of one thread.
Start-up (Ray, the workers' processes, the model) stands apart from the seconds at work. One Markdown row a run; the
last lines are the counts. Without BUNDLE: the one that moodfuse brings.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

WORDS = (
    "good",
    "bad",
    "rain",
    "sun",
    "love",
    "hate",
    "awful",
    "great",
    "today",
    "the",
    "match",
    "photo",
    "with",
    "you",
)
ROWS_A_GROUP = 1_000

#: The plain path as a process of its own, so that its peak memory is its own: prints seconds of loading and of work.
PLAIN = """
import json, resource, sys, time
from pathlib import Path
began = time.time()
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.prediction import Answers, predict_source
predictor = Predictor.load(sys.argv[1], threads=int(sys.argv[4]))
loaded = time.time()
predict_source(predictor, Path(sys.argv[2]), Path(sys.argv[3]), answers=Answers("parquet", force=True))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"startup": loaded - began, "seconds": time.time() - loaded, "peak": peak}))
"""

#: The same on Ray; the job's folder is removed by the caller.
ON_RAY = """
import json, sys
from pathlib import Path
from moodfuse.scale.job import plan_job
from moodfuse.runtime.bundle import read_bundle
from moodfuse.scale.ray_predict import Workers, ray_predict
job = plan_job(read_bundle(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]), rows_a_block=int(sys.argv[5]))
found = ray_predict(job, Workers(int(sys.argv[4]), threads=1))
again = ray_predict(job, Workers(int(sys.argv[4]), threads=1))
values = {"startup": found.startup_seconds, "seconds": found.seconds, "peak": found.worker_bytes, "again": again.done}
print(json.dumps(values))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: what, over how many posts, seconds before and at work, peak memory of a process in bytes."""

    what: str
    posts: int
    startup: float
    seconds: float
    peak: int

    @property
    def rate(self) -> float:
        return self.posts / self.seconds

    def row(self, plain: Measured | None = None, first: Measured | None = None) -> str:
        """Return the Markdown row; `plain` is the same work at as many cores, `first` the run on the fewest workers."""
        overhead = f"{100 * (plain.rate / self.rate - 1):+.1f} %" if plain else ""
        gain = f"{self.rate / first.rate:.2f}" if first else ""
        return (
            f"| {self.posts:,} | {self.what} | {self.rate:,.1f} | {self.startup:.1f} | {self.seconds:.1f} "
            f"| {self.peak / 2**20:,.0f} | {overhead} | {gain} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--posts", default="1000,10000")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--image-pixels", type=int, default=320)
    parser.add_argument("--image-every", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.image_every < 1:
        parser.error(f"--image-every: expected 1 or more, found {arguments.image_every}")
    bundle = arguments.bundle or default()
    sizes, workers = (list(map(int, given.split(","))) for given in (arguments.posts, arguments.workers))
    print(
        "| posts | engine | posts/s | start-up s | work s | peak MiB a process | overhead | times the fewest workers |"
    )
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="moodfuse-scale-") as temporary:
        for posts in sizes:
            source = draw(
                Path(temporary) / f"posts-{posts}.parquet", posts, arguments.image_pixels, arguments.image_every
            )
            measure(bundle, source, posts, workers, counts)
            source.unlink()
    print()
    for name in (
        "rows in",
        "rows out",
        "rows lost",
        "rows doubled",
        "rows that differ",
        "blocks done again by a rerun",
    ):
        print(f"{name} = {counts[name]:,}")


def measure(bundle: Path, source: Path, posts: int, workers: list[int], counts: Counter[str]) -> None:
    """Print a row for the plain path and one for each number of workers; add what became of the rows to `counts`."""
    whole, folder = source.with_name("whole.parquet"), source.with_name("ray")
    first: Measured | None = None
    for count in workers:
        plain = Measured(
            f"plain, {count} thread{'s' * (count > 1)}", posts, **timed(PLAIN, bundle, source, whole, count)
        )
        print(plain.row(), flush=True)
        rows_a_block = max(1, min(1_000, posts // (4 * count)))
        found = timed(ON_RAY, bundle, source, folder, count, rows_a_block)
        counts["blocks done again by a rerun"] += int(found.pop("again"))
        ray = Measured(f"Ray, {count} worker{'s' * (count > 1)} of 1 thread", posts, **found)
        first = first or ray
        print(ray.row(plain, first), flush=True)
        compare(whole, folder, counts)
        shutil.rmtree(folder)


def compare(whole: Path, folder: Path, counts: Counter[str]) -> None:
    """Count rows of a job's folder that are lost, doubled, or not what the plain path wrote in their place."""
    expected, found = pq.read_table(whole).to_pylist(), pq.read_table(folder).to_pylist()
    ids = Counter(row["id"] for row in found)
    counts["rows in"] += len(expected)
    counts["rows out"] += len(found)
    counts["rows lost"] += sum(row["id"] not in ids for row in expected)
    counts["rows doubled"] += sum(n - 1 for n in ids.values())
    counts["rows that differ"] += sum(not same(*rows) for rows in zip(expected, found, strict=False))


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    """Say whether two answers are equal, numbers but for float noise: other posts stood in their batches."""
    return all(
        abs(value - other[name]) < 2e-5 if isinstance(value, float) else value == other[name]  # type: ignore[operator]
        for name, value in one.items()
    )


def timed(code: str, *words: object) -> dict[str, float]:
    """Run `code` in a process of one thread and return what it prints."""
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *map(str, words)]
    return dict(json.loads(subprocess.run(command, env=own, stdout=subprocess.PIPE, check=True).stdout))


def draw(path: Path, posts: int, pixels: int, every: int = 1) -> Path:
    """Write posts of 3 to 20 words, one in `every` with a JPEG of noise, one in a hundred with a corrupt one."""
    words, noise = random.Random(0), np.random.default_rng(0)
    pictures = [picture(noise, pixels) for _ in range(64)]
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("image", pa.binary())])
    began = time.monotonic()
    with pq.ParquetWriter(path, schema, compression="none") as file:
        for start in range(0, posts, ROWS_A_GROUP):
            rows = range(start, min(start + ROWS_A_GROUP, posts))
            texts = [" ".join(words.choices(WORDS, k=words.randint(3, 20))) for _ in rows]
            images = [b"\0" * 500 if i % 100 == 0 else pictures[i % 64] if i % every == 0 else None for i in rows]
            file.write_table(pa.table([[f"p{i}" for i in rows], texts, images], schema=schema))
    print(f"drew {posts:,} posts in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return path


def picture(noise: np.random.Generator, pixels: int) -> bytes:
    small = noise.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(small).resize((pixels, pixels)).save(sink, "JPEG", quality=85)
    return sink.getvalue()


def default() -> Path:
    from moodfuse.runtime.bundle import default_bundle

    return default_bundle()


if __name__ == "__main__":
    main()
