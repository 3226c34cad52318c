"""The report of a comparison, from `comparison.json`, `results.json` and the cells (docs/comparison.md)."""

from __future__ import annotations

from moodfuse.records.comparison import Comparison
from moodfuse.records.plan import ComparisonPlan
from moodfuse.records.results import ComparisonResults
from moodfuse.report import comparison_curves as curves
from moodfuse.report.comparison_scores import ablation_blocks, label_blocks, score_blocks, verdict_blocks
from moodfuse.report.context import configuration_blocks, environment_blocks
from moodfuse.report.document import (
    Block,
    Document,
    Facts,
    Listing,
    Notice,
    PageSection,
    Paragraph,
    Row,
    Value,
    Verdicts,
)


def comparison_document(comparison: Comparison) -> Document:
    """Return the report of a comparison."""
    results, leaders = comparison.results, leading_models(comparison)
    candidates: list[tuple[str, str, list[Block]]] = [("summary", "In short", _summary(comparison))]
    if results:
        arms = [row.arm for row in comparison.rows]
        candidates += [
            ("scores", "Scores", score_blocks(comparison.rows, results.best)),
            ("verdicts", "What beats what", verdict_blocks(results)),
            ("ablation", "What text and image are worth", ablation_blocks(comparison.rows, comparison.models)),
            ("labels", "Per label", label_blocks(comparison.rows, comparison.labels, leaders)),
            ("calibration", "Calibration", curves.calibration_blocks(results.calibration, arms, leaders)),
            ("robustness", "Robustness", curves.robustness_blocks(results.robustness, leaders)),
            ("cost", "Cost", curves.cost_blocks(results.cost, comparison.rows)),
        ]
    candidates.append(("training", "Training", curves.training_blocks(comparison)))
    if comparison.plan:
        candidates += [
            ("protocol", "Protocol and posts", [*_protocol(comparison.plan, results), *_judge(comparison.plan)]),
            ("configuration", "Configuration", _configuration(comparison.plan)),
            ("environment", "Environment", environment_blocks(comparison.plan.environment)),
        ]
    sections = [PageSection(id, title, blocks) for id, title, blocks in candidates if blocks]
    return Document("Comparison", comparison.name, _subtitle(comparison.plan), sections, comparison_rows(comparison))


def leading_models(comparison: Comparison) -> list[str]:
    """Return the models that the detailed figures show: the best four, text alone and image alone."""
    return [name for i, name in enumerate(comparison.models) if i < 4 or name in ("text", "image")]


def comparison_rows(comparison: Comparison) -> list[Row]:
    """Return a row for each score of each arm: value, interval, standard deviations."""
    rows: list[Row] = []
    for row in comparison.rows:
        arm: Row = {"arm": row.arm, "model": row.model, "reads": row.reads, "withheld": row.withheld}
        for name, mean in row.overall().items():
            score: Row = {"score": name, "value": mean.value, "low": mean.low, "high": mean.high}
            rows.append(arm | score | {"sd_seeds": mean.sd_seeds, "sd_cells": mean.sd_cells})
        for label, f1 in row.per_class.items():
            score = {"score": f"f1_{label}", "value": f1.f1, "low": f1.low, "high": f1.high}
            rows.append(arm | score | {"sd_seeds": None, "sd_cells": None})
    return rows


def _subtitle(plan: ComparisonPlan | None) -> str:
    if plan is None:
        return "the plan of the comparison is not on disk"
    seeds = _count(len(plan.seeds), "seed")
    return f"{len(plan.models)} models, {seeds} × {plan.folds} folds of the same split"


def _summary(comparison: Comparison) -> list[Block]:
    results = comparison.results
    blocks: list[Block] = []
    if results and results.headlines:
        blocks.append(Verdicts([_sentence(line) for line in results.headlines]))
    elif not comparison.rows:
        blocks.append(Verdicts(["No model has finished all its folds yet: there is nothing to compare."]))
    if results is None or not results.finished:
        done = results.cells.done if results else sum(map(len, comparison.cells.values()))
        wanted = results.cells.wanted if results else "?"
        blocks.append(
            Notice(
                f"Not finished: {done} of {wanted} cells are done, and this report is about those; run the same "
                "`moodfuse compare` command again to continue."
            )
        )
    blocks += [Notice(line) for line in comparison.missing]
    if results is None:
        return blocks
    if comparison.rows:
        only = comparison.plan is not None and comparison.plan.validates_only
        seen = "the posts that chose the model's epoch" if only else "posts that the model never saw"
        blocks.append(
            Paragraph(
                f"Every score is on {seen}{_but_judge(comparison.plan)}: "
                f"{results.posts:,} posts in {results.groups:,} "
                "groups of near-duplicates, the same folds for all models. Intervals are 95 %, from a bootstrap over "
                "the groups; differences are tested on the same posts, Holm-corrected for "
                f"{results.test.comparisons} comparisons."
            )
        )
    return blocks + [Paragraph(_sentence(note)) for note in results.notes]


def _protocol(plan: ComparisonPlan, results: ComparisonResults | None) -> list[Block]:
    posts = plan.data
    facts: list[tuple[str, Value]] = [
        ("posts", posts.posts),
        *[(f"posts labelled {label}", f"{n:,} ({n / (posts.posts or 1):.1%})") for label, n in posts.classes.items()],
        ("unlabelled, left out", posts.unlabelled),
        ("groups of near-duplicates", results.groups if results else None),
        ("folds", plan.folds),
        ("seeds", ", ".join(map(str, plan.seeds))),
        ("search trials per cell", plan.trials),
        ("posts, SHA-256", posts.sha256[:16]),
        ("made", plan.created[:10] or None),
    ]
    tuned = (
        "each fusion is tuned by the same number of trials inside its training folds"
        if plan.trials
        else "each fusion uses its recipe's values"
    )
    fixed = "with near-duplicates kept together, was fixed before anything was fitted"
    if plan.validates_only:
        words = f"One stratified split, {fixed}. Some posts validate, none tests; {tuned}."
    else:
        split = f"One stratified split of {'ten' if plan.cell_count == 5 else 2 * plan.cell_count} folds, {fixed}."
        words = f"{split} A cell tests on two folds, {_choosing(plan)}; {tuned}. Test folds are predicted once."
    return [Paragraph(words), Facts(facts)]


def _but_judge(plan: ComparisonPlan | None) -> str:
    return f" (of {plan.judge.name} nobody can say so)" if plan and plan.judge else ""


def _judge(plan: ComparisonPlan) -> list[Block]:
    """Return what a judge was asked, and by whom it is answered."""
    if plan.judge is None:
        return []
    facts: list[tuple[str, Value]] = [
        ("judge", plan.judge.name),
        ("endpoint", plan.judge.url),
        ("model", plan.judge.model),
        ("images, pixels a side at most", plan.judge.side),
    ]
    return [Facts(facts), Listing("What the judge is told", plan.judge.instruction)]


def _choosing(plan: ComparisonPlan) -> str:
    """Return how a cell uses the folds that it does not test on."""
    ten, rest = plan.cell_count == 5, 2 * plan.cell_count - 2
    fixed = [not plan.trials and model.config.monitor == "none" for model in plan.models]
    if fixed and all(fixed):
        return f"trains on the other {'eight' if ten else rest} and takes its temperature from the other cells' answers"
    words = f"chooses its epoch and temperature on a third and trains on the other {'seven' if ten else rest - 1}"
    if any(fixed):
        words += (
            f" (a model that chooses no epoch trains on {'eight' if ten else rest}, and takes its temperature from the "
            "other cells' answers)"
        )
    return words


def _configuration(plan: ComparisonPlan) -> list[Block]:
    blocks: list[Block] = []
    for model in plan.models:
        for block in configuration_blocks(model.config):
            if isinstance(block, Listing):
                blocks.append(Listing(f"{model.name}: {block.title.lower()}", block.text))
    return blocks or [Notice("No configuration is on disk.")]


def _sentence(line: str) -> str:
    start = "The " if line.startswith("the ") else line[:4]  # a model's name is never capitalised
    return start + line[4:] + ("" if line.endswith((".", "!", "?")) else ".")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
