"""This checkout beside an earlier one, each with the bundle that it brings: posts and texts a second, first answer.

    python benchmarks/speed/against.py DATA --ref REF [--posts 300] [--times 5] [--json]

REF is a tag or a commit of this repository, checked out beside it for the occasion. Both run in this environment, in
processes of their own, in turns. Loading the model counts for the first answer alone.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from first_answer import IMPORTS
from measure import Row, as_installed, interleaved, options, part_of, show, timed

from moodfuse.data.formats.readers import stream_posts

ROOT = Path(__file__).parents[2]
#: Prints the seconds that labelling SOURCE takes, or with a third argument the median seconds of a post by itself.
CHILD = """
import statistics, sys, time
from pathlib import Path
from moodfuse import Predictor
from moodfuse.data.formats.readers import stream_posts
from moodfuse.workflows.prediction import Answers, predict_source
predictor, source = Predictor.load(), Path(sys.argv[1])
def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
if len(sys.argv) > 3:
    posts = list(stream_posts(source, part="predict", strict=False))
    print(statistics.median(seconds(lambda: next(predictor.stream([post]))) for post in posts))
else:
    print(seconds(lambda: predict_source(predictor, source, Path(sys.argv[2]), answers=Answers("csv", force=True))))
"""
#: What is measured, and what is asked of it: how many times as fast.
ASKED = {"posts": 1.67, "texts": 2.0, "first answer": 1 / 0.7, "imports": 1 / 0.7, "a post by itself": 14.5 / 9}


def main() -> None:
    given = options(__doc__, ("posts", 300), ("ref", "HEAD~1"))
    with checkout(given.ref) as before, part_of(given.data, given.posts) as folder:
        texts = _texts(folder)
        runs = {}
        for name, root in (("before", before), ("now", ROOT)):
            given_post = ["--text", "What a lovely day", "--image", _image(folder)]
            post = [sys.executable, "-m", "moodfuse", "predict", *given_post]
            child = partial(_printed, root, CHILD)
            runs |= {
                f"{name}, posts": partial(child, folder, folder / "out.csv"),
                f"{name}, texts": partial(child, texts, folder / "out.csv"),
                f"{name}, first answer": partial(timed, partial(_run, root, post)),
                f"{name}, imports": partial(_printed, root, IMPORTS),
                f"{name}, a post by itself": partial(child, folder, folder / "out.csv", "each"),
            }
        seconds = interleaved(runs, given.times)
    rows = []
    for what, asked in ASKED.items():
        before, now = seconds[f"before, {what}"], seconds[f"now, {what}"]
        shown = f"{1000 * now:.0f} ms, {given.ref} {1000 * before:.0f}"
        if what in {"posts", "texts"}:
            shown = f"{given.posts / now:.1f} a second, {given.ref} {given.posts / before:.1f}"
        found = f"{shown}: {before / now:.2f} times as fast"
        rows.append(Row(f"{what} against {given.ref}", found, f">= {asked:.2f} times", before / now >= asked))
    show(rows, given)


@contextmanager
def checkout(ref: str) -> Iterator[Path]:
    """Check out a commit in a folder of its own, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="moodfuse-ref-") as scratch:
        place = Path(scratch) / "ref"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(place), ref], check=True)
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True)


def _texts(folder: Path) -> Path:
    """Write the posts' texts, without images, beside them."""
    path = folder / "texts.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = ((post.id, post.text or "") for post in stream_posts(folder, part="predict", strict=False))
        csv.writer(file).writerows([("id", "text"), *rows])
    return path


def _image(folder: Path) -> str:
    one = (folder / "test_without_label.txt").read_text().splitlines()[1].split(",")[0]
    return str(folder / "data" / f"{one}.jpg")


def _printed(root: Path, script: str, *arguments: object) -> float:
    return float(_run(root, [sys.executable, "-c", script, *map(str, arguments)]))


def _run(root: Path, command: list[str]) -> str:
    """Run a command with the package of a checkout; return what it printed last."""
    environment = as_installed(PYTHONPATH=str(root / "src"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[:3]} in {root}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
