"""A batch's answers: one line each, in order, sent while later posts are still being read."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from moodfuse.data.images import first_image
from moodfuse.data.posts import Post
from moodfuse.runtime.predictor import Prediction
from moodfuse.runtime.writers import Format, prediction_object, start_writing
from moodfuse.serve.batching import Engine
from moodfuse.serve.limits import Limits
from moodfuse.serve.metrics import Metrics
from moodfuse.serve.uploads import open_batch, read_batch, receive_batch

COUNT = "Moodfuse-Posts"  # header: how many answers will come
_EXCERPT = 400  # characters of a text that a preview shows
_THUMBNAIL = 96  # pixels

Line = Callable[[Post, Prediction], bytes]


class AnswerStream(StreamingResponse):
    """A streamed answer whose temporary folder goes with it, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], *, stack: ExitStack, media_type: str, posts: int) -> None:
        super().__init__(content, media_type=media_type, headers={COUNT: str(posts)})
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)


async def answer_batch(
    request: Request, engine: Engine, limits: Limits, metrics: Metrics, folder: Path, *, preview: bool
) -> AnswerStream:
    """Take a batch in, check all of it, and return the response that answers it.

    Raises `Problem` and `DataError` for what is no batch, before any answer is sent.
    """
    labels = engine.predictor.labels
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-", dir=folder)))
        path = await receive_batch(request.stream(), request.headers.get("content-type", ""), home)
        source, count = await engine.aside(lambda: open_batch(path, limits, labels))
        style: Format = "csv" if "text/csv" in request.headers.get("accept", "") and not preview else "jsonl"
        line, header = _line_writer(engine, style, limits.pixels if preview else 0)

        async def content() -> AsyncIterator[bytes]:
            yield header
            stream = engine.stream(read_batch(source, labels))
            try:
                async for post, prediction in stream:
                    metrics.posts.labels(prediction.label).inc()
                    yield await engine.aside(partial(line, post, prediction)) if preview else line(post, prediction)
            finally:
                await stream.aclose()

        media_type = "text/csv; charset=utf-8" if style == "csv" else "application/x-ndjson"
        return AnswerStream(content(), stack=stack.pop_all(), media_type=media_type, posts=count)


def _line_writer(engine: Engine, style: Format, preview: int) -> tuple[Line, bytes]:
    """Return the function that turns an answer into its line, and what stands before the first line.

    `preview` is the most pixels of an image that is shown small; 0 asks for no preview.
    """
    if preview:
        return partial(_preview_line, preview), b""
    sink = io.BytesIO()
    with start_writing(sink, style, engine.predictor.labels) as write:
        header = sink.getvalue()

        def line(_post: Post, prediction: Prediction) -> bytes:
            sink.seek(0)
            sink.truncate()
            write(prediction)
            return sink.getvalue()

        return line, header


def _preview_line(pixels: int, post: Post, prediction: Prediction) -> bytes:
    """Return an answer with the start of its text and a small image, which the page's table shows."""
    row: dict[str, Any] = prediction_object(prediction)
    row["text"] = None if post.text is None else post.text[:_EXCERPT].encode("utf-8", "replace").decode()
    row["thumbnail"] = _thumbnail(post, pixels)
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _thumbnail(post: Post, pixels: int) -> str | None:
    image = first_image(post.images, max_pixels=pixels)
    if image is None:
        return None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
