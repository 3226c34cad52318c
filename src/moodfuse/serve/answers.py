"""A batch's answers, in order, sent while later posts are still being read."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.columns import ROLES, parse_columns
from moodfuse.data.posts import Post
from moodfuse.labels import Labels
from moodfuse.runtime.answers import Layout
from moodfuse.runtime.writers import Format, start_writing
from moodfuse.serve.batching import Engine
from moodfuse.serve.limits import Limits
from moodfuse.serve.metrics import Metrics
from moodfuse.serve.preview import preview_closing, preview_line, preview_opening
from moodfuse.serve.totals import Totals
from moodfuse.serve.uploads import UploadedBatch, in_own_words, open_batch, read_batch, receive_batch

COUNT = "Moodfuse-Posts"  # header: how many answers will come
#: What answers may come as, by the media type that the header Accept names; the first where it names none.
ACCEPTED: dict[str, Format] = {
    "application/x-ndjson": "jsonl",
    "application/json": "json",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
}


class Wanted(BaseModel):
    """How a batch is read and answered."""

    columns: str = Field("", max_length=2000, description="which column has which role: text=tweet,image=photo,...")
    preview: bool = Field(False, description="for the page's table: JSON lines with texts, small images, all fields")


class AnswerStream(StreamingResponse):
    """A streamed answer whose temporary folder goes with it, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], *, stack: ExitStack, media_type: str, posts: int) -> None:
        super().__init__(content, media_type=media_type, headers={COUNT: str(posts)})
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)


async def answer_batch(
    request: Request, wanted: Wanted, engine: Engine, limits: Limits, metrics: Metrics, folder: Path
) -> AnswerStream:
    """Take a batch in, check all of it, and return the response that answers it.

    Raises `Problem` and `DataError` for what is no batch, before any answer is sent.
    """
    labels = engine.predictor.labels
    columns = parse_columns(wanted.columns, "columns")
    reading = replace(PREDICTING, labels=labels, columns=columns, fields=True, trusted=False)
    with ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)  # whoever cleans temporary folders may have removed it
        temporary = tempfile.TemporaryDirectory(prefix="batch-", dir=folder, ignore_cleanup_errors=True)
        home = Path(stack.enter_context(temporary))
        path = await receive_batch(request.stream(), request.headers.get("content-type", ""), home)
        batch = await engine.aside(lambda: open_batch(path, limits, reading))
        media_type, style = accepted(Headers() if wanted.preview else request.headers)
        layout, fields = _shown(batch, style, labels)

        async def content() -> AsyncIterator[bytes]:
            stream = engine.stream(read_batch(batch.source, reading))
            sink, totals = io.BytesIO(), Totals(Layout(labels, batch.columns), engine.predictor.manifest)
            try:
                if wanted.preview:
                    yield preview_opening(batch, labels)
                with start_writing(sink, style, layout) as write:
                    async for post, answer in stream:
                        told = tuple(in_own_words(detail, batch.source) for detail in answer.details)
                        prediction = replace(answer, details=told)
                        metrics.posts.labels(prediction.label).inc()
                        if wanted.preview:
                            seen = await engine.look_ahead(post)
                            show = partial(preview_line, batch, limits.pixels, post, prediction, seen)
                            yield await engine.aside(show)
                            totals.add(post, prediction)
                        else:
                            write(prediction, fields(post))
                            yield _taken(sink)
                yield await engine.aside(partial(preview_closing, totals)) if wanted.preview else _taken(sink)
            finally:
                await stream.aclose()

        kind = media_type + ("; charset=utf-8" if media_type.startswith("text/") else "")
        return AnswerStream(content(), stack=stack.pop_all(), media_type=kind, posts=batch.posts)


def accepted(headers: Headers) -> tuple[str, Format]:
    """Return the media type that a request would rather have, and its format; JSON lines where it does not say."""
    asked = (one.partition(";")[0].strip().lower() for one in headers.get("accept", "").split(","))
    found = next((one for one in asked if one in ACCEPTED), next(iter(ACCEPTED)))
    return found, ACCEPTED[found]


def _shown(batch: UploadedBatch, style: Format, labels: Labels) -> tuple[Layout, Callable[[Post], dict[str, Any]]]:
    """Return the layout of the answers to a batch, and the function that gives the fields of a post beside them.

    A table comes back whole, written as it was. In JSON the id and what the service does not know of a post come back:
    not its image.
    """
    if style in ("csv", "tsv"):
        return Layout(labels, batch.columns, table=batch.table), lambda post: dict(post.fields or {})
    known = {*ROLES, *batch.read}
    layout = Layout(labels, ("id", *(name for name in batch.columns if name not in known)))
    return layout, lambda post: {"id": post.id} | {k: v for k, v in (post.fields or {}).items() if k not in known}


def _taken(sink: io.BytesIO) -> bytes:
    """Return what has been written since, and forget it."""
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data
