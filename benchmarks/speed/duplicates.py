"""Near-duplicates among many posts: seconds and peak memory for texts, and for perceptual hashes, at two sizes.

    python benchmarks/speed/duplicates.py DATA [--many 1000000] [--json]

Texts are drawn anew from the words and lengths of the posts in DATA, hashes from 64 coins; a twentieth of either are
copies in which something is changed. Measured at a tenth of `--many` first: what grows as the square takes a hundred
times as long on the whole.
"""

from __future__ import annotations

import json
import subprocess
import sys

from measure import Row, options, show, tell

#: In a process of its own, so that its peak memory is its own.
CHILD = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from moodfuse.data.duplicates import IMAGE_DISTANCE, TEXT_SIMILARITY, normalise
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.near import near_hashes, near_texts
kind, data, many = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(0)
copies = random.integers(many, size=many // 20)
if kind == "texts":
    own = [normalise(post.text or "").split() for post in read_posts(data)]
    words = np.array([word for text in own for word in text], dtype=object)
    lengths = random.choice([len(text) for text in own if len(text) >= 3], many)
    drawn = np.split(random.choice(words, int(lengths.sum())), np.cumsum(lengths)[:-1])
    texts = [" ".join(text) for text in drawn]
    for place in copies:
        texts[int(random.integers(many))] = texts[place] + "s"
    texts = list(dict.fromkeys(texts))
    began, found = time.perf_counter(), near_texts(texts, TEXT_SIMILARITY)
else:
    bits = random.random((many, 64), dtype=np.float32) < 0.5
    bits[random.integers(many, size=len(copies))] = bits[copies] ^ (random.random((len(copies), 64)) < 0.03)
    began, found = time.perf_counter(), near_hashes(bits, IMAGE_DISTANCE)
pairs = len(set(found))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([time.perf_counter() - began, peak, pairs]))
"""


def main() -> None:
    given = options(__doc__, ("many", 1_000_000))
    rows = []
    for kind in ("texts", "image hashes"):
        sizes = given.many // 10, given.many
        (fewer, _, _), (seconds, peak, pairs) = (_measured(kind, str(given.data), size) for size in sizes)
        rows.append(
            Row(
                f"near-duplicates of {given.many:,} {kind}",
                f"{seconds:.0f} s, {seconds / fewer:.0f} times a tenth's {fewer:.1f} s; peak {peak / 1e6:,.0f} MB; "
                f"{pairs:,} pairs",
                "<= 600 s, < 4,000 MB",
                seconds <= 600 and peak < 4e9,
            )
        )
    show(rows, given)


def _measured(kind: str, data: str, many: int) -> tuple[float, float, int]:
    tell(f"{many:,} {kind}")
    done = subprocess.run([sys.executable, "-c", CHILD, kind, data, str(many)], stdout=subprocess.PIPE, check=True)
    seconds, peak, pairs = json.loads(done.stdout)
    return seconds, peak, pairs


if __name__ == "__main__":
    main()
