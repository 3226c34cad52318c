"""The curves of a comparison: calibration, robustness, cost, and training cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from moodfuse.records.cells import TrainedCell
from moodfuse.records.comparison import Comparison
from moodfuse.records.results import ArmCalibration, ArmRow, DamagedScores, ModelCost, RemovalCurve, Robustness
from moodfuse.report.document import Block, Figure, Figures, Heading, Paragraph, Table, Value
from moodfuse.report.figures import RELIABILITY, Line, Scales, lines_figure, reliability_figure, scatter_figure

# An epoch that few cells reach describes those cells, not the model: it is not drawn.
_REACHED = 0.5
_SHARES = (0.0, 0.2, 0.5, 0.8, 1.0)  # shares of the posts, in the table of removed modalities


def calibration_blocks(
    calibration: Sequence[ArmCalibration], arms: Sequence[str], leaders: Sequence[str]
) -> list[Block]:
    """Return the reliability curves of the leaders and the calibration errors of all arms, in the order of `arms`."""
    places = {name: i for i, name in enumerate(arms)}
    entries = sorted(calibration, key=lambda entry: places.get(entry.arm, len(places)))
    if not entries:
        return []
    table: list[list[Value]] = [
        [entry.arm, entry.ece, entry.ece_before, median(entry.temperatures) if entry.temperatures else None]
        for entry in entries
    ]
    columns = ["arm", "calibration error", "without temperature", "temperature (median)"]
    blocks: list[Block] = []
    if curves := {entry.arm: entry.bins for entry in entries if entry.arm in leaders and entry.bins}:
        blocks.append(Figure(reliability_figure("reliability", curves, styles=line_numbers(leaders)), RELIABILITY))
    return [*blocks, Table(columns, table, "Expected calibration error, temperatures fitted on held-out folds")]


def robustness_blocks(robustness: Robustness, leaders: Sequence[str]) -> list[Block]:
    """Return the scores when a modality is removed from more and more posts, and the scores on damaged posts."""
    blocks: list[Block] = []
    styles = line_numbers(leaders)
    figures = []
    for modality in ("text", "image"):
        lines = {
            curve.model: _removal_line(curve)
            for curve in robustness.missing
            if curve.model in leaders and curve.removed == modality and curve.points
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
    """Return the cost of each model and its score, in the order of `rows`."""
    if not costs:
        return []
    scores = {row.arm: row.macro_f1.value for row in rows}
    order = {name: i for i, name in enumerate(scores)}
    costs = sorted(costs, key=lambda cost: order.get(cost.model, len(order)))
    table: list[list[Value]] = [
        [cost.model, scores.get(cost.model), cost.parameters, *map(seconds, (cost.epoch, cost.cell, cost.total))]
        for cost in costs
    ]
    kinds = {"text": 1, "image": 2}
    points = [
        (cost.model, cost.cell, scores[cost.model], kinds.get(cost.model, 0))
        for cost in costs
        if cost.model in scores and cost.cell
    ]
    columns = ["model", "macro-F1", "trained weights", "seconds per epoch", "seconds per cell", "seconds in total"]
    blocks: list[Block] = []
    if points:
        caption = "Macro-F1 over the seconds per cell: trials, fit and prediction; frozen features are computed before."
        blocks.append(Figure(scatter_figure("cost", points, x="seconds per cell", y="macro-F1"), caption))
    return [*blocks, Table(columns, table, "Medians over cells")]


def training_blocks(comparison: Comparison) -> list[Block]:
    """Return the loss and accuracy per epoch of each model and each encoder's stage, as means over their cells."""
    cells, order = comparison.cells, _in_order(comparison)
    blocks: list[Block] = []
    for kind, figures in training_figures(comparison).items():
        if figures:
            blocks += [
                Heading(kind.capitalize()),
                Paragraph("Means over the cells: training is solid and blue, validation is dashed and orange."),
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


def training_figures(comparison: Comparison) -> dict[str, list[Figure]]:
    """Return the curves of loss and of accuracy: a figure for each model and encoder's stage, named in its caption."""
    models = {name: [cell.history for cell in comparison.cells[name]] for name in _in_order(comparison)}
    histories = models | comparison.stages
    drawn: dict[str, list[Figure]] = {"loss": [], "accuracy": []}
    for kind, figures in drawn.items():
        for i, (name, cells) in enumerate(histories.items()):
            lines = {part: _mean_line(cells, f"{key}_{kind}") for part, key in _PARTS.items()}
            if lines := {part: line for part, line in lines.items() if line[0]}:
                svg = lines_figure(f"{kind}-{i}", lines, Scales("epoch", kind, whole=True), small=True)
                figures.append(Figure(svg, name))
    return drawn


def _in_order(comparison: Comparison) -> list[str]:
    """Return the models that have cells, the best first, then those that have no score yet."""
    scored = [name for name in comparison.models if name in comparison.cells]
    return scored + sorted(set(comparison.cells) - set(scored))


_PARTS = {"training": "train", "validation": "val"}


def line_numbers(leaders: Sequence[str]) -> dict[str, int]:
    """Return each leader's colour, the same in all figures; text and image have theirs from the table of scores."""
    numbers = {"text": 1, "image": 2}
    free = [0, *range(3, 3 + len(leaders))]
    return numbers | dict(zip([name for name in leaders if name not in numbers], free, strict=False))


def seconds(value: float) -> str:
    """Return seconds with 0 to 2 decimals: the larger the value, the fewer."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 1 else 2}f}"


def _removal_line(curve: RemovalCurve) -> Line:
    return [point.share for point in curve.points], [point.macro_f1 for point in curve.points]


def _mean_line(cells: Sequence[Sequence[Mapping[str, float]]], key: str) -> Line:
    """Return the mean over the cells, for each epoch that at least half of the cells reached."""
    values: dict[int, list[float]] = {}
    for cell in cells:
        for row in cell:
            if {"epoch", key} <= set(row):
                values.setdefault(int(row["epoch"]) + 1, []).append(row[key])
    kept = {epoch: found for epoch, found in sorted(values.items()) if len(found) >= _REACHED * len(cells)}
    return [float(epoch) for epoch in kept], [fmean(found) for found in kept.values()]


def _removed_table(curves: Sequence[RemovalCurve]) -> Table | None:
    scores = [{round(point.share, 2): point.macro_f1 for point in curve.points} for curve in curves]
    shares = [share for share in _SHARES if scores and share in scores[0]]
    if not shares:
        return None
    rows: list[list[Value]] = [
        [f"{curve.model}, {curve.removed} removed", *map(found.get, shares)]
        for curve, found in zip(curves, scores, strict=True)
    ]
    columns = ["macro-F1 at", *[f"{share:.0%}" for share in shares]]
    return Table(columns, rows, "Every model, when a modality is removed", folded=True)


def _damage_blocks(damaged: DamagedScores, leaders: Sequence[str]) -> list[Block]:
    found: dict[str, dict[str, Line]] = {}
    units: dict[str, str] = {}
    for curve in damaged.curves:
        if curve.model in leaders and curve.points:
            line = [point.level for point in curve.points], [point.macro_f1 for point in curve.points]
            found.setdefault(curve.damage, {})[curve.model] = line
            units[curve.damage] = curve.unit or "level"
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
        Paragraph(f"Scores on {damaged.posts} posts whose texts and images were damaged on purpose."),
        Figures(figures),
    ]


def _trials(cells: Mapping[str, Sequence[TrainedCell]], order: Sequence[str]) -> list[Block]:
    rows: list[list[Value]] = []
    for model in order:
        for cell in cells[model]:
            scored = [(trial.score, trial) for trial in cell.metrics.trials if trial.score is not None]
            if scored:
                score, best = max(scored, key=lambda pair: pair[0])
                settings = ", ".join(f"{key}={value}" for key, value in best.settings.items())
                rows.append([model, cell.name, len(scored), score, settings])
    columns = ["model", "cell", "trials", "validation score", "settings"]
    return [Table(columns, rows, "Settings found in each cell", folded=True)] if rows else []
