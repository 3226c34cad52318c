"""The report of a comparison, from `comparison.json`, `results.json` and the cells (docs/comparison.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moodfuse.report import comparison_curves as curves
from moodfuse.report.comparison_records import Comparison, comparison_rows, leading_models
from moodfuse.report.comparison_scores import ablation_blocks, label_blocks, score_blocks, verdict_blocks
from moodfuse.report.context import configuration_blocks, environment_blocks
from moodfuse.report.document import (
    Block,
    Document,
    Facts,
    Listing,
    Notice,
    Paragraph,
    Section,
    Value,
    Verdicts,
    shown,
)


def comparison_document(comparison: Comparison) -> Document:
    """Return the report of a comparison."""
    results = comparison.results
    arms, leaders = [str(row.get("arm")) for row in comparison.rows], leading_models(comparison)
    candidates: list[tuple[str, str, list[Block]]] = [
        ("summary", "In short", _summary(comparison)),
        ("scores", "Scores", score_blocks(comparison)),
        ("verdicts", "What beats what", verdict_blocks(comparison)),
        ("ablation", "What text and image are worth", ablation_blocks(comparison)),
        ("labels", "Per label", label_blocks(comparison, leaders)),
        ("calibration", "Calibration", curves.calibration_blocks(results, arms, leaders)),
        ("robustness", "Robustness", curves.robustness_blocks(results, leaders)),
        ("cost", "Cost", curves.cost_blocks(results, comparison.models)),
        ("training", "Training", curves.training_blocks(comparison.cells, comparison.models)),
        ("protocol", "Protocol and posts", _protocol(comparison)),
        ("configuration", "Configuration", _configuration(comparison)),
        ("environment", "Environment", environment_blocks(comparison.plan.get("environment") or {})),
    ]
    sections = [Section(id, title, blocks) for id, title, blocks in candidates if blocks]
    seeds, folds = len(comparison.plan.get("seeds") or []), comparison.plan.get("folds")
    subtitle = (
        f"{len(comparison.plan.get('models') or [])} models, {_count(seeds, 'seed')} × {folds} folds of the same split"
    )
    return Document("Comparison", comparison.name, subtitle, sections, comparison_rows(comparison))


def _summary(comparison: Comparison) -> list[Block]:
    results = comparison.results
    blocks: list[Block] = []
    if headlines := results.get("headlines"):
        blocks.append(Verdicts([_sentence(str(line)) for line in headlines]))
    elif not comparison.rows:
        blocks.append(Verdicts(["No model has been through all its folds yet: there is nothing to compare."]))
    cells = results.get("cells") or {}
    done = cells.get("done", sum(map(len, comparison.cells.values())))
    wanted = cells.get("wanted", "?")
    if not results.get("finished"):
        blocks.append(
            Notice(
                f"Not finished: {done} of {wanted} cells are there. What stands below is about those; run the same "
                "`moodfuse compare` command again to go on."
            )
        )
    blocks += [Notice(line) for line in comparison.missing]
    if comparison.rows:
        test = results.get("test") or {}
        blocks.append(
            Paragraph(
                f"Every score is about posts that the model never saw: {shown(results.get('posts'))} posts in "
                f"{shown(results.get('groups'))} groups of near-duplicates, the same folds for all. Intervals are "
                "95 %, from a bootstrap over the groups; differences are tested on the same posts, Holm-corrected over "
                f"{test.get('comparisons', 'all')} comparisons."
            )
        )
    return blocks + [Paragraph(_sentence(str(note))) for note in results.get("notes") or []]


def _protocol(comparison: Comparison) -> list[Block]:
    plan, data = comparison.plan, comparison.plan.get("data") or {}
    facts: list[tuple[str, Value]] = [
        ("posts", data.get("posts")),
        *[(f"posts labelled {label}", count) for label, count in (data.get("classes") or {}).items()],
        ("unlabelled, left out", data.get("unlabelled")),
        ("groups of near-duplicates", comparison.results.get("groups")),
        ("folds", plan.get("folds")),
        ("seeds", ", ".join(map(str, plan.get("seeds") or []))),
        ("search trials a cell", plan.get("trials")),
        ("posts, SHA-256", str(data.get("sha256", "–"))[:16]),
        ("made", str(plan.get("created", "–"))[:10]),
    ]
    tuned = (
        "each fusion tuned by as many trials inside its training folds"
        if plan.get("trials")
        else "each fusion at its recipe's values"
    )
    return [
        Paragraph(
            "One split of ten folds, stratified, with near-duplicates kept together, fixed before anything was "
            "fitted. A "
            f"cell tests on two folds, {_choosing(plan)}; {tuned}. Test folds are predicted once."
        ),
        Facts(facts),
    ]


def _choosing(plan: Mapping[str, Any]) -> str:
    """Return what becomes of the eight folds of a cell that it does not test on."""
    trains = [(model.get("config") or {}).get("train") or {} for model in plan.get("models") or []]
    fixed = [not plan.get("trials") and train.get("monitor") == "none" for train in trains]
    if fixed and all(fixed):
        return "trains on the other eight and has its temperature from the other cells' answers"
    words = "chooses its epoch and temperature on a third and trains on the other seven"
    if any(fixed):
        words += (
            " (a model that chooses no epoch trains on eight, and has its temperature from the other cells' answers)"
        )
    return words


def _configuration(comparison: Comparison) -> list[Block]:
    blocks: list[Block] = []
    for model in comparison.plan.get("models") or []:
        for block in configuration_blocks(model.get("config") or {}):
            if isinstance(block, Listing):
                blocks.append(Listing(f"{model.get('name')}: {block.title.lower()}", block.text))
    return blocks or [Notice("No configuration is on disk.")]


def _sentence(line: str) -> str:
    start = "The " if line.startswith("the ") else line[:4]  # a model is called what it is called, first word or not
    return start + line[4:] + ("" if line.endswith((".", "!", "?")) else ".")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
