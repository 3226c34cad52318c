"""The report of a reproduction: what a course report said, what is found here, and why the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moodfuse.records.reproduction import ReproducedSystem, Reproduction, Submission
from moodfuse.report.document import (
    Block,
    Document,
    Facts,
    Figure,
    Figures,
    Heading,
    Notice,
    PageSection,
    Paragraph,
    Picture,
    Row,
    Table,
    Value,
    Verdicts,
    number,
)
from moodfuse.report.estimates import mean_estimate

_METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def reproduction_document(record: Reproduction, curves: Mapping[str, Sequence[Figure]], picture: str) -> Document:
    """Return the report; `curves` are figures by kind, `picture` is the SVG of the best fusion."""
    candidates: list[tuple[str, str, list[Block]]] = [
        ("summary", "In short", _summary(record)),
        ("scores", "Reported and found", [score_table(record)]),
        ("withheld", "One model, one modality", _withheld(record)),
        ("grid", "The grid", _points(record)),
        ("submission", "The unlabelled posts", _submission(record.submission)),
        ("curves", "Training", _curves(curves)),
        ("model", "The model", [Picture(picture, "The fusion that scored highest.")]),
        ("protocol", "Protocol", _protocol(record)),
    ]
    sections = [PageSection(id, title, blocks) for id, title, blocks in candidates if blocks]
    subtitle = f"over {record.encoders['text']} (text) and {record.encoders['image']} (image)"
    return Document("Reproduction", f"{record.report}, {record.title}", subtitle, sections, _rows(record))


def score_table(record: Reproduction) -> Table:
    """Return each system's scores in the report and here, where the report's lie, and its trap."""
    here = ["here, unseen posts", "here, posts that chose"] if record.unseen else ["here, posts that chose"]
    columns = ["system", "score", "reported", *here, "reported lies", "trap"]
    rows: list[list[Value]] = []
    for system in record.systems:
        for metric, name in _METRICS.items():
            first = metric == "accuracy"
            told: Value = system.reported.get(metric, system.said if first and system.said else None)
            found: list[Value] = [mean_estimate(system.found[metric])]
            found += [system.chosen_on.get(metric)] if record.unseen else []
            rows.append([system.name, name, told, *found, _lies(system, metric), system.trap if first else ""])
    posts = "tested posts" if record.unseen else "validation posts, which chose: no test scores"
    return Table(columns, rows, f"{record.tested:,} {posts}, 95 % intervals")


def _lies(system: ReproducedSystem, metric: str) -> str:
    """Return where the reported score lies beside the interval found here; empty if none is reported."""
    told, found = system.reported.get(metric), system.found[metric]
    if told is None:
        return ""
    if found.low <= told <= found.high:
        return "inside the interval"
    return f"{number(told - found.high)} above it" if told > found.high else f"{number(found.low - told)} below it"


def _summary(record: Reproduction) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(f"{record.about} Systems, rates and budget are the report's, its traps put right.")
    ]
    if record.headlines:
        blocks.append(Verdicts([f"{line}." for line in record.headlines]))
    if record.cut:
        blocks.append(Notice(f"Cut of the report's budget: {'; '.join(record.cut)}. The option --full cuts nothing."))
    if not record.finished:
        blocks.append(Notice("Not finished: run the same command again to continue."))
    if record.seeds == 1:
        blocks.append(
            Paragraph("One seed: the intervals are of other posts, not of another training; --full has both.")
        )
    return blocks


def _withheld(record: Reproduction) -> list[Block]:
    rows: list[list[Value]] = [
        [arm.name, *(mean_estimate(arm.found[metric]) for metric in _METRICS)] for arm in record.withheld
    ]
    return [Table(["model", *_METRICS.values()], rows, "Without further training")] if rows else []


def _points(record: Reproduction) -> list[Block]:
    rows: list[list[Value]] = [
        [
            point.system,
            ", ".join(f"{_called(key)} {value:g}" for key, value in point.settings.items()),
            point.score,
            f"{point.chosen} of {point.cells}",
        ]
        for point in record.points
    ]
    columns = ["system", "point", "validation score (mean)", "cells that chose it"]
    told = "Each cell tries every point and keeps the best on its validation posts"
    told += ", which it does not test on." if record.unseen else "."
    return [Paragraph(told), Table(columns, rows)] if rows else []


def _called(key: str) -> str:
    """Return the name of a grid's setting; of several that get the same value, of the first."""
    return key.partition("+")[0].rpartition(".")[2]


def _submission(submission: Submission | None) -> list[Block]:
    if submission is None:
        return []
    total = sum(submission.labels.values())
    rows: list[list[Value]] = [
        [label, count, f"{count / total:.1%}" if total else None] for label, count in submission.labels.items()
    ]
    return [
        Paragraph(f"submission.csv holds the answers of {submission.system} for {total:,} posts without a label."),
        Table(["label", "posts", "share"], rows),
    ]


def _curves(curves: Mapping[str, Sequence[Figure]]) -> list[Block]:
    blocks: list[Block] = []
    for kind, figures in curves.items():
        if figures:
            blocks += [Heading(kind.capitalize()), Figures(figures, small=True)]
    told = "Means over the cells: training is solid and blue, validation is dashed and orange. Files: curves/."
    return [Paragraph(told), *blocks] if blocks else []


def _protocol(record: Reproduction) -> list[Block]:
    facts: list[tuple[str, Value]] = [
        ("the report's split", record.split),
        ("here", record.split_here),
        ("posts", record.posts),
        ("seeds", record.seeds),
        ("changed beside the traps", "; ".join(record.changed) or None),
        ("the report is silent on, so the recipe's own value stands", "; ".join(record.silent) or None),
        ("budget", record.budget),
        ("made", record.made or None),
    ]
    return [Facts(facts)]


def _rows(record: Reproduction) -> list[Row]:
    return [
        {
            "report": record.report,
            "system": system.name,
            "score": metric,
            "reported": system.reported.get(metric),
            "here": system.found[metric].value,
            "low": system.found[metric].low,
            "high": system.found[metric].high,
            "chosen_on": system.chosen_on.get(metric),
            "trap": system.trap,
        }
        for system in record.systems
        for metric in _METRICS
    ]
