"""One post out of a request: JSON with base64, or multipart. Nothing in it is ever followed: no path, no address."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request

from moodfuse.data.formats.fields import base64_bytes, json_id
from moodfuse.data.images import MAX_IMAGES
from moodfuse.data.posts import ImageRef, Post, Status
from moodfuse.runtime.predictor import Prediction
from moodfuse.serve.limits import Limits
from moodfuse.serve.problems import Problem
from moodfuse.serve.schemas import MAX_ID, PostBody

T = TypeVar("T")

_MARKS = b'",:[{'
_MARKS_BESIDE = 1_000  # beside the text: 32 images have 350
_MARKUP = (b"%pdf-", b"<html", b"<script", b"<?php", b"<!doctype", b"<svg")


async def while_asked(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a request that was received, and give it up when its client has gone."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read_post(request: Request, limits: Limits) -> Post:
    """Return the post of a request. Raises `Problem` for a request that is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await request.body()
        id, text, images = await asyncio.to_thread(_from_json, body, limits.text_chars)
    elif kind == "multipart/form-data":
        async with request.form(max_files=MAX_IMAGES, max_fields=3, max_part_size=limits.body_bytes) as form:
            id, text, images = await _from_form(form)
    else:
        raise Problem(415, f"expected application/json or multipart/form-data, found {kind[:100] or 'no content type'}")
    if text is None and not images:
        raise Problem(422, "expected a text, an image or both, found neither")
    if text is not None and len(text) > limits.text_chars:
        raise Problem(422, f"text: {len(text):,} characters; at most {limits.text_chars:,} are taken")
    await asyncio.to_thread(_refuse_polyglots, images)
    refs = [ImageRef(image) for image in images]
    return Post(id, text, refs[0] if refs else None, more_images=tuple(refs[1:]))


def refuse_unread(prediction: Prediction, limits: Limits) -> None:
    """Raise `Problem` where an image of a request could not be read; in a batch that is a status."""
    if Status.IMAGE_TOO_LARGE in prediction.status:
        raise Problem(413, f"image: too large; at most {limits.pixels:,} pixels are decoded")
    if Status.IMAGE_TOO_COSTLY in prediction.status:
        raise Problem(413, f"image: too costly to decode ({'; '.join(prediction.details)[:200]})")
    if {Status.IMAGE_UNREADABLE, Status.IMAGE_FORMAT_UNKNOWN} & set(prediction.status):
        found = f" ({'; '.join(prediction.details)[:200]})" if prediction.details else ""
        raise Problem(422, f"image: cannot be read{found}; expected JPEG, PNG, WEBP, GIF, BMP or TIFF")


def _from_json(body: bytes, text_chars: int) -> tuple[str, str | None, list[bytes]]:
    # While Python reads JSON nothing else of the process runs, so what holds far more than a post is not read at all:
    # a text may be of such marks, base64 holds none.
    marks = len(body) - len(body.translate(None, _MARKS))
    if marks > text_chars + _MARKS_BESIDE:
        raise Problem(400, f"the body is no post: {marks:,} quotation marks, commas, colons and brackets are too many")
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # bytes in no Unicode are a ValueError too
        raise Problem(400, "the body is no valid JSON (UTF-8, no NaN or Infinity)") from None
    try:
        post = PostBody.model_validate(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"]) or "the body"
        raise Problem(422, f"{place[:120]}: {first['msg'][:200]}") from None
    return json_id(post.id, "id"), post.text, [_decoded(image.base64) for image in post.image]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _decoded(value: str) -> bytes:
    try:
        return base64_bytes(value)
    except ValueError:
        raise Problem(422, "image.base64: is no valid base64") from None


async def _from_form(form: FormData) -> tuple[str, str | None, list[bytes]]:
    fields: dict[str, Any] = dict(form)
    if unknown := [name for name in fields if name not in ("id", "text", "image")]:
        raise Problem(422, f"expected the parts id, text and image, found {unknown[0][:40]!r}")
    id, text = fields.get("id", "0"), fields.get("text")
    for name, value in (("id", id), ("text", text)):
        if isinstance(value, UploadFile):
            raise Problem(422, f"{name}: expected a field, found a file")
    if len(id) > MAX_ID:
        raise Problem(422, f"id: expected {MAX_ID} characters at most, found {len(id):,}")
    images = [await _form_image(part) for part in form.getlist("image")]
    return json_id(id, "id"), text, [image for image in images if image is not None]


async def _form_image(image: Any) -> bytes | None:
    """Return the bytes of a part `image`; a form in which no file was chosen has none, and sends an empty part."""
    if image == "":
        return None
    if not isinstance(image, UploadFile):
        raise Problem(422, "image: expected a file, found a field; addresses and paths are never followed")
    data = await image.read()
    return data if data or image.filename else None


def _refuse_polyglots(images: list[bytes]) -> None:
    """Refuse an image that is a zip, a PDF or a page too: no camera makes those, and nothing good is meant."""
    for data in images:
        head = data[:1024].lower()
        if not any(mark in head for mark in _MARKUP) and not zipfile.is_zipfile(io.BytesIO(data)):
            continue
        raise Problem(422, "image: is more than an image (a zip, PDF, script or page in the same file)")
