"""Two runs side by side, and a paired test if both were tested on the same posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from moodfuse.evaluate.intervals import McNemar, PairedDifference, mcnemar, paired_bootstrap
from moodfuse.evaluate.names import metric_name
from moodfuse.labels import Labels
from moodfuse.records.environment import Environment
from moodfuse.records.metrics import EstimatedScores
from moodfuse.records.run import Run
from moodfuse.report.document import (
    Block,
    Document,
    Estimate,
    Figure,
    Figures,
    Notice,
    PageSection,
    Paragraph,
    Table,
    Value,
    Verdicts,
)
from moodfuse.report.estimates import run_estimates
from moodfuse.report.figures import confusion_figure, forest_figure
from moodfuse.report.run import training_blocks
from moodfuse.report.run_scores import score_rows

_LEVEL = 0.05
_TESTED = ("macro_f1", "accuracy")


@dataclass(frozen=True, slots=True)
class PairTest:
    """The paired tests of two runs on the same posts, and how often each run is right."""

    differences: Mapping[str, PairedDifference]
    mcnemar: McNemar
    both_right: int
    both_wrong: int
    grouped: bool


def why_not_paired(a: Run, b: Run) -> str:
    """Return why there is no paired test of two runs, or an empty text if there can be a test."""
    for run in (a, b):
        if not run.predictions or not run.test:
            return f"No paired test: {run.name} has no scores yet."
    truth_a, truth_b = ({post.id: post.label for post in run.predictions} for run in (a, b))
    if truth_a == truth_b:
        return ""
    if set(truth_a) != set(truth_b):
        both = len(set(truth_a) & set(truth_b))
        return (
            f"No paired test: the two runs were tested on different posts ({both:,} of {len(truth_a):,} and "
            f"{len(truth_b):,} are the same); train both on the same split (--split RUN/split.json) to compare them."
        )
    return "No paired test: the two runs hold different labels for the same posts."


def compare_pair(a: Run, b: Run, groups: Mapping[str, int] | None) -> PairTest:
    """Test two runs on the same posts; `groups` maps each id to its near-duplicates (`None`: posts are independent)."""
    labels = Labels(tuple(a.labels))
    said = {post.id: post.predicted for post in b.predictions}
    ids = [post.id for post in a.predictions]
    true = np.array([labels.id(post.label) for post in a.predictions])
    first = np.array([labels.id(post.predicted) for post in a.predictions])
    second = np.array([labels.id(said[id]) for id in ids])
    group = [groups[id] for id in ids] if groups else None
    differences = paired_bootstrap(true, first, second, labels=labels, groups=group)
    right_a, right_b = first == true, second == true
    return PairTest(
        {metric: differences[metric] for metric in _TESTED},
        mcnemar(true, first, second, labels=labels),
        int(np.sum(right_a & right_b)),
        int(np.sum(~right_a & ~right_b)),
        groups is not None,
    )


def pair_document(a: Run, b: Run, test: PairTest | None, refusal: str) -> Document:
    """Return the report of two runs; `refusal` says why there is no test."""
    names = _names(a, b)
    sections = [
        PageSection("summary", "In short", _summary(a, b, names, test, refusal)),
        PageSection("scores", "Side by side", _scores(a, b, names)),
        *([PageSection("test", "On the same posts", _tested(names, test))] if test else []),
        PageSection("configuration", "What differs", _differences(a, b, names)),
        *[
            PageSection(f"training-{key}", f"Training of {name}", training_blocks(run, prefix=f"{key}-"))
            for key, name, run in zip("ab", names, (a, b), strict=True)
            if any(run.histories.values())
        ],
    ]
    rows = [row | {"run": name} for name, run in zip(names, (a, b), strict=True) for row in score_rows(run)]
    return Document("Two runs", " and ".join(names), "two runs, from the files in their folders", sections, rows)


def _names(a: Run, b: Run) -> tuple[str, str]:
    if a.name != b.name:
        return a.name, b.name
    return tuple(f"{run.path.resolve().parent.name}/{run.name}" for run in (a, b))  # type: ignore[return-value]


def _summary(a: Run, b: Run, names: tuple[str, str], test: PairTest | None, refusal: str) -> list[Block]:
    lines = [verdict(names, test)] if test else []
    for name, run in zip(names, (a, b), strict=True):
        if run.test:
            found = run_estimates(run.test)
            lines.append(f"{name}: macro-F1 {found['macro_f1']}, accuracy {found['accuracy']}, {run.test.n} posts.")
        else:
            lines.append(f"{name} has not ended: there is no score yet.")
    blocks: list[Block] = [Verdicts(lines)]
    blocks += [Notice(refusal)] if refusal else []
    if test and not test.grouped:
        blocks.append(
            Notice(
                "The posts were not found, so each counts as independent of the others; if there are near-duplicates "
                "among them, the intervals are too narrow. Give the folder of the posts with --data."
            )
        )
    blocks += [Notice(f"{name}: {line}") for name, run in zip(names, (a, b), strict=True) for line in run.missing]
    return blocks


def verdict(names: tuple[str, str], test: PairTest) -> str:
    """Return a sentence: which run is better by macro-F1, or that no difference is shown."""
    paired = test.differences["macro_f1"]
    if paired.p_value >= _LEVEL:
        ends = " to ".join(f"{100 * value:+.1f}".replace("-", "−") for value in (paired.low, paired.high))
        return f"{names[0]} and {names[1]} cannot be told apart here (difference in macro-F1: {ends} points)."
    winner, loser = names if paired.difference > 0 else names[::-1]
    low, high = sorted((100 * abs(paired.low), 100 * abs(paired.high)))
    return f"{winner} beats {loser} by {100 * abs(paired.difference):.1f} points macro-F1 ({low:.1f} to {high:.1f})."


def _scores(a: Run, b: Run, names: tuple[str, str]) -> list[Block]:
    found = [run_estimates(run.test) for run in (a, b)]
    keys = list(dict.fromkeys([*found[0], *found[1]]))
    rows: list[list[Value]] = [[metric_name(key), found[0].get(key), found[1].get(key)] for key in keys]
    forest = [
        (f"{names[i]}, {metric_name(key)}", estimate, i)
        for key in keys
        for i in (0, 1)
        if (estimate := found[i].get(key))
    ]
    blocks: list[Block] = []
    if forest:
        caption = f"Each run's scores with 95 % intervals: ● {names[0]}, ■ {names[1]}."
        blocks = [Table(["score", *names], rows), Figure(forest_figure("forest", forest, x="score"), caption)]
    figures = [
        _confusion(f"confusion-{i}", names[i], run.test)
        for i, run in enumerate((a, b))
        if run.test and len(run.test.confusion) == len(run.test.per_class) > 0
    ]
    return [*blocks, Figures(figures)] if figures else blocks


def _confusion(id: str, name: str, test: EstimatedScores) -> Figure:
    return Figure(confusion_figure(id, test.confusion, list(test.per_class)), f"{name}: rows are the true labels.")


def _tested(names: tuple[str, str], test: PairTest) -> list[Block]:
    rows: list[list[Value]] = [
        [metric_name(metric), Estimate(paired.difference, paired.low, paired.high, signed=True), paired.p_value]
        for metric, paired in test.differences.items()
    ]
    counts: list[list[Value]] = [
        ["both right", test.both_right],
        [f"only {names[0]} right", test.mcnemar.only_a],
        [f"only {names[1]} right", test.mcnemar.only_b],
        ["both wrong", test.both_wrong],
    ]
    how = "groups of near-duplicates" if test.grouped else "single posts"
    return [
        Paragraph(f"Paired bootstrap over {how}, 2,000 resamples; the difference is {names[0]} minus {names[1]}."),
        Table(["score", "difference (95 % interval)", "p"], rows),
        Table(["who is right", "posts"], counts, f"McNemar's exact test: p = {test.mcnemar.p_value:.3f}"),
    ]


def _differences(a: Run, b: Run, names: tuple[str, str]) -> list[Block]:
    first, second = a.config.flat(), b.config.flat()
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    rows: list[Sequence[Value]] = [[key, _setting(first.get(key)), _setting(second.get(key))] for key in keys]
    made = [run.environment or Environment() for run in (a, b)]
    for title, values in (
        ("posts, SHA-256", [environment.data_sha256 for environment in made]),
        ("moodfuse", [environment.moodfuse for environment in made]),
        ("source revision", [environment.git for environment in made]),
    ):
        if values[0] != values[1]:
            rows.append([title, *((value or "–")[:16] for value in values)])
    if not rows:
        return [Paragraph("Nothing: the configurations are the same.")]
    return [Table(["setting", *names], rows)]


def _setting(value: JsonValue) -> str:
    return "–" if value is None else str(value)
