"""What issue 17 found in readers, bundles and files, each measured again: a line of the table that the drill prints."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet
from onnx import TensorProto, helper
from PIL import Image
from serve_attack import scans

from drills import good
from drills.mutations import mutated, mutated_bundle
from drills.watch import Outcome, reader
from moodfuse.cli.main import run
from moodfuse.data.images import look_at
from moodfuse.data.posts import Status
from moodfuse.learn.store import FeatureStore
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.api import describe_model
from moodfuse.serve.limits import Settings
from moodfuse.workflows.conversion import convert

_MOST = 300  # seconds, of the clock: a busy machine is not what is measured
_SECRET = Path("/etc/passwd")


@dataclass(frozen=True, slots=True)
class Line:
    """What was found, what is asked, what is measured now, and whether that is what is asked."""

    found: str
    asked: str
    measured: str
    met: bool


def _read(target: str, folder: Path, *paths: Path) -> list[Outcome]:
    with reader(target, folder, _MOST) as opened:
        return [opened.read(path) for path in paths]


def _costly_jpeg(folder: Path) -> Line:
    path = folder / "scans.jpg"
    path.write_bytes(scans(2_600, 500))
    [outcome] = _read("decode", folder, path)
    status = look_at(path.read_bytes()).status
    told = f"{outcome.seconds:.2f} s, {', '.join(status)}"
    met = outcome.seconds <= 2 and status == (Status.IMAGE_TOO_COSTLY,)
    return Line("a progressive JPEG of 500 scans", "<= 2 s, image_too_costly", told, met)


def _giants(folder: Path) -> Line:
    deep, clear = folder / "deep.png", folder / "clear.webp"
    Image.fromarray(np.full((8_000, 8_000), 40_000, np.uint16)).save(deep, compress_level=1)
    Image.new("RGBA", (8_000, 8_000), (1, 2, 3, 100)).save(clear, lossless=True, method=0)
    outcomes = [*_read("decode", folder, deep, clear), *_read("decode_four", folder, deep)]
    png, webp, four = (outcome.megabytes for outcome in outcomes)
    told = f"{png:.0f} and {webp:.0f} MB; four PNGs at once {four:.0f} MB"
    met = max(png, webp, four) <= 300 and all(outcome.kind == "read" for outcome in outcomes)
    return Line("64-megapixel PNG and WebP", "<= 300 MB over the idle process", told, met)


def _dictionary(folder: Path) -> Path:
    path = folder / "long.parquet"
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int32()), pa.array(["a" * 10_000_000]))
    pyarrow.parquet.write_table(pa.table({"text": texts}), path, compression="zstd")
    return path


def _parquet(folder: Path) -> Line:
    [outcome] = _read("read_posts", folder, _dictionary(folder))
    told = f"{outcome.megabytes:.0f} MB, {outcome.kind}"
    met = outcome.megabytes <= 500 and outcome.kind in ("read", "told")
    return Line("a Parquet file of 1,000 texts of 10 MB", "<= 500 MB", told, met)


def _zipped_parquet(folder: Path) -> Line:
    path = folder / "posts.zip"
    path.write_bytes(good.zipped({"posts.parquet": _dictionary(folder).read_bytes()}))
    [outcome] = _read("open_batch", folder, path)
    told = f"{outcome.kind}, {outcome.megabytes:.0f} MB"
    return Line("the same in a zip that is uploaded", "refused", told, outcome.kind == "told")


def _bundles(folder: Path) -> Line:
    files = good.bundle(folder / "good")
    hostile = [good.sealed(mutated_bundle(files, Random(i)), folder / f"mutated-{i}") for i in range(100)]
    for name in ("manifest.sha256", "head.onnx"):
        hostile.append(good.sealed(files, folder / f"pipe {name}"))
        (hostile[-1] / name).unlink()
        os.mkfifo(hostile[-1] / name)
        hostile.append(good.sealed(files, folder / f"zero {name}"))
        (hostile[-1] / name).unlink()
        (hostile[-1] / name).symlink_to("/dev/zero")
    hostile.append(good.sealed(files | {"head.onnx": _endless(files["head.onnx"])}, folder / "endless"))
    outcomes = _read("read_bundle", folder, *hostile)
    wrong = sum(outcome.kind not in ("read", "told") for outcome in outcomes)
    worst = max(outcome.seconds for outcome in outcomes)
    told = f"{len(outcomes)}: {wrong} hangs, deaths and tracebacks; {worst:.2f} s at most"
    return Line("hostile bundles with right hashes", "one line each, <= 5 s", told, wrong == 0 and worst <= 5)


def _endless(data: bytes) -> bytes:
    model = onnx.load_from_string(data)
    cond = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    body = helper.make_graph([helper.make_node("Identity", ["go_in"], ["go"])], "b", [], [cond])
    body.input.extend([helper.make_tensor_value_info("i", TensorProto.INT64, []), cond])
    body.input[1].name = "go_in"
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))
    return model.SerializeToString()


def _external(folder: Path) -> Line:
    files = good.bundle(folder / "good")
    model = onnx.load_from_string(files["head.onnx"])
    held = model.graph.initializer[0]
    (folder / "weights").write_bytes(held.raw_data)
    held.ClearField("raw_data")
    held.data_location = TensorProto.EXTERNAL
    held.external_data.add(key="location", value="weights")
    bundle = good.sealed(files | {"head.onnx": model.SerializeToString()}, folder / "external")
    [outcome] = _read("read_bundle", folder, bundle)
    return Line("ONNX external data beside a sealed bundle", "refused", outcome.kind, outcome.kind == "told")


def _card(folder: Path) -> Line:
    files = good.bundle(folder / "good")
    manifest = json.loads(files["manifest.json"])
    del manifest["files"]["MODEL_CARD.md"]
    bundle = good.sealed(files | {"manifest.json": json.dumps(manifest).encode()}, folder / "linked")
    (bundle / "MODEL_CARD.md").unlink()
    (bundle / "MODEL_CARD.md").symlink_to(_SECRET)
    card = describe_model(Settings(bundle=bundle, folder=folder), Predictor.load(bundle))["card"]
    return Line("MODEL_CARD.md as a link to /etc/passwd", "not shown", repr(card[:20]), card == "")


def _embed(folder: Path) -> Line:
    (folder / "posts.csv").write_text(f"id,text,image\n1,a,{_SECRET}\n")
    done = convert(folder / "posts.csv", folder / "out.jsonl", embed=True)
    found = "base64" in (folder / "out.jsonl").read_text()
    told = "its bytes are in the output" if found else "; ".join(note for note, n in done.notes.items() if n)
    return Line("convert --embed of /etc/passwd", "not in the output", told, not found)


def _lexicon(folder: Path) -> Line:
    files = good.bundle(folder / "good")
    manifest = json.loads(files["manifest.json"])
    manifest["views"] = {"text": [{"encoder": "v", "kind": "lexicon", "text": manifest["text"], "package": "evil"}]}
    bundle = good.sealed(files | {"manifest.json": json.dumps(manifest).encode()}, folder / "evil bundle")
    [outcome] = _read("read_bundle", folder, bundle)
    met = outcome.kind == "told" and "evil" not in outcome.said.replace(str(bundle), "")
    return Line("a lexicon of a package of the bundle's choice", "an allow-list", outcome.kind, met)


def _noise(folder: Path) -> Line:
    random, images, paths = Random(0), good.images(), []
    for i in range(200):
        paths.append(folder / f"{i}.tif")
        name = random.choice(["fax.tif", "lzw.tif", "a.tif", "a.jpg", "a.png"])
        paths[-1].write_bytes(mutated(images[name], [images[name]], random))
    noise = sum(len(outcome.noise) for outcome in _read("decode", folder, *paths))
    found = "lines of Pillow and libtiff for damaged images"
    return Line(found, "quiet", f"{noise} bytes for {len(paths)} images", noise == 0)


def _damaged_store(folder: Path) -> Line:
    arrays = {f"key{i}".encode(): np.random.default_rng(i).normal(size=500).astype(np.float16) for i in range(200)}
    path = folder / "features.sqlite"
    FeatureStore(path).put(arrays)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    random, data = Random(0), bytearray(path.read_bytes())
    for _ in range(200):
        data[random.randrange(len(data))] = random.randrange(256)
    path.write_bytes(data)
    found = FeatureStore(path).get(arrays)
    wrong = sum(not np.array_equal(value, arrays[key]) for key, value in found.items())
    told = f"{wrong} wrong values; {len(arrays) - len(found)} of {len(arrays)} are computed anew"
    return Line("200 random bytes in the feature store", "no wrong value", told, wrong == 0)


def _pipe(folder: Path) -> Line:
    os.mkfifo(folder / "a.jpg")
    [outcome] = _read("status", folder, folder / "a.jpg")
    met = outcome.kind == "read" and "image_unreadable" in outcome.noise and outcome.seconds < 1
    return Line("an image that is a pipe", "image_unreadable", outcome.noise.strip() or outcome.kind, met)


def _spreadsheet(folder: Path) -> Line:
    (folder / "posts.csv").write_text("id,text\n=cmd|' /C calc'!A0,+1+1\n@x,-2+3\n")
    good.bundle(folder / "good")
    words = ["predict", str(folder / "good"), str(folder / "posts.csv"), "-o", str(folder / "out.csv")]
    run([*words, "--spreadsheet-safe", "-q"])
    cells = [cell.strip('"') for line in (folder / "out.csv").read_text().splitlines() for cell in line.split(",")]
    bare = sum(cell[:1] in tuple("=+@-") for cell in cells if cell)
    return Line("cells that a spreadsheet computes", "--spreadsheet-safe", f"{bare} in the answers", bare == 0)


#: What measures each line, in a folder of its own.
LINES: tuple[Callable[[Path], Line], ...] = (
    _costly_jpeg,
    _giants,
    _parquet,
    _zipped_parquet,
    _bundles,
    _external,
    _card,
    _embed,
    _lexicon,
    _noise,
    _damaged_store,
    _pipe,
    _spreadsheet,
)
