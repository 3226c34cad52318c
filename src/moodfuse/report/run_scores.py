"""The scores of a run: as sentences, as tables, and with a modality withheld."""

from __future__ import annotations

from moodfuse.evaluate.names import METRIC_NAMES
from moodfuse.records.metrics import EstimatedScores
from moodfuse.records.run import Run
from moodfuse.report.document import Block, Estimate, Figure, Figures, Paragraph, Row, Table, Value
from moodfuse.report.estimates import run_estimates
from moodfuse.report.figures import bars_figure, confusion_figure, forest_figure


def verdict_lines(run: Run, test: EstimatedScores) -> list[str]:
    """Return sentences about the run's scores on the held-out posts or, without a test, on the validation posts."""
    found = run_estimates(test)
    accuracy = found["accuracy"]
    lines = [f"Macro-F1 {found['macro_f1']} and accuracy {accuracy} on {test.n:,} {run.scored_posts}."]
    support = {name: scores.support for name, scores in test.per_class.items()}
    if total := sum(support.values()):
        most = max(support, key=lambda name: support[name])
        share = support[most] / total
        above = accuracy.low is not None and accuracy.low > share
        reads = "the model does better" if above else "so few posts do not show that the model does better"
        lines.append(f"Always answering “{most}” would be right on {share:.3f} of them: {reads}.")
    if line := _weakest(test, found):
        lines.append(line)
    alone = [f"{scores.macro_f1:.3f} from the {m}" for m, scores in run.alone.items()]
    if alone:
        lines.append(f"Given one modality alone, the same model has macro-F1 {' and '.join(alone)}.")
    sure = [post.confidence for post in run.predictions if post.confidence is not None]
    if sure:
        gap = sum(sure) / len(sure) - test.accuracy
        which = (
            f"{abs(gap):.3f} too {'sure' if gap > 0 else 'unsure'}"
            if abs(gap) >= 0.005
            else "neither too sure nor too unsure"
        )
        lines.append(
            f"Its confidence is {test.calibration_error:.3f} off on average (calibration error); overall it is {which}."
        )
    return lines


def _weakest(test: EstimatedScores, found: dict[str, Estimate]) -> str:
    labels = list(test.per_class)
    if len(labels) < 2 or len(test.confusion) != len(labels):
        return ""
    weakest = min(labels, key=lambda name: test.per_class[name].f1)
    row = test.confusion[labels.index(weakest)]
    others = [count if i != labels.index(weakest) else -1 for i, count in enumerate(row)]
    most = max(others)
    return (
        f"Weakest on {weakest}: F1 {found[f'f1_{weakest}']}"
        f"{f'; {most:,} of its {sum(row):,} posts are taken for {labels[others.index(most)]}' if most > 0 else ''}."
    )


def score_blocks(test: EstimatedScores, posts: str) -> list[Block]:
    """Return a run's scores on posts that are called `posts`, over all posts and per label."""
    found, labels = run_estimates(test), list(test.per_class)
    overall: list[list[Value]] = [[name, found[metric]] for metric, name in METRIC_NAMES.items()]
    classes: list[list[Value]] = [
        [name, scores.precision, scores.recall, found[f"f1_{name}"], scores.support, f"{scores.support / test.n:.1%}"]
        for name, scores in test.per_class.items()
    ]
    blocks: list[Block] = [
        Table(["score", f"{posts} (95 % interval)"], overall),
        Table(["label", "precision", "recall", "F1 (95 % interval)", "posts", "share"], classes, "Per label"),
    ]
    figures = []
    if len(test.confusion) == len(labels):
        caption = "Rows are the true labels: counts, and shares of the row. Blue is right, orange is wrong."
        figures.append(Figure(confusion_figure("confusion", test.confusion, labels), caption))
    bars = bars_figure("per-class", labels, {"F1": [found[f"f1_{name}"] for name in labels]}, y="F1")
    figures.append(Figure(bars, "F1 per label, with 95 % intervals."))
    return [*blocks, Figures(figures)]


def ablation_blocks(run: Run) -> list[Block]:
    """Return the scores of the same model given one modality alone; nothing for a model of one modality."""
    if not run.alone:
        return []
    arms = [("text and image", run_estimates(run.test), 0)]
    arms += [
        (f"the {m} alone", run_estimates(run.alone[m]), i) for i, m in ((1, "text"), (2, "image")) if m in run.alone
    ]
    rows: list[list[Value]] = [[name, found["macro_f1"], found["accuracy"]] for name, found, _ in arms]
    forest = [(name, found["macro_f1"], kind) for name, found, kind in arms]
    return [
        Paragraph("The same model on the same posts with the other modality withheld, without further training."),
        Figure(forest_figure("ablation", forest, x="macro-F1"), "Macro-F1 by what the model may read, 95 % intervals."),
        Table(["given", "macro-F1 (95 % interval)", "accuracy (95 % interval)"], rows),
    ]


def score_rows(run: Run) -> list[Row]:
    """Return a run's scores as rows of a table: run, part, score, value, low, high, posts."""
    if run.metrics is None:
        return []
    parts = {"test": run.metrics.test, "test_text_only": run.metrics.test_text_only}
    parts |= {"test_image_only": run.metrics.test_image_only, "validation": run.metrics.validation}
    rows: list[Row] = []
    for part, scores in parts.items():
        for name, estimate in run_estimates(scores).items():
            row: Row = {"run": run.name, "part": part, "score": name, "value": estimate.value, "low": estimate.low}
            rows.append(row | {"high": estimate.high, "posts": scores.n if scores else None})
    return rows
