"""The tables of a comparison: scores, verdicts, what a modality is worth, scores per label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moodfuse.records.tolerant import real
from moodfuse.report.comparison_records import Comparison, estimate
from moodfuse.report.document import Block, Estimate, Figure, Figures, Heading, Paragraph, Table, Value
from moodfuse.report.figures import ablation_figure, confusion_figure, forest_figure

#: Colour and marker of an arm, by what it reads.
_KINDS = {"both": 0, "text": 1, "image": 2}
_WITHHELD = 3
_BOTH = ("text and image", "image withheld", "text withheld")


def score_blocks(comparison: Comparison) -> list[Block]:
    rows = comparison.rows
    if not rows:
        return []
    best = comparison.results.get("best") or {}
    forest: list[tuple[str, Estimate, int]] = []
    for row in rows:
        one = estimate(row["macro_f1"])
        kind = _WITHHELD if row.get("withheld") else _KINDS.get(str(row.get("reads")), 0)
        if one is not None:
            forest.append((str(row.get("arm")), one, kind))
    columns = ["arm", "reads", "macro-F1", "accuracy", "weighted F1", "sd (seeds)"]
    table: list[list[Value]] = [
        [
            row.get("arm"),
            row.get("reads"),
            *[estimate(row.get(name)) for name in ("macro_f1", "accuracy", "weighted_f1")],
            real(row["macro_f1"], "sd_seeds"),
        ]
        for row in rows
    ]
    marked = frozenset(i for i, row in enumerate(rows) if row.get("arm") == best.get("arm"))
    caption = "Macro-F1 with 95 % intervals: ● text and image, ■ text model, ▲ image model, ◆ a modality withheld."
    blocks: list[Block] = [
        Figure(forest_figure("forest", forest, x="macro-F1"), caption),
        Table(columns, table, "All arms, with 95 % intervals", marked),
    ]
    return blocks + _winner(best)


def _winner(best: Mapping[str, Any]) -> list[Block]:
    value, corrected = real(best, "value"), real(best, "corrected")
    if value is None or corrected is None:
        return []
    corrected_score = Estimate(corrected, real(best, "low"), real(best, "high"))
    blocks: list[Block] = [
        Paragraph(
            f"The best of {best.get('of', '?')} looks better than it is, for it was chosen on these scores. "
            "Corrected for "
            f"that (BBC-CV, Tsamardinos et al. 2018), {best.get('arm')} has {corrected_score} instead of "
            f"{Estimate(value)}."
        )
    ]
    chosen = sorted((best.get("chosen") or {}).items(), key=lambda item: (-float(item[1]), item[0]))
    shares: list[list[Value]] = [[name, float(share)] for name, share in chosen if float(share) >= 0.0005]
    return [*blocks, Table(["model", "share"], shares, "How often each would have been the best, over resamples")]


def verdict_blocks(comparison: Comparison) -> list[Block]:
    verdicts = comparison.results.get("verdicts") or []
    blocks: list[Block] = []
    groups = {
        "against text": "Each against text alone",
        "against image": "Each against the image alone",
        "best": "The best against every other",
    }
    for kind, title in groups.items():
        chosen = [one for one in verdicts if one.get("kind") == kind]
        found = [(one, estimate(one, signed=True, key="difference")) for one in chosen]
        forest = [
            (
                str(one.get("b" if kind == "best" else "a")),
                difference,
                0 if one.get("verdict") == "cannot be told apart" else 1,
            )
            for one, difference in found
            if difference is not None
        ]
        if not forest:
            continue
        name = f"verdicts-{kind.replace(' ', '-')}"
        caption = "Difference in macro-F1 with 95 % intervals: ■ told apart after the correction, ● not."
        blocks.append(Heading(title))
        blocks.append(Figure(forest_figure(name, forest, x="difference in macro-F1", zero=True), caption))
        blocks.append(_verdict_table(chosen))
    if pairs := comparison.results.get("pairs"):
        blocks.append(_pair_table(pairs))
    return blocks


def _verdict_table(verdicts: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[list[Value]] = [
        [
            one.get("words"),
            estimate(one, signed=True, key="difference"),
            real(one, "p"),
            real(one.get("mcnemar") or {}, "p"),
        ]
        for one in verdicts
    ]
    return Table(["verdict", "difference (95 % interval)", "p (bootstrap)", "p (McNemar)"], rows)


def _pair_table(pairs: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[list[Value]] = []
    for one in pairs:
        mcnemar = one.get("mcnemar") or {}
        rows.append(
            [
                f"{one.get('a')} against {one.get('b')}",
                estimate(one, signed=True, key="difference"),
                real(one, "p"),
                mcnemar.get("only_a"),
                mcnemar.get("only_b"),
                real(mcnemar, "p"),
                one.get("verdict"),
            ]
        )
    columns = ["a against b", "difference", "p (bootstrap)", "only a right", "only b right", "p (McNemar)", "verdict"]
    return Table(columns, rows, f"All {len(pairs)} pairs", folded=True)


def ablation_blocks(comparison: Comparison) -> list[Block]:
    values = {str(row.get("arm")): estimate(row["macro_f1"]) for row in comparison.rows}
    arms: dict[str, dict[str, str]] = {}
    for row in comparison.rows:
        arms.setdefault(str(row.get("model")), {})[str(row.get("withheld") or "")] = str(row.get("arm"))
    fusions = [(model, kinds) for model, kinds in arms.items() if "" in kinds and len(kinds) > 1]
    fusions.sort(key=lambda item: comparison.models.index(item[1][""]))
    if not fusions:
        return []
    table: list[list[Value]] = []
    points: list[tuple[str, list[float | None]]] = []
    for model, kinds in fusions:
        found = [values.get(kinds.get(part, "")) if part in kinds else None for part in ("", "image", "text")]
        table.append([model, *found])
        points.append((model, [one.value if one else None for one in found]))
    for single in ("text", "image"):
        if (one := values.get(single)) is not None:
            place = _BOTH.index("image withheld" if single == "text" else "text withheld")
            table.append([f"{single} (a model of its own)", *[one if i == place else None for i in range(3)]])
            points.append((f"{single} alone", [one.value if i == place else None for i in range(3)]))
    return [
        Paragraph(
            "Each fusion as it is, and with one modality withheld at prediction, without further training. A model "
            "that "
            "was trained on one modality alone stands below: that is what the other modality must beat."
        ),
        Figure(ablation_figure("ablation", points, _BOTH, x="macro-F1"), "Macro-F1 by what the model may read."),
        Table(["model", *_BOTH], table, "Macro-F1 with 95 % intervals"),
    ]


def label_blocks(comparison: Comparison, leaders: Sequence[str]) -> list[Block]:
    rows = [row for row in comparison.rows if row.get("per_class")]
    if not rows:
        return []
    whole, withheld = (
        [
            [row.get("arm"), *[estimate(row["per_class"].get(label), key="f1") for label in comparison.labels]]
            for row in rows
            if bool(row.get("withheld")) == kind
        ]
        for kind in (False, True)
    )
    columns = ["arm", *comparison.labels]
    tables = [Table(columns, whole, "F1 per label, with 95 % intervals")]
    if withheld:
        tables.append(Table(columns, withheld, "The same with a modality withheld", folded=True))
    figures: list[Figure] = []
    for row in rows:
        matrix = row.get("confusion") or []
        if row.get("arm") in leaders and len(matrix) == len(comparison.labels):
            svg = confusion_figure(f"confusion-{len(figures)}", matrix, comparison.labels)
            figures.append(Figure(svg, f"{row.get('arm')}: truth in the rows, mean over seeds."))
    return [*tables, Figures(figures)]
