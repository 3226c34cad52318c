"""A job on two Ray nodes of one machine to which everything happens, and what becomes of its rows.

    python benchmarks/scale_faults.py [BUNDLE] [--posts 100000] [--block 1000] [--image-every 10]

Draws posts into one Parquet file, every hundredth with a corrupt image, and runs `moodfuse predict --engine ray` on
them on two nodes of one CPU. At an eighth of the blocks a worker is killed with -9, at a quarter the second node is
removed, at half the driver is killed with -9. Then the same command again, to its end, and once more on the finished
job. The answers are compared with those of one process. Prints what happened when, and the counts; ends with 1 where a
row is lost, doubled or differs.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scale import PLAIN, compare, default, draw, timed

POLL_SECONDS = 0.1
COUNTS = ("rows in", "rows out", "rows lost", "rows doubled", "rows that differ")


class Drill:
    """One job, and the clock by which its mishaps are told."""

    def __init__(self, destination: Path, blocks: int) -> None:
        self.destination = destination
        self.blocks = blocks
        self._began = time.monotonic()

    def tell(self, what: str) -> None:
        """Print what happened, after how many seconds and blocks."""
        print(
            f"{time.monotonic() - self._began:7.1f} s  {self.finished():4} of {self.blocks} blocks  {what}", flush=True
        )

    def finished(self) -> int:
        """Return how many blocks are there."""
        return len(list(self.destination.glob("part-*")))

    def wait_for(self, blocks: int, job: subprocess.Popen[bytes]) -> None:
        """Wait until so many blocks are there. Ends the benchmark where the job ends before."""
        while self.finished() < blocks:
            if job.poll() is not None:
                raise SystemExit(f"the job ended with {job.returncode} at {self.finished()} blocks, before {blocks}")
            time.sleep(POLL_SECONDS)

    def a_worker(self, job: subprocess.Popen[bytes]) -> int:
        """Return the process of a worker that is at work on a block."""
        while job.poll() is None:
            for tries in sorted(self.destination.glob("_tries-*")):
                try:
                    return int(tries.read_text().split()[1])
                except (OSError, IndexError):  # the block was finished meanwhile, or has only begun
                    continue
            time.sleep(POLL_SECONDS)
        raise SystemExit(f"the job ended with {job.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--block", type=int, default=1_000)
    parser.add_argument("--image-pixels", type=int, default=320)
    parser.add_argument("--image-every", type=int, default=10)
    arguments = parser.parse_args()
    bundle = arguments.bundle or default()
    blocks = -(-arguments.posts // arguments.block)
    if blocks < 8:
        raise SystemExit(f"expected at least 8 blocks, found {blocks}: give more --posts or a smaller --block")
    with tempfile.TemporaryDirectory(prefix="moodfuse-faults-") as temporary:
        source = draw(Path(temporary) / "posts.parquet", arguments.posts, arguments.image_pixels, arguments.image_every)
        destination = Path(temporary) / "answers"
        run(bundle, source, Drill(destination, blocks), arguments.block)
        whole = Path(temporary) / "whole.parquet"
        plain = timed(PLAIN, bundle, source, whole, os.cpu_count())
        print(f"one process, {os.cpu_count()} threads, undisturbed: {plain['seconds']:.1f} s")
        counts: Counter[str] = Counter()
        compare(whole, destination, counts)
    for name in COUNTS:
        print(f"{name} = {counts[name]:,}")
    sys.exit(any(counts[name] for name in COUNTS[2:]))


def run(bundle: Path, source: Path, drill: Drill, rows_a_block: int) -> None:
    """Run the job through its mishaps to its end on a cluster of two nodes."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        second = cluster.add_node(**node)
        cluster.wait_for_nodes()
        command = [sys.executable, "-m", "moodfuse", "predict", str(bundle), str(source), "-o", str(drill.destination)]
        command += ["--engine", "ray", "--workers", "2", "--threads", "1", "--block", str(rows_a_block)]
        command += ["--address", cluster.address, "--quiet"]
        drill.tell("two nodes of one CPU are there, the job begins")
        job = start(command)
        try:
            drill.wait_for(drill.blocks // 8, job)
            os.kill(worker := drill.a_worker(job), signal.SIGKILL)
            drill.tell(f"worker {worker} killed with -9")
            drill.wait_for(drill.blocks // 4, job)
            cluster.remove_node(second, allow_graceful=False)
            drill.tell("second node removed")
            drill.wait_for(drill.blocks // 2, job)
        finally:
            job.kill()
            job.wait()
        drill.tell("driver killed with -9; the same command again")
        finish(command)
        drill.tell("the job is finished; the same command once more")
        written = changes(drill.destination)
        finish(command)
        if anew := changes(drill.destination) - written:
            raise SystemExit(f"a finished job wrote {len(anew)} parts anew")
        drill.tell("nothing was written anew")
    finally:
        cluster.shutdown()


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})


def finish(command: Sequence[str]) -> None:
    """Run the job to its end; a job that fails ends the benchmark."""
    if code := start(command).wait():
        raise SystemExit(f"the job ended with {code}")


def changes(destination: Path) -> set[tuple[str, int]]:
    """Return the parts by name and time of change."""
    return {(path.name, path.stat().st_mtime_ns) for path in destination.glob("part-*")}


if __name__ == "__main__":
    main()
