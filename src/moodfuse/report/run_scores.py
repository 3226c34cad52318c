"""The scores of a run: in words, in tables, and what they are with a modality withheld."""

from __future__ import annotations

from moodfuse.records.tolerant import real
from moodfuse.report.document import Block, Estimate, Figure, Figures, Paragraph, Table, Value
from moodfuse.report.figures import bars_figure, confusion_figure, forest_figure
from moodfuse.report.records import Run, estimates


def verdict_lines(run: Run) -> list[str]:
    """Return what the run's scores say, in sentences."""
    found = estimates(run.test)
    accuracy, macro = found["accuracy"], found["macro_f1"]
    posts = run.test.get("n", len(run.predictions))
    lines = [f"Macro-F1 {macro} and accuracy {accuracy} on {posts:,} held-out posts."]
    support = {name: one.get("support", 0) for name, one in (run.test.get("per_class") or {}).items()}
    if support and (total := sum(support.values())):
        most = max(support, key=lambda name: support[name])
        share = support[most] / total
        above = accuracy.low is not None and accuracy.low > share
        reads = "the model does better" if above else "that the model does better is not shown on so few posts"
        lines.append(f"Always answering “{most}” would be right on {share:.3f} of them: {reads}.")
    if line := _weakest(run, found):
        lines.append(line)
    alone = [f"{estimates(scores)['macro_f1'].value:.3f} from the {m}" for m, scores in run.alone.items()]
    if alone:
        lines.append(f"Given one modality alone, the same model has macro-F1 {' and '.join(alone)}.")
    sure = [value for row in run.predictions if (value := real(row, "confidence")) is not None]
    if sure and (error := run.test.get("calibration_error")) is not None:
        gap = sum(sure) / len(sure) - accuracy.value
        which = (
            f"{abs(gap):.3f} too {'sure' if gap > 0 else 'unsure'}"
            if abs(gap) >= 0.005
            else "neither too sure nor too unsure"
        )
        lines.append(f"Its confidence is {error:.3f} off on average (calibration error); on the whole it is {which}.")
    return lines


def _weakest(run: Run, found: dict[str, Estimate]) -> str:
    labels, matrix = run.labels, run.test.get("confusion") or []
    if len(labels) < 2 or len(matrix) != len(labels):
        return ""
    weakest = min(labels, key=lambda name: found[f"f1_{name}"].value)
    row = list(matrix[labels.index(weakest)])
    line = f"Weakest on {weakest}: F1 {found[f'f1_{weakest}']}"
    others = [count if i != labels.index(weakest) else -1 for i, count in enumerate(row)]
    if max(others) > 0:
        taken = labels[others.index(max(others))]
        line += f"; {max(others):,} of its {sum(row):,} posts are taken for {taken}"
    return line + "."


def score_blocks(run: Run) -> list[Block]:
    found = estimates(run.test)
    names = {"accuracy": "accuracy", "macro_f1": "macro-F1", "weighted_f1": "weighted F1"}
    overall: list[list[Value]] = [[names[name], one] for name, one in found.items() if name in names]
    classes: list[list[Value]] = [
        [name, real(one, "precision"), real(one, "recall"), found.get(f"f1_{name}"), one.get("support")]
        for name, one in (run.test.get("per_class") or {}).items()
    ]
    blocks: list[Block] = [
        Table(["score", "held-out posts (95 % interval)"], overall),
        Table(["label", "precision", "recall", "F1 (95 % interval)", "posts"], classes, "Per label"),
    ]
    figures = []
    if (matrix := run.test.get("confusion")) and len(matrix) == len(run.labels):
        caption = "Truth in the rows: counts, and the share of the row. Blue is right, orange is wrong."
        figures.append(Figure(confusion_figure("confusion", matrix, run.labels), caption))
    bars = bars_figure("per-class", run.labels, {"F1": [found.get(f"f1_{name}") for name in run.labels]}, y="F1")
    figures.append(Figure(bars, "F1 per label, with 95 % intervals."))
    return [*blocks, Figures(figures)]


def ablation_blocks(run: Run) -> list[Block]:
    """Return the scores of the same model given one modality alone; nothing where it reads but one."""
    if not run.alone:
        return []
    arms = [("text and image", estimates(run.test), 0)]
    arms += [(f"the {m} alone", estimates(run.alone[m]), i) for i, m in ((1, "text"), (2, "image")) if m in run.alone]
    rows: list[list[Value]] = [[name, found.get("macro_f1"), found.get("accuracy")] for name, found, _ in arms]
    forest = [(name, found["macro_f1"], kind) for name, found, kind in arms if "macro_f1" in found]
    return [
        Paragraph("The same model on the same posts with the other modality withheld, without further training."),
        Figure(forest_figure("ablation", forest, x="macro-F1"), "Macro-F1 by what the model may read, 95 % intervals."),
        Table(["given", "macro-F1 (95 % interval)", "accuracy (95 % interval)"], rows),
    ]
