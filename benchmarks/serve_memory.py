"""Memory of `moodfuse serve` with 1, 2 and 4 workers, after posts. Linux alone tells.

    python benchmarks/serve_memory.py [DATA] [--seconds 8] [--json]

The proportional set sizes of the service's processes, summed: a page that two share counts half for each. Without DATA
the posts are synthetic. `--json` prints what `speed/bench.py` reads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from itertools import islice
from pathlib import Path

from serve_load import multipart, run, service

from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.synthetic import write_synthetic
from moodfuse.runtime.bundle import default_bundle

WORKERS = (1, 2, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or write_synthetic(Path(folder) / "posts", posts=200, unlabelled=0)
        bodies = [multipart(post) for post in islice(stream_posts(data, strict=False), 200)]
        sizes = {}
        for workers in WORKERS:
            with service(default_bundle(), workers) as url:
                run(url, bodies, 8 * workers, options.seconds)  # so many connections that each worker gets some
                sizes[workers] = sum(map(proportional_size, processes_below())) / 1e6
    more = (sizes[WORKERS[-1]] - sizes[1]) / (WORKERS[-1] - 1)
    what = "memory of the service with one worker; of each worker more"
    found = f"{sizes[1]:.0f} MB; {more:.0f} MB"
    print(json.dumps([{"what": what, "found": found}]) if options.json else f"{what}: {found}")


def processes_below() -> list[int]:
    """Return the ids of all processes that this one has started, and those have."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found, before = {os.getpid()}, 0
    while len(found) > before:
        before = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return sorted(found - {os.getpid()})


def proportional_size(process: int) -> int:
    """Return the bytes of a process; 0 where it has ended meanwhile."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
