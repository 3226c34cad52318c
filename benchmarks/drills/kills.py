"""Commands that are killed with -9 at random moments, alone and two at once, and then run again."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drills import good
from moodfuse.data.synthetic import write_synthetic
from moodfuse.workflows.conversion import convert

_POSTS = 600  # rows that are predicted and converted
_COUNTS = ("killed", "at once", "too late", "failed after", "differ", "leftovers")
# Values of the feature store: what a key stands for is told by the key, so that a value can be checked.
_STORE = """
import hashlib, sys
import numpy as np
from pathlib import Path
from moodfuse.learn.store import FeatureStore
store = FeatureStore(Path(sys.argv[1]))
keys = [hashlib.sha256(b"%d" % i).digest() for i in range(3_000)]
for start in range(0, len(keys), 50):
    some = keys[start : start + 50]
    wanted = {key: np.frombuffer(key * 16, np.uint8).astype(np.float16) for key in some}
    found = store.get(some)
    assert all(np.array_equal(wanted[key], value) for key, value in found.items())
    store.put({key: value for key, value in wanted.items() if key not in found})
total = store.get(keys)
Path(sys.argv[2]).write_text(hashlib.sha256(b"".join(total[key].tobytes() for key in keys)).hexdigest())
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A command; in its words `{out}` is the folder where its files go, and `{n}` is 1, or 2 for the second of two."""

    name: str
    words: tuple[str, ...]
    #: Whether two at once write the same files.
    shared: bool = False


class Bench:
    """Where jobs run: a folder of sources, one of caches, and a new folder for each trial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trials = 0

    def place(self) -> Path:
        """Return a new folder with an empty one for temporary files."""
        self._trials += 1
        place = self.folder / f"trial-{self._trials}"
        (place / "tmp").mkdir(parents=True)
        return place

    def start(self, job: Job, place: Path, nth: int = 1) -> subprocess.Popen[bytes]:
        """Start a job, as the first or the second of two."""
        words = [word.replace("{out}", str(place)).replace("{n}", str(nth)) for word in job.words]
        environment = {**os.environ, "TMPDIR": str(place / "tmp"), "MOODFUSE_CACHE": str(self.folder / "cache")}
        return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def run(self, job: Job, place: Path, nth: int = 1) -> int:
        """Run a job to its end and return how it ended."""
        process = self.start(job, place, nth)
        _, said = process.communicate()
        if process.returncode:
            print(said.decode("utf-8", "replace")[-500:], file=sys.stderr)
        return process.returncode


def jobs(folder: Path) -> list[Job]:
    """Write the sources, and return the jobs on them."""
    png = good.images()["a.png"]
    rows = [
        {"id": f"p{i}", "text": f"what a day {i}", "image": png if i % 50 == 0 else None, "label": good.LABELS[i % 3]}
        for i in range(_POSTS)
    ]
    sources = {suffix: folder / f"posts.{suffix}" for suffix in ("csv", "parquet")}
    for path in sources.values():
        convert(rows, path, embed=path.suffix == ".parquet")
    write_synthetic(folder / "synthetic", posts=40, seed=1)
    good.bundle(folder / "bundle")
    moodfuse = (sys.executable, "-m", "moodfuse")
    predict = (*moodfuse, "predict", str(folder / "bundle"))
    often = ("--force", "-q")
    train = ("train.epochs=3", "train.batch_size=16", "--recipe", "concat", "--name", "run", "-q")
    return [
        Job("predict csv", (*predict, str(sources["csv"]), "-o", "{out}/out{n}.csv", *often)),
        Job("feature store", (sys.executable, "-c", _STORE, "{out}/features.sqlite", "{out}/found{n}.txt")),
        Job("convert", (*moodfuse, "convert", str(sources["parquet"]), "{out}/out{n}.jsonl", "--embed", *often)),
        Job("predict parquet", (*predict, str(sources["parquet"]), "-o", "{out}/out{n}.parquet", *often)),
        Job("predict, one place", (*predict, str(sources["csv"]), "-o", "{out}/out.csv", *often), shared=True),
        Job("train", (*moodfuse, "train", str(folder / "synthetic"), *train, "--runs", "{out}/runs"), shared=True),
    ]


@dataclass(frozen=True, slots=True)
class Whole:
    """What a job leaves that nobody disturbs: in how many seconds, which names, and the digests of files.

    Of those, the ones that two such runs have in common.
    """

    seconds: float
    names: frozenset[str]
    digests: dict[str, str]


def kill_points(kills: int, seed: int, until: float, folder: Path) -> int:
    """Kill the jobs in turn at random moments, print what became of them, and return how much went wrong."""
    bench = Bench(folder)
    found = jobs(folder)
    whole: dict[str, Whole] = {}
    counts: dict[str, Counter[str]] = {}
    for trial in range(kills):
        job = found[trial % len(found)]
        if time.monotonic() > until:
            break
        if job.name not in whole:
            whole[job.name] = _undisturbed(bench, job)
        tally = counts.setdefault(job.name, Counter())
        _kill_once(bench, job, whole[job.name], Random(f"{seed}/{trial}"), tally)
    print(f"\n{'':<26}" + "".join(f"{name:>14}" for name in (*_COUNTS, "files equal")))
    for name, tally in counts.items():
        row = "".join(f"{tally[count]:>14,}" for count in _COUNTS)
        print(f"{name:<26}{row}{len(whole[name].digests):>14,}", flush=True)
    return sum(tally[name] for tally in counts.values() for name in _COUNTS[3:])


def _undisturbed(bench: Bench, job: Job) -> Whole:
    runs: list[Whole] = []
    for _ in range(2):
        place = bench.place()
        began = time.perf_counter()
        if bench.run(job, place):
            raise SystemExit(f"{job.name}: failed undisturbed")
        seconds = time.perf_counter() - began
        if not job.shared:
            bench.run(job, place, 2)
        runs.append(Whole(seconds, _names(place), _digests(place)))
        shutil.rmtree(place)
    first, second = runs
    common = {name: digest for name, digest in first.digests.items() if second.digests.get(name) == digest}
    return Whole(second.seconds, first.names | second.names, common)


def _names(place: Path) -> frozenset[str]:
    return frozenset(path.relative_to(place).as_posix() for path in place.rglob("*"))


def _digests(place: Path) -> dict[str, str]:
    return {
        path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.suffix != ".sqlite"  # a feature store notes the second in which a value was used
    }


def _kill_once(bench: Bench, job: Job, whole: Whole, random: Random, tally: Counter[str]) -> None:
    """Kill a job, alone or beside a second, at a random moment, run it again, and count what is not as it should be."""
    place, two = bench.place(), random.random() < 0.5
    first = bench.start(job, place)
    second = bench.start(job, place, 2) if two else None
    time.sleep(random.uniform(0.05, 1.1) * whole.seconds * (1.5 if two else 1))
    tally["too late"] += first.poll() is not None
    first.kill()
    first.communicate()
    tally["killed"] += 1
    tally["at once"] += two
    if second is not None:  # of a training in the same place it may say that another is at work
        second.communicate()
    tally["failed after"] += bool(bench.run(job, place))
    if not job.shared:
        tally["failed after"] += bool(bench.run(job, place, 2))
    found = _digests(place)
    tally["differ"] += any(found.get(name) != digest for name, digest in whole.digests.items())
    if left := sorted(_names(place) - whole.names):
        print(f"{job.name}: left {', '.join(left[:5])}", file=sys.stderr)
    tally["leftovers"] += bool(left)
    shutil.rmtree(place)
