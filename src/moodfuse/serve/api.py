"""The REST API: every answer comes from the one `Predictor`, through the one engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse

from moodfuse.runtime.answers import explanation_object, prediction_object
from moodfuse.runtime.bundle import CARD, SEAL, read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve import problems, schemas
from moodfuse.serve.answers import ACCEPTED, COUNT, AnswerStream, Wanted, answer_batch
from moodfuse.serve.batching import Engine
from moodfuse.serve.docs_page import DOCS_POLICY, docs_page
from moodfuse.serve.explaining import Explaining
from moodfuse.serve.guard import Guard
from moodfuse.serve.handlers import add_handlers
from moodfuse.serve.limits import Settings
from moodfuse.serve.metrics import Metrics
from moodfuse.serve.page import add_page
from moodfuse.serve.problems import Problem
from moodfuse.serve.requests import read_post, refuse_unread, while_asked
from moodfuse.serve.stopping import Stopping
from moodfuse.serve.uploads import CONTENT_TYPES
from moodfuse.version import __version__

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_LINES = {
    "description": "an answer for each post, in their order, as the header Accept asks: JSON lines, each with the "
    "fields of its post that are not text, image or label; a JSON list of them; or CSV or TSV with all columns of the "
    "input. With `preview` JSON lines that hold `text`, `thumbnail` and all `fields` too.",
    "headers": {COUNT: {"schema": {"type": "integer"}, "description": "how many answers come"}},
    "content": {kind: {"schema": {"type": "string"}} for kind in ACCEPTED},
}


def create_app(settings: Settings) -> Guard:
    """Open the bundle and return the app that serves it. Raises `BundleError` where it is not whole."""
    limits = settings.limits
    bundle = read_bundle(settings.bundle)
    predictor = Predictor(
        bundle,
        threads=settings.threads,
        max_pixels=limits.pixels,
        graphs=settings.graphs,
        device=settings.device,
    )
    metrics = Metrics()
    engine = Engine(
        predictor,
        size=limits.batch_size,
        wait=limits.batch_wait_ms / 1000,
        threads=settings.threads,
        decode_seconds=limits.decode_seconds,
        observe=metrics.batch_size.observe,
    )
    home = settings.folder / str(os.getpid())
    stopping = Stopping(settings.stop_seconds, settings.folder, home)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sweep_folder(settings.folder)
        with suppress(OSError):  # a batch makes it anew, or says why it cannot
            home.mkdir(exist_ok=True)
        with stopping.watched():
            yield
        await engine.aside(lambda: None)
        engine.close()
        shutil.rmtree(home, ignore_errors=True)

    app = FastAPI(
        title="moodfuse",
        version=__version__,
        summary="The sentiment of posts that are text + image.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    add_handlers(app)
    _add_posts(app, settings, engine, metrics)
    _add_rest(app, settings, engine, metrics, stopping)
    if settings.page:
        add_page(app, predictor)
    return Guard(app, settings, metrics)


def sweep_folder(folder: Path) -> None:
    """Remove what processes that are no more (killed, not stopped) have left in the service's temporary folder."""
    for left in folder.iterdir():
        if left.name.isdecimal() and not Path(f"/proc/{left.name}").exists() and Path("/proc").exists():
            shutil.rmtree(left, ignore_errors=True)


def _add_posts(app: FastAPI, settings: Settings, engine: Engine, metrics: Metrics) -> None:
    limits = settings.limits
    explaining = Explaining(engine, limits.explanations)

    @app.post("/v1/predict", response_model=schemas.Answer, openapi_extra=schemas.POST_BODY, responses=_errors())
    async def predict(request: Request) -> dict[str, Any]:
        """Answer one post: JSON with the image in base64, or multipart with its file."""
        prediction = await while_asked(request, engine.predict(await read_post(request, limits)))
        refuse_unread(prediction, limits)
        metrics.posts.labels(prediction.label).inc()
        return prediction_object(prediction)

    @app.post(
        "/v1/explain", response_model=schemas.ExplanationBody, openapi_extra=schemas.POST_BODY, responses=_errors()
    )
    async def explain_post(request: Request) -> dict[str, Any]:
        """Answer one post, and say what its text, its image, their words and regions did to the answer."""
        post = await read_post(request, limits)
        explanation = await while_asked(request, explaining.explain(post))
        refuse_unread(explanation.prediction, limits)
        metrics.posts.labels(explanation.prediction.label).inc()
        return explanation_object(explanation)

    @app.post(
        "/v1/predict/batch",
        response_class=Response,
        openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(CONTENT_TYPES, _BINARY)}},
        responses={200: _LINES, **_errors()},
    )
    async def predict_batch(request: Request, wanted: Annotated[Wanted, Query()]) -> AnswerStream:
        """Answer many posts: JSON, JSON lines, CSV, TSV, Excel, or a zip with posts. Answers stream, order kept."""
        home = settings.folder / str(os.getpid())
        return await answer_batch(request, wanted, engine, limits, metrics, home)


def _add_rest(app: FastAPI, settings: Settings, engine: Engine, metrics: Metrics, stopping: Stopping) -> None:
    model = describe_model(settings, engine.predictor)

    @app.get("/v1/model", response_model=schemas.ModelBody, responses=_errors(401, 429))
    async def get_model() -> dict[str, Any]:
        """Say what is served: labels, scores with their protocol, hashes, the model card, the limits."""
        return model

    @app.get("/healthz", response_model=schemas.Health)
    async def healthz() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @app.get("/readyz", response_model=schemas.Health, responses=_errors(503))
    async def readyz() -> dict[str, str]:
        """Say whether requests should be sent here: the model is loaded and the service is not stopping."""
        if stopping.begun or not engine.alive:
            raise Problem(503, "the service is stopping" if stopping.begun else "the model's thread has died")
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **_errors(401)})
    async def get_metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()), headers={"Content-Security-Policy": DOCS_POLICY})


def describe_model(settings: Settings, predictor: Predictor) -> dict[str, Any]:
    """Return what `GET /v1/model` says."""
    manifest, folder = predictor.manifest, predictor.bundle.folder
    kept = ("name", "labels", "modalities", "fusion", "encoders", "precision", "temperature", "review_threshold")
    dump = manifest.model_dump(mode="json")
    return {name: dump[name] for name in (*kept, "languages", "training", "scores", "files")} | {
        "version": __version__,
        "device": predictor.device,
        "manifest_sha256": (folder / SEAL).read_text("ascii").strip(),
        "card": (folder / CARD).read_text("utf-8", "replace") if CARD in manifest.files else "",
        "limits": settings.limits.model_dump(),
    }


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of the errors that an endpoint can answer with."""
    problem = {"content": {problems.CONTENT_TYPE: {"schema": problems.SCHEMA}}}
    texts = {
        400: "the body is malformed",
        401: "no key, or none that is known",
        408: "the request did not arrive in time",
        413: "too large",
        415: "a content type that is not taken",
        422: "not what was expected",
        429: "too many requests at a time; see Retry-After",
        503: "no answer in time",
        507: "the service's disk is full or not to be written to",
    }
    return {status: {"description": texts[status], **problem} for status in statuses or texts}
