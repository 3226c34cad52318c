"""Hostile inputs, sudden deaths, full disks and made-up requests: whether anything is lost, left, hung or raised.

    python benchmarks/drill.py [--members 1000] [--kills 40] [--disks 40] [--requests 2000] [--table 4] [--soak 60]
                               [--lanes 2] [--seconds 600] [--seed 0] [--keep FOLDER]; 0 leaves a part out

Inputs: `--members` images, tables, zips and bundles each, made of good ones by changing bytes, values and graphs as a
seed says, are read by what every way in shares, in a process of its own that is watched; then rows with such images and
texts are predicted by the command, and counted. Kills: predict, convert, train, compare, search, adapt, review and the
feature store are ended at a random write to the file system or soon after it, alone and two at once in one folder, and
run again: their files must be those of an undisturbed run, with nothing beside them. Disks: the same where the disk
fills up, the folder may not be written to any more, or the clock goes back. Requests: Schemathesis against a real
server. The table is that of issue 17, measured; the soak is mixed load with one hostile request in twenty. `--seconds`
bounds each part. `--keep` is a folder for what went wrong. Ends with 1 where anything did.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from drills import good
from drills.disks import disturbances
from drills.jobs import jobs, serve_job
from drills.kills import kill_points, run_undisturbed
from drills.made_up import made_up_requests
from drills.mutations import mutated, mutated_bundle, mutated_zip
from drills.soak import soak
from drills.table import print_table
from drills.watch import Outcome, reader

LIMIT = 20.0  # seconds until an input counts as one that hangs
ROWS = 250  # of a table that the command predicts
_WRONG = ("traceback", "hang", "died")
_KINDS = ("read", "told", *_WRONG)


@dataclass
class Tally:
    """What became of the inputs of one target."""

    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    megabytes: float = 0.0
    noise: int = 0
    lost: int = 0

    @property
    def wrong(self) -> int:
        return sum(self.kinds[kind] for kind in _WRONG) + self.noise + self.lost

    def add(self, outcome: Outcome) -> None:
        self.kinds[outcome.kind] += 1
        self.seconds = max(self.seconds, outcome.seconds)
        self.megabytes = max(self.megabytes, outcome.megabytes)
        self.noise += bool(outcome.noise) and outcome.kind not in _WRONG


Make = Callable[[Random, Path], Path]
Mutate = Callable[[bytes, Sequence[bytes], Random], bytes]


def makers(folder: Path) -> dict[str, tuple[Make, tuple[str, ...]]]:
    """Return how a hostile input of each kind is made, and by which targets it is read."""
    (folder / "tables").mkdir()
    tables = good.tables(folder / "tables")
    bundle = good.bundle(folder / "bundle")
    return {
        "images": (partial(_make, good.images()), ("decode", "open_image")),
        "tables": (partial(_make, tables), ("read_posts",)),
        "zips": (partial(_make, good.zips(tables), mutate=mutated_zip), ("unpack",)),
        "bundles": (partial(_make_bundle, bundle), ("read_bundle",)),
    }


def _make(found: dict[str, bytes], random: Random, place: Path, mutate: Mutate = mutated) -> Path:
    name = random.choice(sorted(found))
    path = place.with_name(f"{place.name}-{name}")
    path.write_bytes(mutate(found[name], list(found.values()), random))
    return path


def _make_bundle(found: dict[str, bytes], random: Random, place: Path) -> Path:
    return good.sealed(mutated_bundle(found, random), place)


def read_hostile(members: int, seed: int, until: float, folder: Path, keep: Path) -> dict[str, Tally]:
    """Read `members` hostile inputs of each kind, or as many as there is time for; what went wrong is kept."""
    tallies: dict[str, Tally] = {}
    pairs = [(kind, make, target) for kind, (make, targets) in makers(folder).items() for target in targets]
    for nth, (kind, make, target) in enumerate(pairs):
        tally = tallies[f"{target} ({kind})"] = Tally()
        share = time.monotonic() + (until - time.monotonic()) / (len(pairs) - nth)
        with reader(target, folder, LIMIT) as opened:
            for member in _members(members, share):
                path = make(Random(f"{seed}/{kind}/{member}"), folder / f"{kind}-{member}")
                outcome = opened.read(path)
                tally.add(outcome)
                if outcome.kind in _WRONG or outcome.noise:
                    _keep(keep, target, path, outcome)
                _remove(path)
    return tallies


def _members(count: int, until: float) -> Iterator[int]:
    for member in range(count):
        if time.monotonic() > until:
            return
        yield member


def _keep(keep: Path, target: str, path: Path, outcome: Outcome) -> None:
    place = keep / f"{target}-{path.name}"
    keep.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        path.rename(place)
        path.write_bytes(b"") if place.is_file() else path.mkdir()
    place.with_name(f"{place.name}.txt").write_text(f"{outcome.kind}\n{outcome.said}\n{outcome.noise}\n", "utf-8")


def _remove(path: Path) -> None:
    for inner in path.iterdir() if path.is_dir() else ():
        inner.unlink()
    path.rmdir() if path.is_dir() else path.unlink()


def predict_hostile(members: int, seed: int, until: float, folder: Path, keep: Path) -> Tally:
    """Predict tables of hostile images and texts by the command, and count what comes out."""
    tally = Tally()
    images, bundle = good.images(), good.sealed(good.bundle(folder / "tiny"), folder / "sealed")
    cache = {**os.environ, "MOODFUSE_CACHE": str(folder / "cache")}
    for start in range(0, members, ROWS):
        if time.monotonic() > until:
            break
        random = Random(f"{seed}/predict/{start}")
        source = folder / f"rows-{start}"
        source.mkdir()
        ids = _write_rows(source, images, random, min(ROWS, members - start))
        words = [sys.executable, "-m", "moodfuse", "predict", str(bundle), str(source / "rows.csv"), "-q", "-o"]
        began = sum(os.times()[2:4])
        done = subprocess.run([*words, str(source / "out.csv")], env=cache, capture_output=True, text=True, timeout=600)
        tally.seconds = max(tally.seconds, sum(os.times()[2:4]) - began)
        found = _ids(source / "out.csv")
        tally.lost += sum(one != other for one, other in zip(ids, found, strict=False)) + abs(len(ids) - len(found))
        tally.kinds["read"] += len(ids)
        tally.kinds["traceback"] += "Traceback" in done.stderr
        noise = done.stderr.strip()
        tally.noise += bool(noise)
        if noise or done.returncode:
            _keep(keep, "predict", source, Outcome("told", 0, 0, f"exit code {done.returncode}", noise))
    return tally


def _write_rows(folder: Path, images: dict[str, bytes], random: Random, count: int) -> list[str]:
    ids = [f"row {i}" for i in range(count)]
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "image"])
        for i, id in enumerate(ids):
            name = random.choice(sorted(images))
            (folder / f"{i}-{name}").write_bytes(mutated(images[name], list(images.values()), random))
            text = mutated("What a day! 真不错 \N{POUTING FACE} ".encode() * 3, [b'"', b"\0", b"\r\n"], random)
            writer.writerow([id, text.decode("utf-8", "replace"), f"{i}-{name}"])
    return ids


def _ids(path: Path) -> list[str]:
    csv.field_size_limit(10**9)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, default=1_000, help="hostile inputs of each kind")
    parser.add_argument("--kills", type=int, default=40, help="processes to kill")
    parser.add_argument("--only", default="", help="commands to kill and disturb, with commas between; all")
    parser.add_argument("--disks", type=int, default=40, help="commands whose disk, rights or clock are taken away")
    parser.add_argument("--requests", type=int, default=2_000, help="requests that Schemathesis makes up")
    parser.add_argument("--soak", type=float, default=60, help="seconds of mixed load on the service")
    parser.add_argument("--table", type=float, default=4, help="seconds of each attack on the service in the table")
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 1, help="kills, and so on, at a time")
    parser.add_argument("--seconds", type=float, default=600, help="most seconds of each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("drill-found"), help="folder for what went wrong")
    asked = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="drill-") as temporary:
        folder = Path(temporary)
        if asked.members:
            until = time.monotonic() + asked.seconds
            (folder / "predicting").mkdir()
            predicted = predict_hostile(
                asked.members, asked.seed, time.monotonic() + asked.seconds / 5, folder / "predicting", asked.keep
            )
            (folder / "reading").mkdir()
            tallies = read_hostile(asked.members, asked.seed, until, folder / "reading", asked.keep)
            wrong += print_tallies(tallies | {"moodfuse predict (rows)": predicted})
        if asked.kills or asked.disks:
            wrong += disturb(asked, folder)
    if asked.requests:
        wrong += made_up_requests(asked.requests, asked.seed, time.monotonic() + asked.seconds)
    if asked.table:
        wrong += print_table(asked.table)
    if asked.soak:
        wrong += soak(asked.soak, asked.seed)
    sys.exit(wrong > 0)


def disturb(asked: argparse.Namespace, folder: Path) -> int:
    """Kill commands, and take their disks, rights and clocks away; return how much went wrong."""
    found = jobs(folder / "sources", asked.only.split(",") if asked.only else ())
    undisturbed = run_undisturbed([*found, serve_job(folder / "sources")], folder, asked.lanes)
    wrong = 0
    if asked.kills:
        until = time.monotonic() + asked.seconds
        wrong += kill_points(undisturbed[:-1], asked.kills, asked.seed, until, folder, asked.lanes)
    if asked.disks:
        until = time.monotonic() + asked.seconds
        wrong += disturbances(undisturbed, asked.disks, asked.seed, until, folder, asked.lanes)
    return wrong


def print_tallies(tallies: dict[str, Tally]) -> int:
    """Print what became of all inputs, and return how many went wrong."""
    head = (
        "inputs",
        "read",
        "told",
        "tracebacks",
        "hangs",
        "deaths",
        "noise",
        "rows lost",
        "most CPU s",
        "most MB",
    )
    print(f"{'':<26}" + "".join(f"{name:>11}" for name in head))
    for name, tally in tallies.items():
        counts = [tally.kinds.total(), *(tally.kinds[kind] for kind in _KINDS), tally.noise, tally.lost]
        row = "".join(f"{count:>11,}" for count in counts)
        print(f"{name:<26}{row}{tally.seconds:>11.2f}{round(tally.megabytes) or '-':>11}", flush=True)
    return sum(tally.wrong for tally in tallies.values())


if __name__ == "__main__":
    main()
