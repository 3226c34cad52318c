"""Commands that are ended without a word between two writes, alone and two at once, and then run again."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drills.forks import Befalling, Ended, dying, fork, in_lanes
from drills.jobs import Job

_COUNTS = ("killed", "at once", "too late", "failed after", "tracebacks", "differ", "leftovers")
_WARM = 0.9  # share of the trials that begin with a cache
_SOON = 0.05  # seconds within which half of the deaths come after their write


@dataclass(frozen=True, slots=True)
class Whole:
    """What a job leaves that nobody disturbs: after how many writes, how many bytes, which names, and the digests of
    files: of those, the ones that two such runs have in common.
    """

    writes: int
    bytes: int
    names: frozenset[str]
    digests: dict[str, str]


Undisturbed = list[tuple[Job, Whole]]


def kill_points(undisturbed: Undisturbed, kills: int, seed: int, until: float, folder: Path, lanes: int = 1) -> int:
    """Kill the jobs in turn at random writes, `lanes` trials at a time, print what became of them, and return how much
    went wrong."""
    turns = [(job, whole) for job, whole in undisturbed for _ in range(job.turns)]
    Random(seed).shuffle(turns)

    def trial(number: int) -> Counter[str]:
        (job, whole), random, place = turns[number % len(turns)], Random(f"{seed}/{number}"), folder / f"kill-{number}"
        place.mkdir()
        if random.random() < _WARM:
            give_cache(job, folder, place)
        return _kill_once(job, whole, random, place)

    counts: dict[str, Counter[str]] = {job.name: Counter() for job, _ in undisturbed}
    for number, tally in in_lanes(lanes, range(kills), trial, until):
        counts[turns[number % len(turns)][0].name].update(tally)
    print(f"\n{'':<22}" + "".join(f"{name:>14}" for name in (*_COUNTS, "writes", "files equal")))
    for job, whole in undisturbed:
        row = "".join(f"{counts[job.name][count]:>14,}" for count in _COUNTS)
        print(f"{job.name:<22}{row}{whole.writes:>14,}{len(whole.digests):>14,}")
    every = sum(counts.values(), Counter())
    print(f"{'all':<22}" + "".join(f"{every[count]:>14,}" for count in _COUNTS), flush=True)
    return sum(every[name] for name in _COUNTS[3:])


def run_undisturbed(found: list[Job], folder: Path, lanes: int = 1) -> Undisturbed:
    """Run each job, and return it with what it leaves; one that trains keeps the encoders that it has exported."""
    done = dict(in_lanes(lanes, range(len(found)), lambda number: _run_twice(found[number], folder), float("inf")))
    return [(job, done[number]) for number, job in enumerate(found)]


def _run_twice(job: Job, folder: Path) -> Whole:
    """Run a job twice, each time in a new folder, and return what both leave.

    The first one's cache is kept, so that most others begin with the encoders that are exported there.
    """
    runs: list[Whole] = []
    for nth in range(2):
        place = folder / f"undisturbed-{nth}-{job.name}"
        place.mkdir()
        if nth:
            give_cache(job, folder, place)
        ended = run_whole(job, place)
        if any(one.code for one in ended):
            raise SystemExit(f"{job.name}: failed undisturbed: {ended[0].said}")
        size = sum(path.stat().st_size for path in place.rglob("*"))
        runs.append(Whole(ended[0].writes, size, names_in(place), _digests(place)))
        if nth == 0 and (place / "cache").is_dir():
            shutil.copytree(place / "cache", _kept(job, folder), ignore=shutil.ignore_patterns("features.sqlite*"))
        shutil.rmtree(place)
    first, second = runs
    common = {name: digest for name, digest in first.digests.items() if second.digests.get(name) == digest}
    return Whole(second.writes, second.bytes, first.names | second.names, common)


def give_cache(job: Job, folder: Path, place: Path) -> None:
    """Copy the kept cache of a job, which holds no features, into the folder of a trial."""
    if _kept(job, folder).is_dir():
        shutil.copytree(_kept(job, folder), place / "cache")


def _kept(job: Job, folder: Path) -> Path:
    return folder / f"cache of {job.name}"


def run_whole(job: Job, place: Path) -> list[Ended]:
    """Run a job to its end, also as the second of two where that writes other files."""
    return [fork(job.do, place, nth).wait() for nth in ((1,) if job.shared else (1, 2))]


def names_in(place: Path) -> frozenset[str]:
    """Return the paths of all that lies in `place`, but of the notes on bundles, whose names differ each time."""
    found = (path.relative_to(place).as_posix() for path in place.rglob("*"))
    return frozenset(name for name in found if not name.startswith("cache/bundles/"))


def differing(place: Path, whole: Whole) -> list[str]:
    """Return the files that are not as undisturbed."""
    found = _digests(place)
    return [name for name, digest in whole.digests.items() if found.get(name) != digest]


def _digests(place: Path) -> dict[str, str]:
    return {
        path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        # Databases note when a value was used, a run's log when it went on.
        if path.is_file() and ".sqlite" not in path.name and path.name != "log.txt"
    }


def _kill_once(job: Job, whole: Whole, random: Random, place: Path) -> Counter[str]:
    """Kill a job, alone or beside a second, at a random write, run it again, and count what is not as it should be."""
    tally = Counter[str]()
    two = random.random() < 0.5
    moment = Befalling(random.randint(1, whole.writes), dying(random.choice((0, random.uniform(0, _SOON)))))
    where = f"{job.name}, {place.name}, write {moment.at}"
    first = fork(job.do, place, befalling=moment)
    second = fork(job.do, place, 2) if two else None
    late = first.wait().code >= 0
    tally["too late" if late else "killed"] += 1
    tally["at once"] += two
    ended = [second.wait()] if second is not None else []  # it may say that another one is at work
    tally["tracebacks"] += any(one.traceback for one in ended)
    again = run_whole(job, place)
    failed = [one for one in again if one.code and not (job.done and job.done in one.said)]
    tally["failed after"] += bool(failed)
    tally["tracebacks"] += any(one.traceback for one in again)
    for one in (*ended, *again):
        if one.traceback or one in failed:
            print(f"{where}: {one.said[-3000:]}", file=sys.stderr, flush=True)
    if wrong := differing(place, whole):
        print(f"{where}: {', '.join(wrong[:5])} differ", file=sys.stderr, flush=True)
    tally["differ"] += bool(wrong)
    if left := sorted(names_in(place) - whole.names):
        print(f"{where}: left {', '.join(left[:5])}", file=sys.stderr, flush=True)
    tally["leftovers"] += bool(left)
    shutil.rmtree(place)
    return tally
