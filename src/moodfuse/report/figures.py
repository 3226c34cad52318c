"""The figures of a report: functions from plain numbers to inline SVG, for each kind of figure.

`name` must be unique on a page: letters, digits and dashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter

from moodfuse.evaluate.calibration import Bin
from moodfuse.records.results import ReliabilityBin
from moodfuse.report.canvas import INK, LINES, SERIES, SOFT, WIDTH, canvas, line_style, to_svg
from moodfuse.report.document import Estimate, number, readable

#: A line: x values and as many y values.
Line = tuple[Sequence[float], Sequence[float]]
_LABEL = 34  # most characters of a label beside an axis
_WIDE = 8.5  # largest width of a figure of many bars, in inches
#: How to read a reliability curve.
RELIABILITY = (
    "Accuracy over confidence in bins: the larger a point, the more posts. On the dashed line, confidence equals "
    "accuracy."
)


def confusion_figure(name: str, matrix: Sequence[Sequence[float]], labels: Sequence[str]) -> str:
    """Draw a confusion matrix, true labels in the rows: counts, and the shares of the row as colour depth."""
    counts = np.asarray(matrix, dtype=float)  # (C, C)
    size = len(labels)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1e-12)
    with canvas(0.75 + 0.72 * size, width=1.3 + 1.15 * size) as (drawing, axes):
        for row in range(size):
            for column in range(size):
                share = shares[row, column]
                colour = SERIES[0] if row == column else SERIES[1]
                place = (column - 0.48, row - 0.47)
                axes.add_patch(Rectangle(place, 0.96, 0.94, facecolor=colour, alpha=0.04 + 0.5 * share, linewidth=0))
                at: dict[str, Any] = {"ha": "center", "va": "center"}
                axes.text(column, row - 0.1, f"{counts[row, column]:,.0f}", fontsize=11, color=INK, **at)
                axes.text(column, row + 0.22, f"{share:.0%}", fontsize=8, color=SOFT, **at)
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xlabel="predicted", ylabel="true")
        axes.set_xticks(range(size), [_short(label, 14) for label in labels])
        axes.set_yticks(range(size), [_short(label, 14) for label in labels])
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return to_svg(drawing, name, "confusion matrix")


@dataclass(frozen=True, slots=True)
class Scales:
    """The names of the axes, and whether x is in percent, or in whole numbers only."""

    x: str
    y: str
    percent: bool = False
    whole: bool = False


def lines_figure(
    name: str,
    lines: Mapping[str, Line],
    scales: Scales,
    *,
    kept: float | None = None,
    small: bool = False,
    styles: Mapping[str, int] | None = None,
) -> str:
    """Draw named lines in the same axes; a vertical line marks the epoch that was `kept`.

    A small figure has neither markers nor a legend. `styles` maps names to colour numbers, by default in order, so
    that a name keeps its colour in all figures of a page.
    """
    size = (1.9, 2.7) if small else (2.7 + 0.17 * ((len(lines) + 1) // 2), WIDTH)
    with canvas(size[0], width=size[1]) as (drawing, axes):
        for i, (label, (xs, ys)) in enumerate(lines.items()):
            style = line_style((styles or {}).get(label, i)) | (
                {"marker": "" if len(xs) > 1 else "o", "linestyle": LINES[i % 4]} if small else {}
            )
            axes.plot(xs, ys, label=_short(label), **style)
        axes.set(xlabel=scales.x, ylabel=scales.y)
        if scales.whole:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if scales.percent:
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        if kept is not None:
            axes.axvline(kept, color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
            place: Any = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
            axes.annotate("kept", (kept, 1), (4, 2), fontsize=8, color=SOFT, **place)
        _legend(drawing, axes, 0 if small else len(lines))
        return to_svg(drawing, name, f"{scales.y} over {scales.x}")


def reliability_figure(
    name: str, curves: Mapping[str, Sequence[Bin | ReliabilityBin]], *, styles: Mapping[str, int] | None = None
) -> str:
    """Draw accuracy over confidence: a point for each bin, its area by the number of posts."""
    with canvas(3.3 + 0.17 * ((len(curves) + 1) // 2), width=4.2) as (drawing, axes):
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (3, 3)))
        least = 1.0
        for i, (label, bins) in enumerate(curves.items()):
            xs, ys = [point.confidence for point in bins], [point.accuracy for point in bins]
            posts = np.array([point.posts for point in bins], dtype=float)
            style = line_style((styles or {}).get(label, i))
            axes.plot(xs, ys, color=style["color"], linestyle=style["linestyle"], linewidth=1.3, label=_short(label))
            areas = 14 + 110 * posts / max(posts.max(initial=1), 1)
            axes.scatter(xs, ys, s=areas, color=style["color"], marker=style["marker"], alpha=0.75, linewidths=0)
            least = min([least, *xs])
        left = max(0.0, np.floor(least * 10) / 10 - 0.05)
        axes.set(xlim=(left, 1.02), ylim=(-0.03, 1.04), xlabel="confidence", ylabel="accuracy")
        if len(curves) > 1:
            _legend(drawing, axes, len(curves))
        return to_svg(drawing, name, "accuracy over confidence")


def forest_figure(name: str, rows: Sequence[tuple[str, Estimate, int]], *, x: str, zero: bool = False) -> str:
    """Draw each row's estimate and interval, first row on top; the row's number (0..7) sets colour and marker.

    `zero` adds a vertical line at 0.
    """
    with canvas(0.75 + 0.235 * max(len(rows), 2)) as (drawing, axes):
        for place, (_, estimate, kind) in enumerate(rows):
            style = line_style(kind)
            if estimate.low is not None and estimate.high is not None:
                axes.plot(
                    [estimate.low, estimate.high], [place, place], color=style["color"], linewidth=1.9, alpha=0.75
                )
            axes.plot(
                [estimate.value], [place], color=style["color"], marker=style["marker"], markersize=5.5, linewidth=0
            )
        if zero:
            axes.axvline(0, color=INK, linewidth=0.9)
        axes.set_yticks(range(len(rows)), [_short(label) for label, _, _ in rows], color=INK)
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=x)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        return to_svg(drawing, name, f"{x}, with intervals")


def ablation_figure(
    name: str, rows: Sequence[tuple[str, Sequence[float | None]]], parts: Sequence[str], *, x: str
) -> str:
    """Draw a line of points per row: the scores of a model for each of `parts`, joined; `None` is left out."""
    with canvas(0.95 + 0.25 * max(len(rows), 2)) as (drawing, axes):
        for place, (_, values) in enumerate(rows):
            there = [value for value in values if value is not None]
            axes.plot(
                [min(there, default=0), max(there, default=0)], [place, place], color=SOFT, linewidth=1, alpha=0.6
            )
        for i, part in enumerate(parts):
            points = [(value, place) for place, (_, values) in enumerate(rows) if (value := values[i]) is not None]
            style = line_style(i) | {"linestyle": "", "markersize": 5.5}
            axes.plot([value for value, _ in points], [place for _, place in points], label=part, **style)
        axes.set_yticks(range(len(rows)), [_short(label) for label, _ in rows], color=INK)
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=x)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        _legend(drawing, axes, len(parts))
        return to_svg(drawing, name, f"{x} with {', '.join(parts)}")


def bars_figure(name: str, groups: Sequence[str], bars: Mapping[str, Sequence[Estimate | None]], *, y: str) -> str:
    """Draw groups of bars with intervals, a bar for each name in every group; `None` leaves a bar out."""
    width = 0.8 / max(len(bars), 1)
    with canvas(2.8, width=max(3.6, min(_WIDE, 1.1 + 0.42 * len(bars) * len(groups)))) as (drawing, axes):
        for i, (label, values) in enumerate(bars.items()):
            places = [g - 0.4 + width * (i + 0.5) for g in range(len(groups))]
            for place, estimate in zip(places, values, strict=True):
                if estimate is None:
                    continue
                axes.bar(place, estimate.value, width * 0.92, color=SERIES[i % len(SERIES)], alpha=0.85)
                top = estimate.value
                if estimate.low is not None and estimate.high is not None:
                    axes.plot([place, place], [estimate.low, estimate.high], color=INK, linewidth=1.1)
                    top = max(top, estimate.high)
                axes.annotate(
                    number(estimate.value), (place, top), (0, 3), textcoords="offset points", ha="center", fontsize=7.5
                )
            axes.bar(0, 0, color=SERIES[i % len(SERIES)], label=_short(label))
        axes.set_xticks(range(len(groups)), [_short(group, 18) for group in groups], color=INK)
        axes.set(ylabel=y, ylim=(0, 1.08))
        axes.grid(visible=False, axis="x")
        if len(bars) > 1:
            _legend(drawing, axes, len(bars))
        return to_svg(drawing, name, f"{y} by {', '.join(groups)}")


def importance_figure(name: str, shares: Mapping[str, float]) -> str:
    """Draw a bar for each setting, the largest on top."""
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    with canvas(0.75 + 0.26 * max(len(ordered), 2)) as (drawing, axes):
        axes.barh(range(len(ordered)), [value for _, value in ordered], 0.62, color=SERIES[0], alpha=0.85)
        for place, (_, value) in enumerate(ordered):
            axes.annotate(f"{value:.2f}", (value, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(range(len(ordered)), [_short(label) for label, _ in ordered], color=INK)
        axes.set(ylim=(len(ordered) - 0.4, -0.6), xlabel="importance")
        axes.margins(x=0.12)
        axes.grid(visible=False, axis="y")
        return to_svg(drawing, name, "importance")


def search_figure(name: str, trials: Sequence[tuple[int, float, bool]], *, y: str) -> str:
    """Draw the trials of a search, each (number, score, pruned), and the best score so far."""
    whole = [(n, value) for n, value, pruned in trials if not pruned]
    cut = [(n, value) for n, value, pruned in trials if pruned]
    with canvas(2.9) as (drawing, axes):
        if whole:
            best = [*np.maximum.accumulate([value for _, value in whole]), max(value for _, value in whole)]
            axes.step(
                [*[n for n, _ in whole], max(n for n, _, _ in trials)],
                best,
                where="post",
                color=SERIES[1],
                label="best so far",
            )
            axes.scatter([n for n, _ in whole], [v for _, v in whole], s=22, color=SERIES[0], label="trial", zorder=3)
        if cut:
            axes.scatter(
                [n for n, _ in cut],
                [v for _, v in cut],
                s=22,
                color=SOFT,
                marker="x",
                label="stopped early",
                linewidths=1.2,
            )
        axes.set(xlabel="trial", ylabel=y)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(drawing, axes, 3)
        return to_svg(drawing, name, f"{y} of each trial")


def scatter_figure(name: str, points: Sequence[tuple[str, float, float, int]], *, x: str, y: str) -> str:
    """Draw named points, (label, x, y, kind); x is logarithmic if its largest value is over 5 times its smallest."""
    with canvas(3.2) as (drawing, axes):
        for label, across, up, kind in points:
            style = line_style(kind)
            axes.scatter([across], [up], s=26, color=style["color"], marker=style["marker"])
            axes.annotate(_short(label, 20), (across, up), (5, 3), textcoords="offset points", fontsize=7.5, color=INK)
        least, most = (end(across for _, across, _, _ in points) for end in (min, max))
        if most > 5 * least > 0:
            axes.set_xscale("log")
            marks = [m * 10.0**e for e in range(-6, 9) for m in (1, 2, 5)]  # powers of ten alone are too few ticks
            axes.set_xticks([mark for mark in marks if least / 2 <= mark <= most * 2])
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.18, y=0.1)
        axes.set(xlabel=x, ylabel=y)
        return to_svg(drawing, name, f"{y} over {x}")


def _legend(drawing: Any, axes: Axes, count: int) -> None:
    if count < 2:
        return
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, min(count, int(78 / (7 + max(map(len, labels), default=0)))))  # as many as fit in a line
    drawing.legend(handles, labels, loc="outside lower left", ncols=columns)


def _short(label: str, limit: int = _LABEL) -> str:
    text = readable(label, 10 * limit)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
