"""The canvas of every figure: matplotlib without a screen, and SVG whose colours the page sets.

A figure is drawn in placeholder colours, which are then replaced by the page's CSS variables. The same SVG is readable
on a light page, on a dark page and in print. The same data give the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from moodfuse.errors import MissingExtraError
from moodfuse.language import translate

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError(
        "figures need matplotlib, which is not installed; pip install 'moodfuse[report]'"
    ) from error

WIDTH = 4.9  # inches; on a narrow phone a point is then a pixel, so that the text can be read
_SCALE = 1.35  # pixels per point, if there is room: 9 points are 12 pixels

# Placeholder colours that no figure uses otherwise, and the page's names for them.
INK, SOFT, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
#: Placeholders of the series colours, which follow Okabe and Ito (2008): distinct with any colour vision, on light
#: and on dark pages.
SERIES = tuple(f"#0501{i:02x}" for i in range(1, 9))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", ":", "-.")
_NAMES = {INK: "ink", SOFT: "soft", GRID: "grid", PAPER: "paper"} | {c: f"c{i + 1}" for i, c in enumerate(SERIES)}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "moodfuse",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a label with two dollar signs is not a formula
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.7,
    "lines.markersize": 4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_HEAD = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>", re.DOTALL)
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_SIZE = re.compile(r'(<svg[^>]*?) width="[^"]*"')
_COLOUR = re.compile(r"--([\w-]+): (#[0-9a-f]+);")  # of the page's style
_HEIGHT = re.compile(r'(<svg[^>]*?) height="[^"]*"')


@contextmanager
def canvas(height: float, *, width: float = WIDTH, **layout: Any) -> Iterator[tuple[Figure, Axes]]:
    """Yield a figure (sizes in inches) with its axes, in the style of all figures."""
    with mpl.rc_context():
        mpl.rcdefaults()  # the user's own matplotlibrc must not change a report
        mpl.rcParams.update(_STYLE)
        drawing = Figure(figsize=(width, height), layout="constrained")
        yield drawing, drawing.subplots(**layout)


def to_svg(drawing: Figure, name: str, label: str) -> str:
    """Return the figure as inline SVG: `name` makes its ids unique on the page, `label` describes it."""
    _translate(drawing)
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page's font draws it, not matplotlib's
        drawing.savefig(buffer, format="svg", metadata={"Date": None})
    svg = _HEAD.sub("", buffer.getvalue()).strip()
    svg = _ID.sub(rf"\g<1>{name}-", svg)
    # This width gives the texts of all figures the same size; on a narrow page the figure shrinks.
    wide = round(drawing.get_figwidth() * 72 * _SCALE)
    attributes = f'role="img" aria-label="{escape(translate(label))}" style="max-width: {wide}px"'
    svg = _HEIGHT.sub(r"\1", _SIZE.sub(lambda found: f"{found[1]} {attributes}", svg, count=1), count=1)
    for colour, variable in _NAMES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def _translate(drawing: Figure) -> None:
    """Put the names of axes and lines into the language that is spoken; those of models and labels stay."""
    for axes in drawing.axes:
        axes.set(xlabel=translate(axes.get_xlabel()), ylabel=translate(axes.get_ylabel()))
    for text in (text for legend in drawing.legends for text in legend.get_texts()):
        text.set_text(translate(text.get_text()))


def svg_file(svg: str) -> str:
    """Return a figure as the content of an SVG file: on white, in the light colours of a page."""
    style = (Path(__file__).with_name("templates") / "style.css").read_text("utf-8")
    light = dict(_COLOUR.findall(style.partition("}")[0]))
    for name in _NAMES.values():
        svg = svg.replace(f"var(--{name})", light[name])
    return svg.replace("max-width", "background: #fff; max-width", 1) + "\n"


def line_style(i: int) -> dict[str, Any]:
    """Return colour, marker and line style of the i-th series; the dashes change when the colours repeat."""
    return {
        "color": SERIES[i % len(SERIES)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": LINES[i // len(SERIES) % len(LINES)],
    }
