"""The audit of many posts: seconds and peak memory.

    python benchmarks/speed/auditing.py DATA [--posts 100000] [--json]

The images are DATA's, listed again and again under names of their own, each decoded each time; the texts are drawn anew
from the words and lengths of DATA's, the labels at random: every image has copies with other labels, and the audit has
more to tell than it would have of real posts. The seconds are those of the whole command, `moodfuse audit FOLDER`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from measure import Row, options, show, tell, timed

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts

LABELS = ("negative", "neutral", "positive")
SECONDS, MEGABYTES = 600, 4_000


def main() -> None:
    given = options(__doc__, ("posts", 100_000))
    with tempfile.TemporaryDirectory(prefix="moodfuse-audit-") as scratch:
        folder = Path(scratch)
        tell(f"writing {given.posts:,} posts")
        write_posts(read_posts(given.data), given.data / "data", given.posts, folder)
        tell("auditing")
        command = [sys.executable, "-m", "moodfuse", "audit", str(folder)]
        seconds = timed(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6
    found = f"{seconds:.0f} s, {1000 * seconds / given.posts:.1f} ms a post; peak {peak:,.0f} MB"
    asked = f"<= {SECONDS} s, < {MEGABYTES:,} MB"
    show([Row(f"audit of {given.posts:,} posts", found, asked, seconds <= SECONDS and peak < MEGABYTES)], given)


def write_posts(posts: Posts, images: Path, many: int, folder: Path) -> None:
    """Write a labelled folder of `many` posts whose images are links to those in `images`."""
    place, draw = folder / "data", np.random.default_rng(0)
    place.mkdir()
    ids = list(islice(cycle(posts.ids), many))
    for number, (text, own) in enumerate(zip(drawn_texts(posts, many, draw), ids, strict=True)):
        (place / f"{number}.txt").write_text(text, encoding="utf-8")
        (place / f"{number}.jpg").symlink_to((images / f"{own}.jpg").resolve())
    labels = draw.choice(LABELS, many)
    rows = [f"{number},{label}" for number, label in enumerate(labels)]
    (folder / "train.txt").write_text("\n".join(["guid,tag", *rows]) + "\n", encoding="utf-8")


def drawn_texts(posts: Posts, many: int, draw: np.random.Generator) -> Iterator[str]:
    """Yield texts of the posts' words, in the posts' lengths."""
    own = [(post.text or "").split() for post in posts]
    words = np.array([word for text in own for word in text], dtype=object)
    for length in draw.choice([len(text) for text in own if text], many):
        yield " ".join(draw.choice(words, length))


if __name__ == "__main__":
    main()
