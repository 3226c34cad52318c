"""The tables of a comparison: scores, verdicts, the value of each modality, scores per label."""

from __future__ import annotations

from collections.abc import Sequence

from moodfuse.evaluate.names import metric_name
from moodfuse.records.results import ArmRow, BestArm, ComparisonResults, PairRow, VerdictRow
from moodfuse.report.document import Block, Estimate, Figure, Figures, Heading, Paragraph, Table, Value
from moodfuse.report.estimates import difference_estimate, label_estimate, mean_estimate
from moodfuse.report.figures import ablation_figure, confusion_figure, forest_figure

#: Colour and marker of an arm, by the modalities that it reads.
_KINDS = {"both": 0, "text": 1, "image": 2}
_WITHHELD = 3
_BOTH = ("text and image", "image withheld", "text withheld")
_VERDICTS = {
    "against text": "Each against text alone",
    "against image": "Each against the image alone",
    "best": "The best against every other",
}


def score_blocks(rows: Sequence[ArmRow], best: BestArm | None) -> list[Block]:
    """Return the scores of all arms with the best marked, and the best score corrected for the selection."""
    if not rows:
        return []
    forest = [
        (row.arm, mean_estimate(row.macro_f1), _WITHHELD if row.withheld else _KINDS.get(row.reads, 0)) for row in rows
    ]
    columns = ["arm", "reads", *map(metric_name, ("macro_f1", "accuracy", "weighted_f1")), "sd (seeds)"]
    table: list[list[Value]] = [
        [
            row.arm,
            row.reads,
            *map(mean_estimate, (row.macro_f1, row.accuracy, row.weighted_f1)),
            row.macro_f1.sd_seeds,
        ]
        for row in rows
    ]
    marked = frozenset(i for i, row in enumerate(rows) if best and row.arm == best.arm)
    caption = "Macro-F1 with 95 % intervals: ● text and image, ■ text model, ▲ image model, ◆ a modality withheld."
    blocks: list[Block] = [
        Figure(forest_figure("forest", forest, x="macro-F1"), caption),
        Table(columns, table, "All arms, with 95 % intervals", marked),
    ]
    return blocks + (_winner(best) if best else [])


def _winner(best: BestArm) -> list[Block]:
    corrected = Estimate(best.corrected, best.low, best.high)
    chosen = sorted(best.chosen.items(), key=lambda item: (-item[1], item[0]))
    shares: list[list[Value]] = [[name, share] for name, share in chosen if share >= 0.0005]
    return [
        Paragraph(
            f"The best of {best.candidates} looks better than it is, because it was chosen by these scores. Corrected "
            f"for that (BBC-CV, Tsamardinos et al. 2018), {best.arm} has {corrected} instead of {Estimate(best.value)}."
        ),
        Table(["model", "share"], shares, "Share of resamples in which each model is the best"),
    ]


def verdict_blocks(results: ComparisonResults) -> list[Block]:
    """Return the verdicts as figures and sentences, and a table of all tested pairs."""
    blocks: list[Block] = []
    for kind, title in _VERDICTS.items():
        chosen = [row for row in results.verdicts if row.kind == kind]
        if not chosen:
            continue
        forest = [
            (row.b if kind == "best" else row.a, difference_estimate(row), int(row.verdict != "cannot be told apart"))
            for row in chosen
        ]
        name = f"verdicts-{kind.replace(' ', '-')}"
        caption = "Difference in macro-F1 with 95 % intervals: ■ significant after the correction, ● not significant."
        blocks.append(Heading(title))
        blocks.append(Figure(forest_figure(name, forest, x="difference in macro-F1", zero=True), caption))
        blocks.append(_verdict_table(chosen))
    return [*blocks, _pair_table(results.pairs)] if results.pairs else blocks


def _verdict_table(verdicts: Sequence[VerdictRow]) -> Table:
    rows: list[list[Value]] = [[row.words, difference_estimate(row), row.p, row.mcnemar.p] for row in verdicts]
    return Table(["verdict", "difference (95 % interval)", "p (bootstrap)", "p (McNemar)"], rows)


def _pair_table(pairs: Sequence[PairRow]) -> Table:
    rows: list[list[Value]] = [
        [
            f"{pair.a} against {pair.b}",
            difference_estimate(pair),
            pair.p,
            pair.mcnemar.only_a,
            pair.mcnemar.only_b,
            pair.mcnemar.p,
            pair.verdict,
        ]
        for pair in pairs
    ]
    columns = ["a against b", "difference", "p (bootstrap)", "only a right", "only b right", "p (McNemar)", "verdict"]
    return Table(columns, rows, f"All {len(pairs)} pairs", folded=True)


def ablation_blocks(rows: Sequence[ArmRow], models: Sequence[str]) -> list[Block]:
    """Return the scores of each fusion, unchanged and with a modality withheld, in the order of `models`."""
    arms: dict[str, dict[str, Estimate]] = {}  # per model, by the withheld modality
    for row in rows:
        arms.setdefault(row.model, {})[row.withheld or ""] = mean_estimate(row.macro_f1)
    fusions = sorted((name for name, kinds in arms.items() if "" in kinds and len(kinds) > 1), key=models.index)
    if not fusions:
        return []
    table: list[list[Value]] = []
    points: list[tuple[str, list[float | None]]] = []
    for model in fusions:
        found = [arms[model].get(withheld) for withheld in ("", "image", "text")]
        table.append([model, *found])
        points.append((model, [score.value if score else None for score in found]))
    for single, withheld in (("text", "image"), ("image", "text")):
        if (score := arms.get(single, {}).get("")) is not None:
            place = _BOTH.index(f"{withheld} withheld")
            table.append([f"{single} (a model of its own)", *[score if i == place else None for i in range(3)]])
            points.append((f"{single} alone", [score.value if i == place else None for i in range(3)]))
    return [
        Paragraph(
            "Each fusion with both modalities, and with one withheld at prediction, without further training. Below "
            "are the models trained on one modality alone: a fusion must beat these scores."
        ),
        Figure(
            ablation_figure("ablation", points, _BOTH, x="macro-F1"), "Macro-F1 by the modalities that the model reads."
        ),
        Table(["model", *_BOTH], table, "Macro-F1 with 95 % intervals"),
    ]


def label_blocks(rows: Sequence[ArmRow], labels: Sequence[str], leaders: Sequence[str]) -> list[Block]:
    """Return each arm's F1 per label, and the confusion matrices of the leaders."""
    if not rows:
        return []
    whole = [_label_row(row, labels) for row in rows if row.withheld is None]
    withheld = [_label_row(row, labels) for row in rows if row.withheld is not None]
    columns = ["arm", *labels]
    tables = [Table(columns, whole, "F1 per label, with 95 % intervals")]
    if withheld:
        tables.append(Table(columns, withheld, "The same with a modality withheld", folded=True))
    figures: list[Figure] = []
    for row in rows:
        if row.arm in leaders and len(row.confusion) == len(labels):
            svg = confusion_figure(f"confusion-{len(figures)}", row.confusion, labels)
            figures.append(Figure(svg, f"{row.arm}: rows are the true labels; mean over seeds."))
    return [*tables, Figures(figures)]


def _label_row(row: ArmRow, labels: Sequence[str]) -> list[Value]:
    return [row.arm, *[label_estimate(row.per_class[name]) if name in row.per_class else None for name in labels]]
