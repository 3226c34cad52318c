"""A disk that fills up, a folder that may not be written to any more, a clock that goes back: from some write on, as a
seed says.

The command may end as it would undisturbed, or with one line; then, with room and rights again, the same command ends
as undisturbed. A disk is a `tmpfs` of a few kilobytes, which root may mount.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from drills.forks import Befalling, Ended, fork, in_lanes
from drills.jobs import Job
from drills.kills import Undisturbed, Whole, differing, give_cache, names_in, run_whole

_ENDS = ("tried", "went on", "told")
_COUNTS = (*_ENDS, "tracebacks", "other ends", "half-written", "failed after", "differ", "leftovers")
_PAGE = 4096  # bytes in which a tmpfs counts
#: Runs a job once in `place` while something is taken from it, gives it back, and says how the job ended.
Disturb = Callable[[Job, Whole, Random, Path], Ended]


def disturbances(undisturbed: Undisturbed, trials: int, seed: int, until: float, folder: Path, lanes: int = 1) -> int:
    """Disturb the jobs in turn, in each way, print what became of them, and return how much went wrong."""
    ways: dict[str, Disturb] = {"full": _fill, "read-only": _lock, "clock": _turn_back}
    if not _may_mount(folder):
        print("no disk may be mounted here (root may): none is filled")
        del ways["full"]
    cases = [(way, job, whole) for job, whole in undisturbed for way in ways]
    Random(seed).shuffle(cases)

    def trial(number: int) -> Counter[str]:
        way, job, whole = cases[number % len(cases)]
        place = folder / f"disk-{number}"
        place.mkdir()
        with _disk(place) if way == "full" else _folder(place):
            give_cache(job, folder, place)
            ended = ways[way](job, whole, Random(f"{seed}/{number}"), place)
            return _judge(job, ended, whole, place, f"{way}, {job.name}, trial {number}")

    counts: dict[str, Counter[str]] = {way: Counter() for way in ways}
    for number, tally in in_lanes(lanes, range(trials), trial, until):
        counts[cases[number % len(cases)][0]].update(tally)
    print(f"\n{'':<12}" + "".join(f"{name:>14}" for name in _COUNTS))
    for way, tally in counts.items():
        print(f"{way:<12}" + "".join(f"{tally[name]:>14,}" for name in _COUNTS), flush=True)
    return sum(tally[name] for tally in counts.values() for name in _COUNTS[len(_ENDS) :])


def _judge(job: Job, ended: Ended, whole: Whole, place: Path, where: str) -> Counter[str]:
    """Count how the job ended, run it again, and count what is not as it should be."""
    wrong, tally = [], Counter(tried=1)
    tally["went on" if ended.code == 0 else "told"] += ended.code in (0, 1) and not ended.traceback
    if ended.traceback:
        wrong.append("tracebacks")
    elif ended.code not in (0, 1) or (ended.code == 1 and ended.said.count("error: ") != 1):
        wrong.append("other ends")
    if not where.startswith("read-only") and any(name.endswith(".part") for name in names_in(place)):
        wrong.append("half-written")
    again = run_whole(job, place)
    if any((one.code and not (job.done and job.done in one.said)) or one.traceback for one in again):
        wrong.append("failed after")
    wrong += ["differ"] * bool(differing(place, whole))
    left = sorted(names_in(place) - whole.names)
    wrong += ["leftovers"] * bool(left)
    tally.update(wrong)
    if wrong:
        said = "\n".join(one.said[-2500:] for one in (ended, *again))
        names = [*left[:5], *differing(place, whole)[:5]]
        print(f"{where}: {', '.join(wrong)} {names}\n{said}", file=sys.stderr, flush=True)
    return tally


@contextmanager
def _folder(place: Path) -> Iterator[None]:
    yield
    shutil.rmtree(place)


def _mount(place: Path) -> bool:
    words = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    return subprocess.run(words, capture_output=True).returncode == 0


def _may_mount(folder: Path) -> bool:
    if os.geteuid() != 0 or not _mount(folder):
        return False
    subprocess.run(["umount", str(folder)], check=True)
    return True


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    """Mount a disk in memory at `place`."""
    if not _mount(place):
        raise RuntimeError(f"{place}: no disk can be mounted there any more")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def _resize(place: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def _fill(job: Job, whole: Whole, random: Random, place: Path) -> Ended:
    (place / "tmp").mkdir(exist_ok=True)
    taken = shutil.disk_usage(place).used
    _resize(place, taken + _PAGE * random.randint(1, max(1, whole.bytes // _PAGE)))
    try:
        return fork(job.do, place).wait()
    finally:
        _resize(place, 2**26)


def _lock(job: Job, whole: Whole, random: Random, place: Path) -> Ended:
    (place / "tmp").mkdir(exist_ok=True)

    def folders(mode: int) -> None:
        for path in [*place.rglob("*/"), place]:
            path.chmod(mode)

    try:
        befalling = Befalling(random.randint(1, whole.writes), lambda: folders(0o555))
        return fork(job.do, place, befalling=befalling, begin=_read_alone).wait()
    finally:
        folders(0o755)


def _read_alone() -> None:
    """Give up root's right to write anywhere, for this process; the right to read anywhere stays (capset(2))."""
    if os.geteuid() != 0:
        return
    header = struct.pack("Ii", 0x20080522, 0)
    rights = struct.pack("6I", 1 << 2, 1 << 2, 0, 0, 0, 0)  # CAP_DAC_READ_SEARCH, effective and permitted
    if ctypes.CDLL(None, use_errno=True).capset(header, rights):
        raise OSError(ctypes.get_errno(), "capset")


def _turn_back(job: Job, whole: Whole, random: Random, place: Path) -> Ended:
    seconds = 10 ** random.uniform(0, 8.5)  # a second to ten years
    now = time.time

    def turn() -> None:
        time.time = lambda: now() - seconds

    return fork(job.do, place, befalling=Befalling(random.randint(1, whole.writes), turn)).wait()
