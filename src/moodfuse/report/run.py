"""The report of a run, from the files in its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moodfuse.evaluate.calibration import reliability
from moodfuse.evaluate.names import metric_name
from moodfuse.records.run import Run
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
    PageSection,
    Paragraph,
    Picture,
    Table,
    Value,
    Verdicts,
)
from moodfuse.report.figures import RELIABILITY, Line, Scales, lines_figure, reliability_figure
from moodfuse.report.run_scores import ablation_blocks, score_blocks, score_rows, verdict_lines

_BINS = 10  # a held-out part has too few posts for the 15 bins of the calibration error
_STAGES = {"": "", "text": "stage of the text encoder", "image": "stage of the image encoder"}


@dataclass(frozen=True, slots=True)
class Extra:
    """Content that is not in a run's folder: mistakes as cards, a picture, or notes why they are missing."""

    mistakes: Sequence[Card] = ()
    mistakes_note: str = ""
    picture: str | None = None
    picture_note: str = ""


def run_document(run: Run, extra: Extra) -> Document:
    """Return the report of a run."""
    candidates: list[tuple[str, str, list[Block]]] = [
        ("summary", "In short", _summary(run)),
        ("scores", "Scores", score_blocks(run.scored, run.scored_posts) if run.scored else []),
        ("ablation", "What text and image are worth", ablation_blocks(run)),
        ("training", "Training", training_blocks(run) if any(run.histories.values()) else []),
        ("calibration", "Calibration", _calibration(run)),
        ("mistakes", "Most confident mistakes", _mistakes(run, extra)),
        ("model", "The model", _model(run, extra)),
        ("protocol", "Protocol and posts", _protocol(run)),
        ("configuration", "Configuration", configuration_blocks(run.config)),
        ("environment", "Environment", environment_blocks(run.environment)),
    ]
    sections = [PageSection(id, title, blocks) for id, title, blocks in candidates if blocks]
    fusion = run.metrics.training.fusion if run.metrics else run.config.fusion or "?"
    text, image = run.config.encoder("text") or "?", run.config.encoder("image") or "?"
    subtitle = f"fusion {fusion} over {text} (text) and {image} (image)"
    return Document("Run", run.name, subtitle, sections, score_rows(run))


def _summary(run: Run) -> list[Block]:
    notices: list[Block] = [Notice(line) for line in run.missing]
    if run.metrics is None:
        return [
            Verdicts(["This run has not ended: there is no score yet."]),
            Notice("Run the same `moodfuse train` command again to continue where it stopped."),
            *notices,
        ]
    scored, protocol = run.metrics.scored, run.metrics.protocol
    if run.on_all:
        tested = f"The scores are those of a {protocol.test}."
    elif run.test:
        chose = f"The validation part {protocol.validation or 'is no score to report'}."
        tested = f"The {scored.n} test posts were {protocol.test}. {chose}"
    else:
        tested = f"{protocol.test[0].upper()}{protocol.test[1:]}."
    intervals = f" Intervals: {protocol.intervals}."
    blocks: list[Block] = [Verdicts(verdict_lines(run, scored)), Paragraph(tested + intervals)]
    blocks += [Paragraph(f"{corpus.sentence()}.") for corpus in protocol.also_train]
    if across := protocol.duplicate_groups_across:
        blocks.append(
            Notice(
                f"{across} groups of near-duplicates are on several sides of the given split: the scores are too high, "
                "because the model has seen copies of posts."
            )
        )
    return blocks + notices


def training_blocks(run: Run, prefix: str = "") -> list[Block]:
    """Return loss and accuracy per epoch, of the model and of the stages before it."""
    blocks: list[Block] = []
    if run.metrics:
        trained = f"{run.metrics.training.parameters:,} weights were trained."
        blocks.append(Paragraph(f"{_kept(run)} {trained}"))
    for stage, rows in run.histories.items():
        what = _STAGES.get(stage, f"stage {stage}")
        kept = run.metrics.training.best_epoch if run.metrics and not stage and run.config.members == 1 else None
        figures = []
        for kind in ("loss", "accuracy"):
            lines = {"training": _line(rows, f"train_{kind}"), "validation": _line(rows, f"val_{kind}")}
            if kind == "accuracy":
                lines["validation macro-F1"] = _line(rows, "val_macro_f1")
            lines = {label: line for label, line in lines.items() if line[0]}
            if lines:
                name = f"{prefix}history-{stage}-{kind}"
                svg = lines_figure(name, lines, Scales("epoch", kind, whole=True), kept=kept)
                figures.append(
                    Figure(svg, f"{'Loss' if kind == 'loss' else 'Accuracy'} per epoch{f': {what}' if what else ''}.")
                )
        if figures:
            blocks.append(Figures(figures))
    return blocks


def _line(rows: Sequence[Mapping[str, float]], key: str) -> Line:
    """Return a column over the epochs, which count from 1 on the page but from 0 in the file."""
    points = [(1 + row["epoch"], row[key]) for row in rows if {"epoch", key} <= set(row)]
    return [epoch for epoch, _ in points], [value for _, value in points]


def _kept(run: Run) -> str:
    """Return a sentence about the epoch whose weights the model has."""
    monitor = run.config.monitor or "the validation score"
    by = "the last" if monitor == "none" else f"the best by validation {metric_name(monitor)}"
    if (members := run.config.members) > 1:
        return f"The weights are the mean of {members} trainings, each at its epoch that is {by}."
    best, epochs = (run.metrics.training.best_epoch, run.metrics.training.epochs) if run.metrics else ("?", "?")
    return f"Epoch {best} of {epochs} was kept: {by}."


def _calibration(run: Run) -> list[Block]:
    if not run.predictions:
        return []
    sure = [(post.confidence, post.right) for post in run.predictions if post.confidence is not None]
    bins = reliability([confidence for confidence, _ in sure], [right for _, right in sure], bins=_BINS)
    figure = Figure(reliability_figure("reliability", {run.scored_posts: bins}), RELIABILITY)
    return [*_temperature(run), *_review(run, sure), figure]


def _temperature(run: Run) -> list[Block]:
    if run.metrics is None:
        return []
    where = "test posts" if run.test else "same posts"
    fitted = (
        "all of these answers; the error is from the cross-validation, whose temperatures were fitted on other posts"
        if run.on_all
        else "the validation posts"
    )
    return [
        Paragraph(
            f"The temperature, {run.metrics.bundle.temperature:.2f}, was fitted on {fitted}. On the {where} "
            f"confidence and accuracy differ by {run.metrics.scored.calibration_error:.3f} on average (expected "
            "calibration error, 15 bins)."
        )
    ]


def _review(run: Run, sure: Sequence[tuple[float, bool]]) -> list[Block]:
    review = run.metrics.reviewed if run.metrics else None
    if review is None or not review.threshold:
        return []
    threshold = review.threshold
    below = [right for confidence, right in sure if confidence < threshold]
    above = [right for confidence, right in sure if confidence >= threshold]
    rows: list[list[Value]] = [
        [name, len(part), sum(part) / len(part) if part else None]
        for name, part in ((f"below {threshold:.3f}: to be checked by hand", below), ("at or above", above))
    ]
    caption = f"The review threshold, set on {'validation posts' if run.test and not run.on_all else 'these posts'}"
    return [Table(["confidence", run.scored_posts, "accuracy"], rows, caption)]


def _mistakes(run: Run, extra: Extra) -> list[Block]:
    if not run.predictions:
        return []
    wrong = run.wrong
    if not wrong:
        return [Paragraph(f"None of the {len(run.predictions):,} {run.scored_posts} is wrong.")]
    blocks: list[Block] = [
        Paragraph(
            f"{len(wrong):,} of {len(run.predictions):,} {run.scored_posts} are wrong; the most confident are first."
        )
    ]
    if extra.mistakes_note:
        blocks.append(Notice(extra.mistakes_note))
    if extra.mistakes:
        return [*blocks, Gallery(extra.mistakes)]
    table: list[list[Value]] = [
        [post.id, post.label, post.predicted, post.confidence, post.status] for post in wrong[:20]
    ]
    return [*blocks, Table(["id", "true", "predicted", "confidence", "status"], table)]


def _model(run: Run, extra: Extra) -> list[Block]:
    metrics, config = run.metrics, run.config
    parity = metrics.bundle.parity.get("probability") if metrics else None
    facts: list[tuple[str, Value]] = [
        ("fusion", config.fusion),
        ("text encoder", config.encoder("text")),
        ("image encoder", config.encoder("image")),
        ("regime", metrics.training.regime if metrics else config.regime),
        ("trained weights", metrics.training.parameters if metrics else None),
        ("seed", config.seed),
        ("largest difference, PyTorch to ONNX", f"{parity:.1e}" if parity is not None else None),
    ]
    blocks: list[Block] = [Facts(facts)]
    if extra.picture:
        blocks.append(Picture(extra.picture, "The inputs of the fusion, its layers, and its outputs."))
    elif extra.picture_note:
        blocks.append(Notice(extra.picture_note))
    return blocks


def _protocol(run: Run) -> list[Block]:
    protocol, split = run.metrics.protocol if run.metrics else None, run.split
    origin = split.origin if split else None
    facts: list[tuple[str, Value]] = [
        ("training posts", protocol.train if protocol else None),
        ("validation posts", protocol.validates if protocol else None),
        ("test posts", protocol.held_out if protocol else None),
        ("posts in the split", len(split.folds) if split else None),
        ("split", "made: stratified, near-duplicates kept together" if origin == "made" else origin),
        ("split, SHA-256", split.sha256[:16] if split else None),
    ]
    blocks: list[Block] = [Facts(facts)]
    status = Counter(name for post in run.predictions for name in post.status.split("|") if name)
    if status:
        table: list[list[Value]] = [
            [name, count] for name, count in sorted(status.items(), key=lambda x: (-x[1], x[0]))
        ]
        blocks.append(
            Table(
                ["status", "test posts" if run.test else run.scored_posts],
                table,
                "How text and image were read and prepared",
            )
        )
    return blocks
