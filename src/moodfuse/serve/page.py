"""The web page: one static file at /, its scripts and styles under /page/.

What is in the page talks to `/v1` from the browser, as any other client does. So the page holds no state on the server,
needs no sticky sessions, and works with any number of workers.
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from moodfuse.runtime.predictor import Predictor


def add_page(app: FastAPI, predictor: Predictor) -> None:
    """Serve the page, which says what `predictor` is, and nothing else of the folder `static`."""
    manifest = predictor.manifest
    model = {
        "name": manifest.name,
        "labels": predictor.labels.names,
        "modalities": manifest.modalities,
        "threshold": manifest.review_threshold,
    }
    template = (files("moodfuse.serve") / "static" / "index.html").read_text("utf-8")
    page = template.replace("$model", escape(json.dumps(model)))

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page)

    app.mount("/page", StaticFiles(packages=[("moodfuse.serve", "static/page")]))
