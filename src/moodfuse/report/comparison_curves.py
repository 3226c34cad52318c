"""The curves of a comparison: calibration, robustness, cost, and training cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from moodfuse.records.cells import TrainedCell
from moodfuse.records.results import ArmCalibration, ArmRow, DamagedScores, ModelCost, RemovalCurve, Robustness
from moodfuse.report.document import Block, Figure, Figures, Heading, Paragraph, Table, Value
from moodfuse.report.figures import Line, Scales, lines_figure, reliability_figure, scatter_figure

# Epochs that few cells reach say more of those cells than of the model.
_REACHED = 0.5
_SHARES = (0.0, 0.2, 0.5, 0.8, 1.0)  # of the posts, in the table of removed modalities


def calibration_blocks(
    calibration: Sequence[ArmCalibration], arms: Sequence[str], leaders: Sequence[str]
) -> list[Block]:
    """Return the reliability curves of the leaders and the calibration error of all arms, in this order."""
    places = {name: i for i, name in enumerate(arms)}
    entries = sorted(calibration, key=lambda one: places.get(one.arm, len(places)))
    if not entries:
        return []
    table: list[list[Value]] = [
        [one.arm, one.ece, one.ece_before, median(one.temperatures) if one.temperatures else None] for one in entries
    ]
    columns = ["arm", "calibration error", "without temperature", "temperature (median)"]
    blocks: list[Block] = []
    if curves := {one.arm: one.bins for one in entries if one.arm in leaders and one.bins}:
        caption = (
            "Accuracy over confidence in bins: the larger a point, the more posts. On the dashed line a model is as "
            "sure as it is right."
        )
        blocks.append(Figure(reliability_figure("reliability", curves, styles=line_numbers(leaders)), caption))
    return [*blocks, Table(columns, table, "Expected calibration error, temperatures fitted on held-out folds")]


def robustness_blocks(robustness: Robustness, leaders: Sequence[str]) -> list[Block]:
    """Return the scores as a modality is removed from more and more posts, and on damaged posts."""
    blocks: list[Block] = []
    styles = line_numbers(leaders)
    figures = []
    for modality in ("text", "image"):
        lines = {
            one.model: _removal_line(one)
            for one in robustness.missing
            if one.model in leaders and one.removed == modality and one.points
        }
        if lines:
            scales = Scales(f"posts without {modality}", "macro-F1", percent=True)
            svg = lines_figure(f"without-{modality}", lines, scales, styles=styles)
            figures.append(
                Figure(svg, f"Expected macro-F1 when a share of the posts, drawn at random, loses its {modality}.")
            )
    if figures:
        blocks.append(Figures(figures))
    if table := _removed_table(robustness.missing):
        blocks.append(table)
    return blocks + (_damage_blocks(robustness.damaged, leaders) if robustness.damaged else [])


def cost_blocks(costs: Sequence[ModelCost], rows: Sequence[ArmRow]) -> list[Block]:
    """Return what each model costs, beside what it scores; `rows` give their order."""
    if not costs:
        return []
    scores = {row.arm: row.macro_f1.value for row in rows}
    order = {name: i for i, name in enumerate(scores)}
    costs = sorted(costs, key=lambda one: order.get(one.model, len(order)))
    table: list[list[Value]] = [
        [one.model, scores.get(one.model), one.parameters, *map(seconds, (one.epoch, one.cell, one.total))]
        for one in costs
    ]
    kinds = {"text": 1, "image": 2}
    points = [
        (one.model, one.cell, scores[one.model], kinds.get(one.model, 0))
        for one in costs
        if one.model in scores and one.cell
    ]
    columns = ["model", "macro-F1", "trained weights", "seconds an epoch", "seconds a cell", "seconds in all"]
    blocks: list[Block] = []
    if points:
        caption = (
            "Macro-F1 over the time of a cell: fit, export and prediction on features that are computed once for all."
        )
        blocks.append(Figure(scatter_figure("cost", points, x="seconds a cell", y="macro-F1"), caption))
    return [*blocks, Table(columns, table, "Medians over cells")]


def training_blocks(cells: Mapping[str, Sequence[TrainedCell]], models: Sequence[str]) -> list[Block]:
    """Return each model's loss and accuracy over the epochs, means over its cells."""
    order = [name for name in models if name in cells] + sorted(set(cells) - set(models))
    blocks: list[Block] = []
    for kind in ("loss", "accuracy"):
        figures = []
        for i, model in enumerate(order):
            lines = {part: _mean_line(cells[model], f"{key}_{kind}") for part, key in _PARTS.items()}
            if lines := {part: line for part, line in lines.items() if line[0]}:
                svg = lines_figure(f"{kind}-{i}", lines, Scales("epoch", kind, whole=True), small=True)
                figures.append(Figure(svg, model))
        if figures:
            blocks += [
                Heading(kind.capitalize()),
                Paragraph("Means over the cells: training solid and blue, validation dashed and orange."),
                Figures(figures, small=True),
            ]
    rows: list[list[Value]] = [
        [
            model,
            len(cells[model]),
            f"{median(cell.metrics.best_epoch for cell in cells[model]):g}",
            f"{median(cell.metrics.epochs for cell in cells[model]):g}",
        ]
        for model in order
    ]
    if rows:
        blocks.append(Table(["model", "cells", "epoch kept (median)", "epochs run (median)"], rows))
    return blocks + _trials(cells, order)


_PARTS = {"training": "train", "validation": "val"}


def line_numbers(leaders: Sequence[str]) -> dict[str, int]:
    """Return the colour of each leader: one for all figures, text and image as in the table of scores."""
    numbers = {"text": 1, "image": 2}
    free = [0, *range(3, 3 + len(leaders))]
    return numbers | dict(zip([name for name in leaders if name not in numbers], free, strict=False))


def seconds(value: float) -> str:
    """Return seconds with as many decimals as matter."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 1 else 2}f}"


def _removal_line(curve: RemovalCurve) -> Line:
    return [point.share for point in curve.points], [point.macro_f1 for point in curve.points]


def _mean_line(cells: Sequence[TrainedCell], key: str) -> Line:
    """Return the mean over the cells of each epoch that at least half of them reached."""
    values: dict[int, list[float]] = {}
    for cell in cells:
        for row in cell.history:
            if {"epoch", key} <= set(row):
                values.setdefault(int(row["epoch"]) + 1, []).append(row[key])
    kept = {epoch: found for epoch, found in sorted(values.items()) if len(found) >= _REACHED * len(cells)}
    return [float(epoch) for epoch in kept], [fmean(found) for found in kept.values()]


def _removed_table(curves: Sequence[RemovalCurve]) -> Table | None:
    scores = [{round(point.share, 2): point.macro_f1 for point in one.points} for one in curves]
    shares = [share for share in _SHARES if scores and share in scores[0]]
    if not shares:
        return None
    rows: list[list[Value]] = [
        [f"{one.model}, {one.removed} removed", *map(found.get, shares)]
        for one, found in zip(curves, scores, strict=True)
    ]
    columns = ["macro-F1 at", *[f"{share:.0%}" for share in shares]]
    return Table(columns, rows, "Every model, as a modality is removed", folded=True)


def _damage_blocks(damaged: DamagedScores, leaders: Sequence[str]) -> list[Block]:
    found: dict[str, dict[str, Line]] = {}
    units: dict[str, str] = {}
    for one in damaged.curves:
        if one.model in leaders and one.points:
            line = [point.level for point in one.points], [point.macro_f1 for point in one.points]
            found.setdefault(one.damage, {})[one.model] = line
            units[one.damage] = one.unit or "level"
    if not found:
        return []
    figures = [
        Figure(
            lines_figure(f"damage-{i}", lines, Scales(units[damage], "macro-F1"), styles=line_numbers(leaders)),
            f"{damage.capitalize()}.",
        )
        for i, (damage, lines) in enumerate(sorted(found.items()))
    ]
    return [
        Heading("Damaged posts"),
        Paragraph(f"Texts and images damaged on purpose, on {damaged.posts} posts."),
        Figures(figures),
    ]


def _trials(cells: Mapping[str, Sequence[TrainedCell]], order: Sequence[str]) -> list[Block]:
    rows: list[list[Value]] = []
    for model in order:
        for cell in cells[model]:
            scored = [(one.score, one) for one in cell.metrics.trials if one.score is not None]
            if scored:
                score, best = max(scored, key=lambda pair: pair[0])
                settings = ", ".join(f"{key}={value}" for key, value in best.settings.items())
                rows.append([model, cell.name, len(scored), score, settings])
    columns = ["model", "cell", "trials", "validation score", "settings"]
    return [Table(columns, rows, "Settings found in each cell", folded=True)] if rows else []
