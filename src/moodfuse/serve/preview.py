"""What the page's table shows of a batch, and what its downloads are made of."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from moodfuse.data.images import Seen, look, read_of
from moodfuse.data.posts import Post
from moodfuse.labels import Labels
from moodfuse.runtime.answers import Layout, free_names, prediction_object
from moodfuse.runtime.predictor import Prediction
from moodfuse.runtime.values import json_text, utf8
from moodfuse.serve.totals import Totals
from moodfuse.serve.uploads import UploadedBatch

_EXCERPT = 400  # characters of a text that a preview shows
_THUMBNAIL = 96  # pixels


def preview_opening(batch: UploadedBatch, labels: Labels) -> bytes:
    """Return the first line: the batch's format, how a table of it is written, its columns, and the answer's names."""
    plain = Layout(labels, batch.columns).names
    names = free_names([*plain, "probabilities", "predicted", "corrected"], batch.columns)
    table = asdict(batch.table)
    return _line({"format": batch.format, "table": table, "columns": batch.columns, "names": names})


def preview_line(
    batch: UploadedBatch, pixels: int, post: Post, prediction: Prediction, seen: Mapping[int, Seen]
) -> bytes:
    """Return an answer with the start of its text, a small image, and its fields.

    `pixels` is the most that an image may have; `seen` holds images that are decoded already, by places. Each field is
    JSON as text: a browser would round a 64-bit id.
    """
    fields = post.fields or {}
    row: dict[str, Any] = prediction_object(prediction)
    row["text"] = None if post.text is None else post.text[:_EXCERPT].encode("utf-8", "replace").decode()
    row["thumbnail"] = _thumbnail(post, pixels, seen)
    row["fields"] = [json_text(fields[name]) if name in fields else None for name in batch.columns]
    return _line(row)


def preview_closing(totals: Totals) -> bytes:
    """Return the last line: what is told of the whole batch, or nothing where there is nothing to tell."""
    told = totals.told()
    return b"" if told is None else _line({"totals": told})


def _line(value: Any) -> bytes:
    return utf8(json.dumps(value, ensure_ascii=False)) + b"\n"


def _thumbnail(post: Post, pixels: int, seen: Mapping[int, Seen]) -> str | None:
    opened = (seen.get(at) or look(ref, max_pixels=pixels) for at, ref in enumerate(read_of(post.images)))
    image = next((one.image for one in opened if one.image is not None), None)
    if image is None:
        return None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
