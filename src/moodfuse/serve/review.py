"""The page of a review: one post at a time, and what people say of it kept at every key."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from moodfuse.config import Section
from moodfuse.data.images import look, read_of
from moodfuse.decide.review import ReviewedPost, ReviewSession
from moodfuse.decide.review_words import as_json
from moodfuse.runtime.answers import explanation_object
from moodfuse.runtime.explain import explain
from moodfuse.runtime.predictor import Predictor
from moodfuse.runtime.values import json_text, utf8
from moodfuse.serve.guard import Guard, loopback_names
from moodfuse.serve.handlers import add_handlers
from moodfuse.serve.keys import hash_key
from moodfuse.serve.limits import MEBIBYTE, Access, Limits
from moodfuse.serve.metrics import Metrics
from moodfuse.serve.problems import Problem

#: The longer side of an image as it is shown, in pixels.
_SIDE = 1600
_LIMITS = Limits(body_bytes=MEBIBYTE, seconds=300.0)


class LabelBody(Section):
    """A label that a person gives."""

    label: str


class NoteBody(Section):
    """A note; an empty one takes it away."""

    note: str


def create_review_app(review: ReviewSession, predictor: Predictor | None, key: str) -> Guard:
    """Return the app of a person's session, for the names of this machine alone; whoever asks must know the `key`.

    `predictor` says why the model answers as it does; `None` where it is not the model that gave the answers.
    """
    app = FastAPI(title="moodfuse review", docs_url=None, redoc_url=None, openapi_url=None)
    add_handlers(app)
    _add_posts(app, review)
    _add_reasons(app, review, predictor)
    _add_keys(app, review, explains=predictor is not None)
    _add_page(app)
    own = loopback_names("127.0.0.1")
    return Guard(app, Access(limits=_LIMITS, keys=(hash_key(key),), hosts=own, open_page=True), Metrics())


def _add_page(app: FastAPI) -> None:
    page = (files("moodfuse.serve") / "static" / "review.html").read_text("utf-8")

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(page)

    app.mount("/page", StaticFiles(packages=[("moodfuse.serve", "static/page")]))
    app.mount("/review", StaticFiles(packages=[("moodfuse.serve", "static/review")]))


def _add_posts(app: FastAPI, review: ReviewSession) -> None:
    @app.get("/v1/posts/{row}")
    async def post(row: int) -> Response:
        """Tell a post, and what is said of it."""
        return _json(_described(review, _found(review, row)))

    @app.get("/v1/posts/{row}/images/{place}")
    async def image(row: int, place: int) -> Response:
        """Give an image of a post as any browser can show it."""
        images = read_of(_found(review, row).answered.post.images)
        if not 0 <= place < len(images):
            raise Problem(404, f"image: expected one of {len(images)}, found {place}")
        seen = await asyncio.to_thread(look, images[place])
        if seen.image is None:
            raise Problem(404, f"image: {', '.join(seen.status)}")
        seen.image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        await asyncio.to_thread(seen.image.save, buffer, "JPEG", quality=88)
        return Response(buffer.getvalue(), media_type="image/jpeg")


def _add_reasons(app: FastAPI, review: ReviewSession, predictor: Predictor | None) -> None:
    alone = asyncio.Lock()  # the graphs take all cores: one explanation at a time

    @app.get("/v1/posts/{row}/why")
    async def why(row: int, request: Request) -> Response:
        """Tell why the model answers so; for a post that the page has left meanwhile nothing is computed."""
        post = _found(review, row)
        if predictor is None or _withheld(review, post):
            raise Problem(404, "why: not told, as the model's answer is withheld, or another model's")
        async with alone:
            if await request.is_disconnected():
                return Response(status_code=204)
            found = await asyncio.to_thread(explain, predictor, post.answered.post)
        return _json(explanation_object(found))


def _add_keys(app: FastAPI, review: ReviewSession, *, explains: bool) -> None:
    # Not in threads: the store is used from one thread, and what it does takes milliseconds.
    def done(row: int | None) -> Response:
        said = None if row is None else _said(review.own(), row)
        return _json({"row": row, "said": said, "standing": as_json(review.standing())})

    @app.get("/v1/review")
    async def session() -> Response:
        """Tell whose session this is, its posts, and how far it is."""
        own = review.own()
        told = {
            "person": review.person,
            "settling": review.settling,
            "labels": review.labels,
            "explains": explains,
            "posts": [{"row": post.row, "said": _said(own, post.row)} for post in review.posts],
            "standing": as_json(review.standing()),
        }
        return _json(told)

    @app.post("/v1/posts/{row}/label")
    async def label(row: int, body: LabelBody) -> Response:
        review.label(row, body.label)
        return done(row)

    @app.post("/v1/posts/{row}/skip")
    async def skip(row: int) -> Response:
        review.skip(row)
        return done(row)

    @app.post("/v1/posts/{row}/note")
    async def note(row: int, body: NoteBody) -> Response:
        review.note(row, body.note)
        return done(row)

    @app.post("/v1/undo")
    async def undo() -> Response:
        return done(review.undo())


def _found(review: ReviewSession, row: int) -> ReviewedPost:
    if row not in review.by_row:
        raise Problem(404, f"post: expected one of the {len(review.by_row)} of this review, found row {row}")
    return review.by_row[row]


def _said(own: Mapping[int, str | None], row: int) -> str | None:
    """Return what a person says of a post as JSON has it: a label, "" where they skipped it, null for nothing yet."""
    return (own[row] or "") if row in own else None


def _withheld(review: ReviewSession, post: ReviewedPost) -> bool:
    """Say whether the model's answer is kept back: it must not lead those whose label tests it."""
    return post.drawn == "random" and review.own().get(post.row) is None


def _described(review: ReviewSession, post: ReviewedPost) -> dict[str, Any]:
    """Return a post as the page shows it. What others say is shown where it is to be settled alone."""
    found = post.answered
    labels = review.given().get(post.row)
    model = None if _withheld(review, post) else {"label": post.predicted, "probabilities": post.probabilities}
    return {
        "row": post.row,
        "id": found.post.id,
        "text": found.post.text,
        "images": len(read_of(found.post.images)),
        "status": found.status,
        "said": _said(review.own(), post.row),
        "note": review.store.notes().get(post.row, {}).get(review.person, ""),
        "model": model,
        "others": labels.given if review.settling and labels is not None else {},
    }


def _json(value: Mapping[str, Any]) -> Response:
    """Return a value as JSON; halves of surrogate pairs, which a text may hold, become their escapes."""
    return Response(utf8(json_text(value)), media_type="application/json")
