"""Good images, tables, zips and a tiny bundle: what hostile ones are made of."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import xlsxwriter
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

import moodfuse
from moodfuse.data.images import ImageSpec
from moodfuse.data.text import TextSpec
from moodfuse.runtime.bundle import Manifest, write_bundle
from moodfuse.workflows.conversion import convert

LABELS = ("negative", "neutral", "positive")
_TEXTS = (
    "what a day",
    "so, so bad :(",
    'he said "no"',
    "真不错 \N{POUTING FACE}",
    "two\nlines",
    "=1+1",
    "",
    "a\tb",
    "x" * 300,
)
_WIDTH, _SIDE, _WORDS = 4, 32, "abcdefghijklmnopqrstuvwxyz .,!"


def images() -> dict[str, bytes]:
    """Return small images of every format and most modes that are read, by name."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 4)).astype(np.uint8)
    colour = Image.fromarray(noise[:, :, :3])
    several = [colour, Image.fromarray(noise).convert("RGB").rotate(90)]
    deep = Image.fromarray(noise[:, :, 0].astype(np.uint16) * 200)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    return {
        "a.jpg": _encoded(colour, "JPEG", exif=rotated),
        "progressive.jpg": _encoded(colour, "JPEG", progressive=True),
        "cmyk.jpg": _encoded(colour.convert("CMYK"), "JPEG"),
        "a.png": _encoded(Image.fromarray(noise), "PNG"),
        "palette.png": _encoded(colour.quantize(16), "PNG"),
        "deep.png": _encoded(deep, "PNG"),
        "moving.gif": _encoded(colour, "GIF", save_all=True, append_images=several),
        "a.webp": _encoded(Image.fromarray(noise), "WEBP", lossless=True),
        "moving.webp": _encoded(colour, "WEBP", save_all=True, append_images=several),
        "a.bmp": _encoded(colour, "BMP"),
        "a.tif": _encoded(colour, "TIFF"),
        "fax.tif": _encoded(colour.convert("1"), "TIFF", compression="group4"),
        "lzw.tif": _encoded(colour, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": _encoded(colour, "TIFF", compression="jpeg"),
        "floats.tif": _encoded(colour.convert("F"), "TIFF"),
        "a.avif": _encoded(colour, "AVIF"),
    }


def _encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def rows() -> list[dict[str, object]]:
    """Return a few posts as rows: texts of many kinds, each other one with an image."""
    png = images()["a.png"]
    return [
        {"id": f"p{i}", "text": text, "image": png if i % 2 else None, "label": LABELS[i % 3]}
        for i, text in enumerate(_TEXTS)
    ]


def tables(folder: Path) -> dict[str, bytes]:
    """Return the rows as tables of the formats that are files, and a CSV file in two other encodings."""
    found = {}
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        path = folder / f"{suffix}s" / f"posts.{suffix}"
        path.parent.mkdir()
        convert(rows(), path, embed=suffix in ("jsonl", "parquet"))
        found[path.name] = path.read_bytes()
    lines = found["posts.csv"].decode()
    plain = [{name: value for name, value in row.items() if name != "image"} for row in rows()]
    found["posts.json"] = json.dumps(plain, ensure_ascii=False).encode()
    found |= {"gb.csv": lines.encode("gb18030", "replace"), "wide.csv": lines.encode("utf-16")}
    return found | {"a.xlsx": _workbook()}


def _workbook() -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([{"id": "id", "text": "text", "label": "label"}, *rows()]):
            sheet.write_row(at, 0, [row["id"], row["text"], row["label"]])
    return buffer.getvalue()


def zips(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return zips of a table and an image, of a folder of posts, and of tables."""
    listing = "guid,tag\n" + "".join(f"{i},null\n" for i in range(4))
    folder = {"test_without_label.txt": listing.encode()} | {f"data/{i}.txt": b"what a day" for i in range(4)}
    folder["data/1.jpg"] = images()["a.jpg"]
    table = {"posts.csv": b"id,text,image\n1,what a day,a.png\n2,,a.png\n", "a.png": images()["a.png"]}
    return {"table.zip": zipped(table), "folder.zip": zipped(folder), "sheet.zip": zipped(dict(found))}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def bundle(folder: Path) -> dict[str, bytes]:
    """Write a bundle of a few kilobytes that reads texts and images, and return its files."""
    signs = {sign: i for i, sign in enumerate(["[PAD]", "[UNK]", *_WORDS])}
    tokenizer = Tokenizer(models.WordLevel(signs, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    manifest = Manifest.model_validate(
        {
            "name": "tiny",
            "moodfuse": moodfuse.__version__,
            "labels": LABELS,
            "modalities": ("text", "image"),
            "fusion": "concat",
            "encoders": {"text": "tiny", "image": "tiny"},
            "text": TextSpec.model_validate({"cleaning": {}, "max_tokens": 64, "pad_id": 0}),
            "image": ImageSpec(size=_SIDE),
            "head_inputs": ("text_pooled", "image_pooled", "text_present", "image_present"),
        }
    )
    contents = {"tokenizer.json": tokenizer.to_str().encode(), "MODEL_CARD.md": b"# tiny\n"}
    contents |= {"text.onnx": _text_graph(), "image.onnx": _image_graph(), "head.onnx": _head_graph()}
    write_bundle(folder, manifest, contents)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _graph(nodes: list[onnx.NodeProto], inputs: dict, outputs: dict, weights: dict[str, np.ndarray]) -> bytes:
    kinds = {"i": TensorProto.INT64, "f": TensorProto.FLOAT, "b": TensorProto.BOOL}
    given, found = (
        [helper.make_tensor_value_info(name, kinds[kind], shape) for name, (kind, shape) in values.items()]
        for values in (inputs, outputs)
    )
    held = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", given, found, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return model.SerializeToString()


def _text_graph() -> bytes:
    vectors = np.random.default_rng(1).normal(size=(len(_WORDS) + 2, _WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["all"]),  # (B, T, D)
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["all", "wide"], ["visible"]),
        helper.make_node("ReduceMean", ["visible", "first"], ["pooled"], keepdims=0),
    ]
    inputs = {name: ("i", ["B", "T"]) for name in ("input_ids", "attention_mask")}
    weights = {"vectors": vectors, "last": np.array([-1]), "first": np.array([1])}
    return _graph(nodes, inputs, {"pooled": ("f", ["B", _WIDTH])}, weights)


def _image_graph() -> bytes:
    nodes = [helper.make_node("ReduceMean", ["pixels", "sides"], ["pooled"], keepdims=0)]
    inputs = {"pixels": ("f", ["B", 3, _SIDE, _SIDE])}
    return _graph(nodes, inputs, {"pooled": ("f", ["B", 3])}, {"sides": np.array([2, 3])})


def _head_graph() -> bytes:
    weights = {"w": np.random.default_rng(2).normal(size=(_WIDTH + 5, 3)).astype(np.float32), "last": np.array([-1])}
    nodes = []
    for modality in ("text", "image"):
        nodes += [
            helper.make_node("Cast", [f"{modality}_present"], [f"{modality}_there"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", [f"{modality}_there", "last"], [f"{modality}_flag"]),
        ]
    joined = ["text_pooled", "image_pooled", "text_flag", "image_flag"]
    nodes += [helper.make_node("Concat", joined, ["x"], axis=1), helper.make_node("MatMul", ["x", "w"], ["logits"])]
    inputs = {"text_pooled": ("f", ["B", _WIDTH]), "image_pooled": ("f", ["B", 3])}
    inputs |= {f"{modality}_present": ("b", ["B"]) for modality in ("text", "image")}
    return _graph(nodes, inputs, {"logits": ("f", ["B", 3])}, weights)


def sealed(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the files of a bundle to a new folder, with right hashes wherever the manifest can be read."""
    folder.mkdir()
    contents = dict(files)
    try:
        manifest = json.loads(contents["manifest.json"])
        manifest["files"] = {name: hashlib.sha256(contents[name]).hexdigest() for name in manifest["files"]}
        contents["manifest.json"] = json.dumps(manifest).encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    contents["manifest.sha256"] = hashlib.sha256(contents["manifest.json"]).hexdigest().encode()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder
