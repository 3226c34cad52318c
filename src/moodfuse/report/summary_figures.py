"""The figures of a summary: shares over time with their intervals, and shares of groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from moodfuse.decide.summary import GroupShares
from moodfuse.labels import SENTIMENT
from moodfuse.report.canvas import INK, MARKERS, SERIES, SOFT, WIDTH, canvas, to_svg
from moodfuse.report.document import readable

#: Colours of negative, neutral, positive, as numbers of the series: orange, grey, green.
_COLOURS = dict(zip(SENTIMENT.names, (1, 7, 2), strict=True))
_TICKS = 5  # names of periods along an axis
_MARKED = 40  # periods up to which each has a point


def colour_of(label: str, labels: Sequence[str]) -> int:
    """Return the number of a label's colour: the same in all figures."""
    return _COLOURS[label] if tuple(labels) == SENTIMENT.names else labels.index(label) % len(SERIES)


def trend_figure(name: str, groups: Sequence[GroupShares], labels: Sequence[str], *, small: bool = False) -> str:
    """Draw each label's share over the periods, in percent, with a band for its interval; gaps where posts are few."""
    size = (1.9, 2.9) if small else (3.1, WIDTH)
    places = list(range(len(groups)))
    with canvas(size[0], width=size[1]) as (drawing, axes):
        top = 0.0
        for label in labels:
            colour = colour_of(label, labels)
            values, lows, highs = ([_percent(one, label, end) for one in groups] for end in ("value", "low", "high"))
            mark = MARKERS[labels.index(label) % len(MARKERS)] if len(groups) <= _MARKED and not small else ""
            alone = "o" if len(groups) == 1 else mark
            axes.fill_between(places, lows, highs, color=SERIES[colour], alpha=0.18, linewidth=0)
            axes.plot(places, values, color=SERIES[colour], marker=alone, label=readable(label, 30), markersize=3.5)
            top = max([top, *(value for value in highs if math.isfinite(value))])
        step = max(1, math.ceil(len(groups) / (3 if small else _TICKS)))
        shown = places[::step]
        axes.set_xticks(shown, [groups[at].time for at in shown])
        axes.tick_params(axis="x", pad=6)
        axes.set(ylabel="" if small else "share of the posts, %", ylim=(0, 100 if small else min(100, 1.08 * top)))
        if not small:
            drawing.legend(loc="outside lower left", ncols=min(len(labels), 4))
        return to_svg(drawing, name, f"shares of {', '.join(labels)} over time")


def groups_figure(name: str, groups: Sequence[GroupShares], label: str, labels: Sequence[str], total: float) -> str:
    """Draw a label's share in each group with its interval, in percent; a vertical line marks that of all posts."""
    colour, number = SERIES[colour_of(label, labels)], labels.index(label) % len(MARKERS)
    with canvas(0.75 + 0.235 * max(len(groups), 2), width=4.2) as (drawing, axes):
        for place, one in enumerate(groups):
            if share := one.shares.get(label):
                faint = 0.4 if one.too_small else 1.0
                axes.plot([100 * share.low, 100 * share.high], [place, place], color=colour, alpha=0.75 * faint)
                axes.plot([100 * share.value], [place], color=colour, marker=MARKERS[number], alpha=faint, markersize=5)
                axes.plot([100 * share.counted], [place], color=SOFT, marker="|", markersize=7)
        axes.axvline(100 * total, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.set_yticks(range(len(groups)), [_short(one.group) for one in groups], color=INK)
        axes.set(ylim=(len(groups) - 0.4, -0.6), xlabel=f"{readable(label, 30)}, %")
        axes.set_xlim(left=max(0.0, axes.get_xlim()[0]), right=min(100.0, axes.get_xlim()[1]))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        return to_svg(drawing, name, f"share of {label} by group, with intervals")


def _percent(one: GroupShares, label: str, end: str) -> float:
    shares: Mapping[str, Any] = one.shares
    return 100 * float(getattr(shares[label], end)) if label in shares else math.nan


def _short(name: str) -> str:
    text = readable(name, 60)
    return text if len(text) <= 22 else text[:21].rstrip() + "…"
