"""The report of a search: what was tried, what it scored, which settings matter, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodfuse.records.tolerant import Folder, flat, real
from moodfuse.report.context import configuration_blocks, environment_blocks
from moodfuse.report.document import (
    Block,
    Document,
    Figure,
    Figures,
    Notice,
    Paragraph,
    Section,
    Table,
    Value,
    Verdicts,
    number,
)
from moodfuse.report.figures import importance_figure, search_figure

_NOT_SETTINGS = {"number", "state", "score", "epochs", "seconds", "best"}
_MONITORS = {"macro_f1": "validation macro-F1", "accuracy": "validation accuracy", "loss": "validation loss, negated"}


@dataclass(frozen=True, slots=True)
class Search:
    """What is on disk of a search; empty where it is not there (yet)."""

    path: Path
    summary: dict[str, Any]
    trials: list[dict[str, str]]
    plan: dict[str, Any]
    missing: list[str]

    @property
    def monitor(self) -> str:
        return _MONITORS.get(str(self.summary.get("monitor")), "validation score")


def is_search(folder: Path) -> bool:
    """Say whether `folder` is a search, finished or not."""
    return any((folder / name).is_file() for name in ("search.json", "trials.csv", "study.db"))


def read_search(path: Path) -> Search:
    """Read what is there of a search's folder; what is not whole is told in `missing`."""
    folder = Folder(path)
    summary = folder.json("search.json", "the result of the search")
    trials = folder.rows("trials.csv", "the trials")
    return Search(path, summary, trials, folder.json("plan.json"), folder.missing)


def search_document(search: Search) -> Document:
    """Return the report of a search."""
    config = search.summary.get("config") or search.plan.get("config") or {}
    candidates: list[tuple[str, str, list[Block]]] = [
        ("summary", "In short", _summary(search)),
        ("history", "Trials", _history(search)),
        ("best", "What was found", _found(search, config)),
        ("configuration", "Configuration searched from", configuration_blocks(config)),
        ("environment", "Environment", environment_blocks(search.plan.get("environment") or {})),
    ]
    sections = [Section(id, title, blocks) for id, title, blocks in candidates if blocks]
    fusion = (config.get("model") or {}).get("fusion", "?")
    rows: list[dict[str, Any]] = [dict(row) for row in search.trials]
    return Document("Search", search.path.resolve().name, f"settings for {fusion}", sections, rows)


def _scored(search: Search) -> list[tuple[dict[str, str], float]]:
    scores = [(row, real(row, "score")) for row in search.trials]
    return sorted(((row, score) for row, score in scores if score is not None), key=lambda one: -one[1])


def _summary(search: Search) -> list[Block]:
    scored = _scored(search)
    trials = search.summary.get("trials") or {}
    ended, wanted = trials.get("ended", len(search.trials)), trials.get("wanted")
    lines = []
    if scored:
        (best, score), first = scored[0], next((s for row, s in scored if row.get("number") == "0"), None)
        lines.append(f"Trial {best.get('number')} is the best of {ended}: {search.monitor} {number(score)}.")
        if first is not None:
            gained = f"{number(score - first, signed=True)} over the recipe's own values ({number(first)})"
            lines.append(f"That is {gained}.")
    importances = search.summary.get("importances") or {}
    if importances:
        most = max(importances, key=lambda key: float(importances[key]))
        share = 100 * float(importances[most])
        lines.append(f"{most} mattered most: {share:.0f} % of the differences between trials.")
    blocks: list[Block] = [Verdicts(lines or ["No trial has ended yet: there is nothing to report."])]
    if scored:
        blocks.append(
            Paragraph(
                "These are scores on the validation posts that the search chose by: the best of many is too good. "
                "The test "
                "posts were not looked at; train on best.yaml for a score to report."
            )
        )
    if wanted is not None and ended < wanted:
        blocks.append(
            Notice(f"Not finished: {ended} of {wanted} trials have ended; run the same command again to go on.")
        )
    return blocks + [Notice(line) for line in search.missing]


def _history(search: Search) -> list[Block]:
    points = []
    for row in search.trials:
        score, place = real(row, "score"), real(row, "number")
        # A trial that was stopped early has no score: it stands at the foot of the figure.
        if place is not None and (score is not None or row.get("state") == "pruned"):
            points.append((int(place), score))
    whole = [score for _, score in points if score is not None]
    if not whole:
        return []
    floor = min(whole)
    trials = [(place, floor if score is None else score, score is None) for place, score in points]
    caption = "Score of each trial and the best so far; crosses were stopped early and stand at the foot."
    figures = [Figure(search_figure("trials", trials, y=search.monitor), caption)]
    importances = {key: float(value) for key, value in (search.summary.get("importances") or {}).items()}
    if importances:
        caption = "Each setting's share of the differences between trials (fANOVA, Hutter et al. 2014)."
        figures.append(Figure(importance_figure("importances", importances), caption))
    keys = [key for key in search.trials[0] if key not in _NOT_SETTINGS]
    rows: list[list[Value]] = [
        [row.get("number"), score, *[_short(row.get(key)) for key in keys]] for row, score in _scored(search)[:10]
    ]
    return [
        Figures(figures),
        Table(["trial", "score", *[_leaf(key, keys) for key in keys]], rows, "The ten best trials"),
    ]


def _found(search: Search, config: dict[str, Any]) -> list[Block]:
    before, after = flat(config), flat(search.summary.get("best") or {})
    rows: list[list[Value]] = [
        [key, _short(before.get(key)), _short(value)] for key, value in after.items() if before.get(key) != value
    ]
    if not after:
        return []
    if not rows:
        return [Paragraph("The recipe's own values were the best.")]
    return [
        Table(["setting", "before", "found"], rows),
        Paragraph("best.yaml in the search's folder holds all of it: moodfuse train DATA --config best.yaml."),
    ]


def _leaf(key: str, keys: list[str]) -> str:
    """Return a setting's name without its section, where it is the only one of that name."""
    leaf = key.rpartition(".")[2]
    return leaf if sum(other.rpartition(".")[2] == leaf for other in keys) == 1 else key


def _short(value: Any) -> str:
    """Return a setting with three digits that count."""
    found = real({"value": value}, "value") if not isinstance(value, bool) else None
    return "–" if value in (None, "") else f"{found:.3g}" if found is not None else str(value)
