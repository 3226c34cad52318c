"""The web page: Gradio's shell and tabs; what is in them talks to `/v1` from the browser, as any other client does.

No image or text ever goes through Gradio's own upload and event routes, which keep files: they are not served at all.
So the page holds no state, needs no sticky sessions, and works with any number of workers.
"""

from __future__ import annotations

import json
import os
from html import escape
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from moodfuse.runtime.predictor import Predictor

STATIC = "/page"

#: What of Gradio is served: its scripts and styles, and what they ask once when they start.
PATHS = ("/assets/", "/static/", "/svelte/", f"{STATIC}/")
FILES = frozenset({"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json"})


def is_page(path: str) -> bool:
    """Say whether the page needs this path; whatever else Gradio can do is not served."""
    return path in FILES or (path.startswith(PATHS) and ".." not in path)


def create_page(predictor: Predictor, folder: Path) -> FastAPI:
    """Return the app that serves the page at /; `folder` is where Gradio may write, should it ever want to."""
    # Before Gradio is imported: it looks for newer versions of itself and counts its users otherwise.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    import gradio as gr

    static = files("moodfuse.serve") / "static"
    app = FastAPI(openapi_url=None)
    app.mount(STATIC, StaticFiles(packages=[("moodfuse.serve", "static")]), name="static")
    model = {
        "name": predictor.manifest.name,
        "labels": predictor.labels.names,
        "modalities": predictor.manifest.modalities,
        "threshold": predictor.manifest.review_threshold,
    }
    with gr.Blocks(title="moodfuse", analytics_enabled=False, fill_width=False) as page:
        gr.HTML((static / "head.html").read_text("utf-8"), padding=False)
        with gr.Tabs():
            with gr.Tab("One post"):
                gr.HTML((static / "single.html").read_text("utf-8"), padding=False)
            with gr.Tab("Many posts"):
                gr.HTML((static / "batch.html").read_text("utf-8"), padding=False)
    data = escape(json.dumps(model), quote=True)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        ssr_mode=False,
        run_history=False,
        footer_links=[],
        show_error=False,
        max_file_size=1,
        # Named fonts are the machine's own; Gradio's default theme would ask Google for its fonts.
        theme=gr.themes.Base(
            primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        head=(
            f'<meta name="moodfuse" content="{data}"><link rel="stylesheet" href="{STATIC}/page.css">'
            f'<script type="module" src="{STATIC}/page.js"></script>'
        ),
    )
    return app
