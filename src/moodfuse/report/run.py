"""The report of one run, from the files in its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from moodfuse.records.tolerant import column, real
from moodfuse.report.context import configuration_blocks, environment_blocks
from moodfuse.report.document import (
    Block,
    Card,
    Document,
    Facts,
    Figure,
    Figures,
    Gallery,
    Notice,
    Paragraph,
    Picture,
    Section,
    Table,
    Value,
    Verdicts,
)
from moodfuse.report.figures import (
    lines_figure,
    reliability_bins,
    reliability_figure,
)
from moodfuse.report.records import Run, score_rows
from moodfuse.report.run_scores import ablation_blocks, score_blocks, verdict_lines

#: How to read a reliability curve.
RELIABILITY = (
    "Accuracy over confidence in bins: the larger a point, the more posts. On the dashed line a model is as sure as it "
    "is right."
)
_STAGES = {"": "", "text": "stage of the text encoder", "image": "stage of the image encoder"}


@dataclass(frozen=True, slots=True)
class Extra:
    """What a run's folder does not hold and is handed in: posts to look at, a picture, or why there is none."""

    mistakes: Sequence[Card] = ()
    mistakes_note: str = ""
    picture: str | None = None
    picture_note: str = ""


def run_document(run: Run, extra: Extra) -> Document:
    """Return the report of a run."""
    sections = [
        Section("summary", "In short", _summary(run)),
        *([Section("scores", "Scores", score_blocks(run))] if run.test else []),
        *([Section("ablation", "What text and image are worth", blocks)] if (blocks := ablation_blocks(run)) else []),
        *([Section("training", "Training", training_blocks(run))] if any(run.histories.values()) else []),
        *([Section("calibration", "Calibration", _calibration(run))] if run.predictions else []),
        *([Section("mistakes", "Most confident mistakes", _mistakes(run, extra))] if run.predictions else []),
        Section("model", "The model", _model(run, extra)),
        Section("protocol", "Protocol and posts", _protocol(run)),
        Section("configuration", "Configuration", configuration_blocks(run.config)),
        Section("environment", "Environment", environment_blocks(run.environment)),
    ]
    training = run.metrics.get("training") or {}
    fusion = training.get("fusion") or (run.config.get("model") or {}).get("fusion", "?")
    encoders = [str((run.config.get("model") or {}).get(m, "?")) for m in ("text", "image")]
    subtitle = f"fusion {fusion} over {encoders[0]} (text) and {encoders[1]} (image)"
    return Document("Run", run.name, subtitle, sections, score_rows(run))


def _summary(run: Run) -> list[Block]:
    notices: list[Block] = [Notice(line) for line in run.missing]
    if not run.test:
        return [
            Verdicts(["This run has not ended: there is no score yet."]),
            Notice("Run the same `moodfuse train` command again to go on where it stopped."),
            *notices,
        ]
    protocol = run.metrics.get("protocol") or {}
    tested = (
        f"The scores are those of a {protocol.get('test', 'cross-validation of the recipe')}."
        if run.on_all
        else f"The {run.test.get('n')} test posts were {protocol.get('test', 'held out')}. The validation part "
        f"{protocol.get('validation', 'is no score to report')}."
    )
    intervals = f" Intervals: {protocol.get('intervals', '95 %')}."
    blocks: list[Block] = [Verdicts(verdict_lines(run)), Paragraph(tested + intervals)]
    if across := protocol.get("duplicate_groups_across"):
        blocks.append(
            Notice(
                f"{across} groups of near-duplicates stand on several sides of the split that was given: the scores "
                "are too good by what the model remembers of them."
            )
        )
    return blocks + notices


def training_blocks(run: Run, prefix: str = "") -> list[Block]:
    """Return loss and accuracy over the epochs, of the model and of the stages before it."""
    blocks: list[Block] = []
    training = run.metrics.get("training") or {}
    if best := training.get("best_epoch"):
        blocks.append(Paragraph(f"{_kept(run)} {training.get('parameters', 0):,} weights were trained."))
    for stage, rows in run.histories.items():
        epochs = [{**row, "epoch": str(int(real(row, "epoch") or 0) + 1)} for row in rows]  # the file counts from 0
        what = _STAGES.get(stage, f"stage {stage}")
        mark = float(best) if best and not stage and _members(run) == 1 else None
        figures = []
        for kind, y in (("loss", "loss"), ("accuracy", "accuracy")):
            lines = {
                "training": column(epochs, "epoch", f"train_{kind}"),
                "validation": column(epochs, "epoch", f"val_{kind}"),
            }
            if kind == "accuracy":
                lines["validation macro-F1"] = column(epochs, "epoch", "val_macro_f1")
            lines = {label: line for label, line in lines.items() if line[0]}
            if lines:
                name = f"{prefix}history-{stage}-{kind}"
                svg = lines_figure(name, lines, x="epoch", y=y, mark=mark, mark_label="kept", whole=True)
                figures.append(Figure(svg, f"{y.capitalize()} per epoch{': ' + what if what else ''}."))
        if figures:
            blocks.append(Figures(figures))
    return blocks


def _members(run: Run) -> int:
    return int((run.config.get("train") or {}).get("members", 1))


def _kept(run: Run) -> str:
    """Return which state of a training is the model's."""
    training = run.metrics.get("training") or {}
    monitor = str((run.config.get("train") or {}).get("monitor", "the validation score"))
    by = "the last" if monitor == "none" else f"the best by validation {monitor.replace('macro_f1', 'macro-F1')}"
    if (members := _members(run)) > 1:
        return f"The weights are the mean of {members} trainings, each at its epoch that is {by}."
    return f"Epoch {training.get('best_epoch')} of {training.get('epochs', '?')} was kept: {by}."


def _calibration(run: Run) -> list[Block]:
    rows = [(real(row, "confidence"), row.get("label") == row.get("predicted")) for row in run.predictions]
    sure = [(confidence, right) for confidence, right in rows if confidence is not None]
    bins = reliability_bins([confidence for confidence, _ in sure], [right for _, right in sure])
    blocks: list[Block] = []
    temperature = (run.metrics.get("bundle") or {}).get("temperature")
    fitted = (
        "all of these answers; the error is that of the cross-validation, whose temperatures were fitted on other posts"
        if run.on_all
        else "the validation posts"
    )
    if temperature is not None and run.test:
        blocks.append(
            Paragraph(
                f"The temperature, {temperature:.2f}, was fitted on {fitted}. On the test posts confidence and "
                f"accuracy differ by {run.test.get('calibration_error', 0):.3f} on average (expected calibration "
                "error, 15 bins)."
            )
        )
    review = run.metrics.get("review") or (run.metrics.get("validation") or {}).get("review") or {}
    if threshold := real(review, "threshold"):
        below = [right for confidence, right in sure if confidence < threshold]
        above = [right for confidence, right in sure if confidence >= threshold]
        kept: list[list[Value]] = [
            [name, len(part), sum(part) / len(part) if part else None]
            for name, part in ((f"below {threshold:.3f}: to be checked by hand", below), ("at or above", above))
        ]
        caption = f"The review threshold, set on {'these posts' if run.on_all else 'validation posts'}"
        blocks.append(Table(["confidence", "held-out posts", "accuracy"], kept, caption))
    svg = reliability_figure("reliability", {"held-out posts": bins})
    return [*blocks, Figure(svg, RELIABILITY)]


def _mistakes(run: Run, extra: Extra) -> list[Block]:
    wrong = run.wrong
    if not wrong:
        return [Paragraph(f"None of the {len(run.predictions):,} held-out posts is wrong.")]
    blocks: list[Block] = [
        Paragraph(f"{len(wrong):,} of {len(run.predictions):,} held-out posts are wrong; the surest first.")
    ]
    if extra.mistakes_note:
        blocks.append(Notice(extra.mistakes_note))
    if extra.mistakes:
        return [*blocks, Gallery(extra.mistakes)]
    table: list[list[Value]] = [
        [row.get("id"), row.get("label"), row.get("predicted"), real(row, "confidence"), row.get("status")]
        for row in wrong[:20]
    ]
    return [*blocks, Table(["id", "true", "predicted", "confidence", "status"], table)]


def _model(run: Run, extra: Extra) -> list[Block]:
    training, model = run.metrics.get("training") or {}, run.config.get("model") or {}
    parity = ((run.metrics.get("bundle") or {}).get("parity") or {}).get("probability")
    facts: list[tuple[str, Value]] = [
        ("fusion", model.get("fusion")),
        ("text encoder", model.get("text")),
        ("image encoder", model.get("image")),
        ("regime", training.get("regime") or (run.config.get("train") or {}).get("regime")),
        ("trained weights", training.get("parameters")),
        ("seed", run.config.get("seed")),
        ("largest difference, PyTorch to ONNX", f"{parity:.1e}" if parity is not None else None),
    ]
    blocks: list[Block] = [Facts(facts)]
    if extra.picture:
        blocks.append(Picture(extra.picture, "What the fusion reads, the layers that it runs, and what comes out."))
    elif extra.picture_note:
        blocks.append(Notice(extra.picture_note))
    return blocks


def _protocol(run: Run) -> list[Block]:
    protocol = run.metrics.get("protocol") or {}
    folds = run.split.get("folds") or {}
    origin = run.split.get("origin")
    facts: list[tuple[str, Value]] = [
        ("training posts", protocol.get("train")),
        ("validation posts", protocol.get("validate")),
        ("test posts", protocol.get("held_out")),
        ("posts in the split", len(folds) or None),
        ("split", "made: stratified, near-duplicates kept together" if origin == "made" else origin),
        ("split, SHA-256", str(run.split.get("sha256", "–"))[:16]),
    ]
    blocks: list[Block] = [Facts(facts)]
    status = Counter(name for row in run.predictions for name in (row.get("status") or "").split("|") if name)
    if status:
        table: list[list[Value]] = [
            [name, count] for name, count in sorted(status.items(), key=lambda x: (-x[1], x[0]))
        ]
        blocks.append(Table(["status", "test posts"], table, "What became of text and image on the way to the model"))
    return blocks
