"""Every kind of file that people bring: is each row read, in order, in memory that stays flat, and how fast?

    python benchmarks/front_door.py [--rows 1000000] [--answered 200] [--only WORD]

Writes ROWS rows, shared out among all kinds of `front_door_sources.py`, and reads each file twice: once for the pace
(reading and cleaning, as `predict` does it) and the memory, once to compare every text with what was written. Then
ANSWERED rows of each kind go through `moodfuse predict`, and every row must come back in its place. The pace stands
beside that of Python's own `csv` (a dictionary a row) on plain CSV, in rows a second of the processor. A kind that
loses, changes or refuses a row, whose memory grows, or that is slower than three times csv, is `short`.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from front_door_sources import SOURCES, Source, odd, row_id, table

from moodfuse.config import Cleaning
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.text import prepare_text
from moodfuse.errors import MoodfuseError

#: Memory may grow so much from a tenth of the rows to the last one, and reading may take so many times csv's seconds.
FLAT_MB, SLOWER = 20.0, 3.0
HEAD = "| kind | rows | read | changed | answered | rows/s | times csv | MB at 10, 50, 100 % | |"


@dataclass
class Found:
    """What came of a kind of file."""

    rows: int
    #: Seconds that csv takes for so many rows.
    csv_seconds: float
    read: int = 0
    changed: int = 0
    answered: str = "-"
    seconds: float = 0.0
    memory: list[float] = field(default_factory=list)
    short: list[str] = field(default_factory=list)

    def line(self, name: str) -> str:
        """Return the kind's row of the table."""
        pace = f"{self.read / self.seconds:,.0f}" if self.seconds else "-"
        times = f"{self.seconds / self.csv_seconds:.1f}" if self.seconds else "-"
        memory = ", ".join(f"{mb:.0f}" for mb in self.memory) or "-"
        told = "ok" if not self.short else "short: " + "; ".join(self.short)
        cells = [
            name,
            f"{self.rows:,}",
            f"{self.read:,}",
            f"{self.changed:,}",
            self.answered,
            pace,
            times,
            memory,
            told,
        ]
        return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of all kinds together")
    parser.add_argument("--answered", type=int, default=200, help="rows of each kind that are answered; 0: none")
    parser.add_argument("--only", default="", help="kinds whose name holds this word")
    given = parser.parse_args()
    kinds = [source for source in SOURCES if given.only.lower() in source.name.lower()]
    few = sum(source.most or 0 for source in kinds)
    share = max(10, -(-(given.rows - few) // max(1, sum(source.most is None for source in kinds))))
    csv_pace = rows_a_second_of_csv(max(20_000, min(share, 200_000)))
    print(f"csv: {csv_pace:,.0f} rows a second\n\n{HEAD}")
    print("|" + "---|" * 9)
    all_found = []
    for source in kinds:
        rows = min(share, source.most or share)
        found = Found(rows, rows / csv_pace)
        measure(source, found, given.answered)
        print(found.line(source.name), flush=True)
        all_found.append(found)
    print(summary(all_found))
    return int(any(found.short for found in all_found))


def measure(source: Source, found: Found, answered: int) -> None:
    """Write a file of a kind, read it twice, and have some rows of it answered."""
    rows = found.rows
    with tempfile.TemporaryDirectory() as folder:
        path = source.write(made(folder, "all"), rows, source.texts)
        for what in (pace, compare):
            try:
                what(source, path, found)
            except MoodfuseError as error:
                found.short = [str(error).replace(f"{path.parent}/", "")[:160]]
        if found.read != rows:
            found.short.append(f"{rows - found.read:,} rows lost" if found.read < rows else "more rows than written")
        if found.changed:
            found.short.append(f"{found.changed:,} texts changed")
        if len(found.memory) == 3 and found.memory[2] - found.memory[0] > FLAT_MB:
            found.short.append("memory grows")
        if not found.short and found.seconds > SLOWER * found.csv_seconds:
            found.short.append(f"slower than {SLOWER:.0f} times csv")
        if answered:
            answer(source, Path(folder), min(answered, rows), found)


def made(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path


def pace(source: Source, path: Path, found: Found) -> None:
    """Read and clean every row, and note seconds and memory."""
    cleaning, marks = Cleaning(), {found.rows // 10, found.rows // 2, found.rows}
    next(read(source, path), None)  # what is imported is not what reading takes
    began = time.process_time()
    number = 0
    for number, post in enumerate(read(source, path), start=1):
        prepare_text(post.text, cleaning, lossy=post.lossy)
        if number in marks:
            found.memory.append(memory_mb())
    found.seconds, found.read = time.process_time() - began, number


def compare(source: Source, path: Path, found: Found) -> None:
    """Compare the text of every row, in order, with what was written."""
    wanted = map(source.texts, range(found.rows))
    pairs = zip_longest(wanted, (post.text for post in read(source, path)))
    found.changed = sum(wrote != (came or "") for wrote, came in pairs if came is not None)


def read(source: Source, path: Path) -> Iterator[Any]:
    return stream_posts(path, part="predict", strict=False, **source.how)


def rows_a_second_of_csv(rows: int) -> float:
    """Return the pace at which Python's `csv` reads plain CSV, each row as a dictionary."""
    with tempfile.TemporaryDirectory() as folder:
        path = table()(Path(folder), rows, odd())
        began = time.process_time()
        with path.open(encoding="utf-8", newline="") as file:
            for _ in csv.DictReader(file):
                pass
        return rows / (time.process_time() - began)


def answer(source: Source, folder: Path, rows: int, found: Found) -> None:
    """Have rows answered by `moodfuse predict`, and see that each comes back in its place."""
    path = source.write(made(str(folder), "few"), rows, source.texts)
    out = folder / "answers.csv"
    command = [sys.executable, "-m", "moodfuse", "predict", str(path), "-o", str(out), *source.options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        found.answered = "none"
        found.short.append("predict: " + reason.replace(f"{path.parent}/", "")[:100])
        return
    answers = rows_of(out)
    kept = sum(in_place(source, row, cells) for row, cells in enumerate(answers[:rows]))
    found.answered = f"{kept} of {rows}"
    if kept != rows or len(answers) != rows:
        found.short.append(f"predict: {len(answers)} rows, {kept} of them in their place, of {rows}")


def rows_of(path: Path) -> list[list[str]]:
    """Return the cells of each answer: they stand between what stood between the cells of the input."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline()
        header = file.readline() if first.startswith("sep=") else first
        separator = re.search("(.)(?:moodfuse_)*label", header)
        return list(csv.reader(file, delimiter=separator[1] if separator else ","))


def in_place(source: Source, row: int, cells: list[str]) -> bool:
    """Say whether an answer is that of a row: it holds the row's id or, where the file has none, its text."""
    ids = (row_id(row), f"j{row:x}", str(row))
    return any(cell.strip() in ids for cell in cells) or source.texts(row) in cells


def memory_mb() -> float:
    """Return how much memory this process holds now; where the system does not tell, the most that it held."""
    status = Path("/proc/self/statm")
    if status.is_file():
        import os

        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def summary(all_found: list[Found]) -> str:
    """Return the last line: what went in and came out of all kinds together."""
    rows, read = sum(one.rows for one in all_found), sum(one.read for one in all_found)
    short = sum(bool(one.short) for one in all_found)
    seconds = sum(one.seconds for one in all_found) or 1.0
    times = seconds / sum(one.csv_seconds for one in all_found if one.seconds)
    changed = sum(one.changed for one in all_found)
    return (
        f"\n{rows:,} rows in, {read:,} rows out, {rows - read:,} lost, {changed:,} changed; "
        f"{read / seconds:,.0f} rows a second, {times:.1f} times csv; {short} of {len(all_found)} kinds short"
    )


if __name__ == "__main__":
    raise SystemExit(main())
