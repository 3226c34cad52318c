"""Where a post's time goes: seconds of CPU of each part of labelling with the bundle that moodfuse brings.

    python benchmarks/speed/parts.py DATA [--posts 500] [--times 3] [--json]

Each part runs by itself in one thread, on posts that lie in memory; seconds of CPU do not grow with what else the
machine does, as those of a clock do. "The whole command" is folder in, file out: what it takes beyond its parts is
Python's. The last row is the energy of a thousand posts, where the processor counts it (RAPL).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bundles import BROUGHT
from measure import Row, interleaved, options, part_of, show

from moodfuse import Predictor
from moodfuse.data.coverage import CoveredLanguages
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.images import ImageSpec, image_bytes, look_at, resized, standardised
from moodfuse.data.text import prepare_text
from moodfuse.learn.assembly import encoder_sources
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.views import open_images, open_texts
from moodfuse.workflows.prediction import Answers, predict_source

BLOCKS = "text session in int8, were it that"


def main() -> None:
    given = options(__doc__, ("posts", 500))
    with part_of(given.data, given.posts) as folder, tempfile.TemporaryDirectory() as scratch:
        predictor, output = Predictor.load(BROUGHT), Path(scratch) / "out.csv"
        parts = _parts(folder)
        whole = partial(predict_source, predictor, folder, output, answers=Answers("csv", force=True))
        works: dict[str, Callable[[], object]] = {**parts, "the whole command": whole}
        runs = {name: partial(_cpu, work) for name, work in works.items()}
        seconds = interleaved(runs, given.times)
        joules = _joules(whole)
    rest = seconds["the whole command"] - sum(seconds[name] for name in parts if name != BLOCKS)
    shown = {name: 1000 * value / given.posts for name, value in seconds.items()}
    total = shown.pop("the whole command")
    shown |= {"the rest": 1000 * rest / given.posts, "the whole command": total}
    rows = [Row(name, f"{value:.2f} ms of CPU a post ({value / total:.0%})") for name, value in shown.items()]
    energy = f"{total:.1f} s of CPU; this machine does not count joules"
    if joules is not None:
        energy = f"{1000 * joules / given.posts:.0f} J, of the whole processor"
    show([*rows, Row("a thousand posts", energy)], given)


def _joules(work: Callable[[], object]) -> float | None:
    """Return the energy that the processors take while `work` runs, None where nobody counts it."""
    meters = sorted(Path("/sys/class/powercap").glob("intel-rapl:?/energy_uj"))
    try:
        before = [int(meter.read_text()) for meter in meters]
    except OSError:  # the administrator's alone
        return None
    work()
    after = [int(meter.read_text()) for meter in meters]
    return sum(b - a for a, b in zip(before, after, strict=True)) / 1e6 if meters else None


def _parts(folder: Path) -> dict[str, Callable[[], object]]:
    """Return each part of labelling the folder's posts, by its name."""
    bundle = read_bundle(BROUGHT)
    manifest = bundle.manifest
    assert manifest.text is not None
    cleaning = manifest.text.cleaning
    posts = list(stream_posts(folder, part="predict", strict=False))
    text, image = open_texts(bundle, threads=1), open_images(bundle, threads=1)
    covered = CoveredLanguages(manifest.languages)
    spec = manifest.image
    assert isinstance(spec, ImageSpec)
    texts = [prepare_text(post.text, cleaning)[0] or "" for post in posts]
    ids = [found for found, _ in text.tokenize(texts)]
    contents = [data for post in posts if (data := image_bytes(post.image)) is not None]
    decoded = [seen for data in contents if (seen := look_at(data).image) is not None]
    small = [resized(one, spec) for one in decoded]
    pixels = [standardised(one, spec) for one in small]
    rounded = {"model": {"text": manifest.encoders["text"]}, "export": {"text": "int8"}}
    blocks = encoder_sources(resolve_config("text", overrides=[rounded]))["text"].reader()  # type: ignore[attr-defined]
    own_ids = [found for found, _ in blocks.tokenize(texts)]
    predictor = Predictor(bundle)
    encoded = predictor.encode_pooled(list(map(predictor.prepare, posts)))
    return {
        "reading an image file": lambda: [image_bytes(post.image) for post in posts],
        "decoding an image": lambda: [look_at(data) for data in contents],
        "resizing": lambda: [resized(one, spec) for one in decoded],
        "pixels as numbers": lambda: [standardised(one, spec) for one in small],
        "image session": lambda: image.encode(pixels),
        "cleaning a text": lambda: [prepare_text(post.text, cleaning) for post in posts],
        "tokenising": lambda: [text.tokenize([one]) for one in texts],
        "what is not understood": lambda: [text.unread(*one) for one in zip(texts, ids, strict=True)],
        "its language": lambda: [covered.outside(one) for one in texts],
        "text session": lambda: text.encode(ids),
        BLOCKS: lambda: blocks.encode(own_ids),
        "head": lambda: predictor.score(*encoded),
    }


def _cpu(work: Callable[[], object]) -> float:
    """Return the seconds of CPU, of all threads, that `work` takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
