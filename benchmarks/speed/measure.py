"""What the speed benchmarks share: interleaved runs, their medians, and rows that say pass or short."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a claim, what is asked, what was found; `ok` is None where nothing was asked."""

    what: str
    found: str
    asked: str = ""
    ok: bool | None = None

    def line(self) -> str:
        """Return the row as Markdown."""
        verdict = {True: "pass", False: "**short**", None: ""}[self.ok]
        return f"| {self.what} | {self.found} | {self.asked} | {verdict} |"


HEADER = "| what | measured | asked | |\n|---|---|---|---|"


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(runs: Mapping[str, Callable[[], float]], times: int) -> dict[str, float]:
    """Take every measure once, then once more, and so on, so that what else the machine does weighs on all alike.

    Returns the median of each.
    """
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(times):
        for name, run in runs.items():
            found[name].append(run())
            tell(f"{turn + 1}/{times} {name}: {found[name][-1]:.4g}")
    return {name: statistics.median(values) for name, values in found.items()}


def as_installed(**more: str) -> dict[str, str]:
    """Return an environment in which Python keeps what it has compiled, as pip does for an installed package."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | more


def tell(line: str) -> None:
    """Say on stderr what goes on."""
    print(f"  {line}", file=sys.stderr, flush=True)


def options(doc: str | None, *more: tuple[str, int | str], times: int = 5) -> argparse.Namespace:
    """Read DATA, `--times`, `--json` and integer options of the script's own from the command line."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a guid,tag folder: train.txt and data/")
    parser.add_argument("--times", type=int, default=times, help="turns; the median counts")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    for name, value in more:
        parser.add_argument(f"--{name}", type=type(value), default=value)
    found = parser.parse_args()
    if not (found.data / "train.txt").is_file():
        parser.error(f"{found.data}: expected a folder with train.txt and data/, found no train.txt")
    return found


def show(rows: Sequence[Row], given: argparse.Namespace) -> None:
    """Print the rows."""
    if given.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print(HEADER, *(row.line() for row in rows), sep="\n")


@contextmanager
def part_of(data: Path, posts: int, *, repeat: int = 1) -> Iterator[Path]:
    """Make a guid,tag folder that lists the first `posts` labelled posts, `repeat` times over, unlabelled.

    Its `data/` is a link: nothing is copied.
    """
    ids = [line.split(",")[0] for line in (data / "train.txt").read_text().splitlines()[1:]][:posts]
    with tempfile.TemporaryDirectory(prefix="moodfuse-bench-") as scratch:
        folder = Path(scratch)
        (folder / "data").symlink_to((data / "data").resolve())
        lines = ["guid,tag", *(f"{one},null" for _ in range(repeat) for one in ids)]
        (folder / "test_without_label.txt").write_text("\n".join(lines) + "\n")
        yield folder
