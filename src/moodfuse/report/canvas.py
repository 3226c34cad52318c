"""What every figure is drawn on: matplotlib without a screen, its SVG in colours that the page decides.

A figure is drawn in stand-in colours, which then become the page's CSS variables: so one SVG reads well on light, on
dark and in print. The same data give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from moodfuse.errors import MissingExtraError

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError(
        "figures need matplotlib, which is not installed; pip install 'moodfuse[report]'"
    ) from error

WIDTH = 4.9  # inches; on the page of a narrow phone a point is a pixel then, so that its text can be read
_SCALE = 1.35  # pixels a point, where there is room: 9 points are 12 pixels

# Colours that no figure would use by itself, and the page's names for them.
INK, SOFT, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
#: Series colours, after Okabe and Ito (2008): told apart with any colour vision, on light and on dark.
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
    "text.parse_math": False,  # a label with two dollar signs is no formula
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
_HEIGHT = re.compile(r'(<svg[^>]*?) height="[^"]*"')


@contextmanager
def canvas(height: float, *, width: float = WIDTH, **layout: Any) -> Iterator[tuple[Figure, Axes]]:
    """Give a figure, sizes in inches, with one set of axes, drawn on in the house's style."""
    with mpl.rc_context():
        mpl.rcdefaults()  # the user's own matplotlibrc must not change a report
        mpl.rcParams.update(_STYLE)
        drawing = Figure(figsize=(width, height), layout="constrained")
        yield drawing, drawing.subplots(**layout)


def to_svg(drawing: Figure, name: str, label: str) -> str:
    """Return the figure as inline SVG: `name` keeps its ids apart from other figures', `label` says what it shows."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None})
    svg = _HEAD.sub("", buffer.getvalue()).strip()
    svg = _ID.sub(rf"\g<1>{name}-", svg)
    # As wide as its text asks for, so that the text of all figures is of one size; narrower where the page is.
    wide = round(drawing.get_figwidth() * 72 * _SCALE)
    attributes = f'role="img" aria-label="{escape(label)}" style="max-width: {wide}px"'
    svg = _HEIGHT.sub(r"\1", _SIZE.sub(lambda found: f"{found[1]} {attributes}", svg, count=1), count=1)
    for colour, variable in _NAMES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def line_style(i: int) -> dict[str, Any]:
    """Return how the i-th series is drawn: colour and marker, and another dash once the colours are used up."""
    return {
        "color": SERIES[i % len(SERIES)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": LINES[i // len(SERIES) % len(LINES)],
    }
