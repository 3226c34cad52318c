"""Self-contained HTML pages: a single file with its styles and pictures, without scripts, that loads nothing.

A page is `templates/base.html` with `{% block content %}` filled in. `document_page` fills it with a `Document`.
Another template may extend the base and use the macros of `parts.html`:

    {% extends "base.html" %}
    {% from "parts.html" import table, gallery %}
    {% block content %}<section id="sizes"><h2>Sizes</h2>{{ table(...) }}</section>{% endblock %}

It is rendered with `render("mine.html", title=..., kind=..., sections=[("sizes", "Sizes")])`.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef
from moodfuse.errors import MissingExtraError
from moodfuse.language import language, translate
from moodfuse.report.document import Document, numeric, readable, shown
from moodfuse.report.translation import spoken
from moodfuse.version import __version__

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
except ImportError as error:
    raise MissingExtraError("reports need Jinja2, which is not installed; pip install 'moodfuse[report]'") from error

_TEMPLATES = Path(__file__).with_name("templates")
#: Longer side of a thumbnail in pixels, and its JPEG quality.
THUMBNAIL, QUALITY = 160, 70


def render(template: str, **context: Any) -> str:
    """Return a page from a template of this package; everything in `context` is escaped, except `Markup`.

    `_` in a template translates.

    The base needs `title`. Optional are `kind` (a word above the title), `subtitle`, and `sections`, a list of
    (id, title) for the table of contents. The same context gives the same bytes.
    """
    return _environment().get_template(template).render(**context)


def document_page(document: Document) -> str:
    """Return a document as a single HTML page, in the language that is spoken."""
    document = spoken(document)
    return render(
        "document.html",
        kind=document.kind,
        title=document.title,
        subtitle=document.subtitle,
        sections=[(section.id, section.title) for section in document.sections],
        document=document,
    )


def figure(svg: str) -> Markup:
    """Return an inline SVG from `figures` for a template, unescaped. Never pass an SVG from another source."""
    return Markup(svg)


def picture(svg: str) -> str:
    """Return a data URI of a complete SVG file: shown as a separate image, its styles cannot affect the page."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")


def thumbnail(image: ImageRef | None) -> str | None:
    """Return a small JPEG of an image as a data URI, without metadata; `None` if the image is missing or unreadable.

    The limits of `data.images` apply. The content of a file never raises an error.
    """
    opened = None if image is None else look(image).image
    if opened is None:
        return None
    scale = min(1.0, THUMBNAIL / max(opened.size))
    small = opened.resize([max(1, round(side * scale)) for side in opened.size], Image.Resampling.BILINEAR)
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,  # post texts are hostile
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"shown": shown, "readable": readable, "figure": figure, "picture": picture}
    environment.tests["numeric"] = numeric
    environment.globals |= {"version": __version__, "kind_of": lambda block: type(block).__name__}
    environment.globals |= {"_": translate, "language": language}
    return environment
