"""The curves of a comparison: calibration, robustness, cost, and training cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from moodfuse.records.tolerant import real
from moodfuse.report.cells import Cell
from moodfuse.report.document import Block, Figure, Figures, Heading, Paragraph, Table, Value
from moodfuse.report.figures import Line, lines_figure, reliability_figure, scatter_figure

# Epochs that few cells reach say more of those cells than of the model.
_REACHED = 0.5


def calibration_blocks(results: Mapping[str, Any], arms: Sequence[str], leaders: Sequence[str]) -> list[Block]:
    """Return the reliability curves of the leaders and the calibration error of all arms, in this order."""
    places = {name: i for i, name in enumerate(arms)}
    entries = sorted(results.get("calibration") or [], key=lambda one: places.get(one.get("arm"), len(places)))
    if not entries:
        return []
    curves = {str(one.get("arm")): one.get("bins") or [] for one in entries if one.get("arm") in leaders}
    table: list[list[Value]] = []
    for one in entries:
        temperatures = [float(value) for value in one.get("temperatures") or []]
        middle = median(temperatures) if temperatures else None
        table.append([one.get("arm"), real(one, "ece"), real(one, "ece_before"), middle])
    columns = ["arm", "calibration error", "without temperature", "temperature (median)"]
    blocks: list[Block] = []
    if any(curves.values()):
        caption = (
            "Accuracy over confidence in bins: the larger a point, the more posts. On the dashed line a model is as "
            "sure as it is right."
        )
        blocks.append(
            Figure(
                reliability_figure("reliability", {k: v for k, v in curves.items() if v}, styles=line_numbers(leaders)),
                caption,
            )
        )
    return [*blocks, Table(columns, table, "Expected calibration error, temperatures fitted on held-out folds")]


def robustness_blocks(results: Mapping[str, Any], leaders: Sequence[str]) -> list[Block]:
    """Return the scores as a modality is removed from more and more posts, and on damaged posts."""
    robustness = results.get("robustness") or {}
    blocks: list[Block] = []
    styles = line_numbers(leaders)
    missing = [one for one in robustness.get("missing") or [] if one.get("model") in leaders]
    figures = []
    for modality in ("text", "image"):
        lines = {str(one["model"]): _line(one, "share") for one in missing if one.get("removed") == modality}
        if lines := {name: line for name, line in lines.items() if line[0]}:
            x = f"posts without {modality}"
            svg = lines_figure(f"without-{modality}", lines, x=x, y="macro-F1", percent=True, styles=styles)
            figures.append(
                Figure(svg, f"Expected macro-F1 when a share of the posts, drawn at random, loses its {modality}.")
            )
    if figures:
        blocks.append(Figures(figures))
    if table := _removed_table(robustness.get("missing") or []):
        blocks.append(table)
    return blocks + _damage_blocks(robustness.get("damaged") or {}, leaders)


def cost_blocks(results: Mapping[str, Any], models: Sequence[str]) -> list[Block]:
    """Return what each model costs, beside what it scores."""
    costs = results.get("cost") or []
    if not costs:
        return []
    scores = {row.get("arm"): real(row.get("macro_f1") or {}, "value") for row in results.get("rows") or []}
    order = {name: i for i, name in enumerate(models)}
    costs = sorted(costs, key=lambda one: order.get(one.get("model"), len(order)))
    table: list[list[Value]] = [
        [
            one.get("model"),
            scores.get(one.get("model")),
            one.get("parameters"),
            *[seconds(real(one, key)) for key in ("epoch", "cell", "total")],
        ]
        for one in costs
    ]
    points = []
    for one in costs:
        score, cell = scores.get(one.get("model")), real(one, "cell")
        if score is not None and cell:
            kind = {"text": 1, "image": 2}.get(str(one.get("model")), 0)
            points.append((str(one.get("model")), cell, score, kind))
    columns = ["model", "macro-F1", "trained weights", "seconds an epoch", "seconds a cell", "seconds in all"]
    blocks: list[Block] = []
    if points:
        caption = (
            "Macro-F1 over the time of a cell: fit, export and prediction on features that are computed once for all."
        )
        blocks.append(Figure(scatter_figure("cost", points, x="seconds a cell", y="macro-F1"), caption))
    return [*blocks, Table(columns, table, "Medians over cells")]


def training_blocks(cells: Mapping[str, Sequence[Cell]], models: Sequence[str]) -> list[Block]:
    """Return each model's loss and accuracy over the epochs, means over its cells."""
    order = [name for name in models if name in cells] + sorted(set(cells) - set(models))
    blocks: list[Block] = []
    for kind in ("loss", "accuracy"):
        figures = []
        for i, model in enumerate(order):
            lines = {part: _mean_line(cells[model], f"{key}_{kind}") for part, key in _PARTS.items()}
            if lines := {part: line for part, line in lines.items() if line[0]}:
                svg = lines_figure(f"{kind}-{i}", lines, x="epoch", y=kind, whole=True, small=True)
                figures.append(Figure(svg, model))
        if figures:
            blocks += [
                Heading(kind.capitalize()),
                Paragraph("Means over the cells: training solid and blue, validation dashed and orange."),
                Figures(figures, small=True),
            ]
    table: list[list[Value]] = [
        [
            model,
            len(cells[model]),
            median(float(cell.metrics.get("best_epoch") or 0) for cell in cells[model]),
            median(float(cell.metrics.get("epochs") or 0) for cell in cells[model]),
        ]
        for model in order
    ]
    rows: list[list[Value]] = [[*row[:2], f"{row[2]:g}", f"{row[3]:g}"] for row in table]
    if rows:
        blocks.append(Table(["model", "cells", "epoch kept (median)", "epochs run (median)"], rows))
    return blocks + _trials(cells, order)


_PARTS = {"training": "train", "validation": "val"}


def line_numbers(leaders: Sequence[str]) -> dict[str, int]:
    """Return the colour of each leader: one for all figures, text and image as in the table of scores."""
    numbers = {"text": 1, "image": 2}
    free = [0, *range(3, 3 + len(leaders))]
    return numbers | dict(zip([name for name in leaders if name not in numbers], free, strict=False))


def seconds(value: float | None) -> str | None:
    """Return seconds with as many decimals as matter."""
    return None if value is None else f"{value:,.{0 if value >= 100 else 1 if value >= 1 else 2}f}"


def _line(curve: Mapping[str, Any], x: str) -> Line:
    points = [(real(point, x), real(point, "macro_f1")) for point in curve.get("points") or []]
    whole = [(a, b) for a, b in points if a is not None and b is not None]
    return [a for a, _ in whole], [b for _, b in whole]


def _mean_line(cells: Sequence[Cell], key: str) -> Line:
    """Return the mean over the cells of each epoch that at least half of them reached."""
    values: dict[int, list[float]] = {}
    for cell in cells:
        for row in cell.history:
            epoch, value = real(row, "epoch"), real(row, key)
            if epoch is not None and value is not None:
                values.setdefault(int(epoch) + 1, []).append(value)
    kept = {epoch: found for epoch, found in sorted(values.items()) if len(found) >= _REACHED * len(cells)}
    return [float(epoch) for epoch in kept], [fmean(found) for found in kept.values()]


def _removed_table(missing: Sequence[Mapping[str, Any]]) -> Table | None:
    rows: list[list[Value]] = []
    shares: list[float] = []
    for one in missing:
        xs, ys = _line(one, "share")
        kept = dict(zip([round(x, 2) for x in xs], ys, strict=True))
        shares = shares or [share for share in (0.0, 0.2, 0.5, 0.8, 1.0) if share in kept]
        rows.append([f"{one.get('model')}, {one.get('removed')} removed", *[kept.get(share) for share in shares]])
    if not rows or not shares:
        return None
    return Table(
        ["macro-F1 at", *[f"{share:.0%}" for share in shares]],
        rows,
        "Every model, as a modality is removed",
        folded=True,
    )


def _damage_blocks(damaged: Mapping[str, Any], leaders: Sequence[str]) -> list[Block]:
    found: dict[str, dict[str, Line]] = {}
    units: dict[str, str] = {}
    for one in damaged.get("curves") or []:
        line = _line(one, "level")
        if one.get("model") in leaders and line[0]:
            found.setdefault(str(one.get("damage")), {})[str(one["model"])] = line
            units[str(one.get("damage"))] = str(one.get("unit") or "level")
    if not found:
        return []
    figures = [
        Figure(
            lines_figure(f"damage-{i}", lines, x=units[damage], y="macro-F1", styles=line_numbers(leaders)),
            f"{damage.capitalize()}.",
        )
        for i, (damage, lines) in enumerate(sorted(found.items()))
    ]
    return [
        Heading("Damaged posts"),
        Paragraph(f"Texts and images damaged on purpose, on {damaged.get('posts', '?')} posts."),
        Figures(figures),
    ]


def _trials(cells: Mapping[str, Sequence[Cell]], order: Sequence[str]) -> list[Block]:
    rows: list[list[Value]] = []
    for model in order:
        for cell in cells[model]:
            trials = [one for one in cell.metrics.get("trials") or [] if real(one, "score") is not None]
            if trials:
                best = max(trials, key=lambda one: float(one["score"]))
                settings = ", ".join(f"{key}={value}" for key, value in (best.get("settings") or {}).items())
                rows.append([model, cell.name, len(trials), real(best, "score"), settings])
    columns = ["model", "cell", "trials", "validation score", "settings"]
    return [Table(columns, rows, "Settings found in each cell", folded=True)] if rows else []
