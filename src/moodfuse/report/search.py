"""The report of a search: the trials, their scores, the importance of each setting, the best settings."""

from __future__ import annotations

from pydantic import JsonValue

from moodfuse.evaluate.names import METRIC_NAMES
from moodfuse.records.search import Search, SearchTrial, trial_rows
from moodfuse.report.context import configuration_blocks, environment_blocks
from moodfuse.report.document import (
    Block,
    Document,
    Figure,
    Figures,
    Notice,
    PageSection,
    Paragraph,
    Table,
    Value,
    Verdicts,
    number,
)
from moodfuse.report.figures import importance_figure, search_figure


def search_document(search: Search) -> Document:
    """Return the report of a search."""
    candidates: list[tuple[str, str, list[Block]]] = [
        ("summary", "In short", _summary(search)),
        ("history", "Trials", _history(search)),
        ("best", "What was found", _found(search)),
        ("configuration", "Configuration searched from", configuration_blocks(search.config)),
        ("environment", "Environment", environment_blocks(search.plan.environment if search.plan else None)),
    ]
    sections = [PageSection(id, title, blocks) for id, title, blocks in candidates if blocks]
    subtitle = f"settings for {search.config.fusion or '?'}"
    return Document("Search", search.path.resolve().name, subtitle, sections, trial_rows(search.trials))


def _scored(search: Search) -> list[tuple[SearchTrial, float]]:
    scored = [(trial, trial.score) for trial in search.trials if trial.score is not None]
    return sorted(scored, key=lambda pair: -pair[1])


def _monitor(search: Search) -> str:
    monitor = search.summary.monitor if search.summary else ""
    return f"validation {'loss, negated' if monitor == 'loss' else METRIC_NAMES.get(monitor, 'score')}"


def _grid(search: Search) -> bool:
    return bool(search.plan and search.plan.grid)


def _importances(search: Search) -> dict[str, float]:
    return search.summary.importances if search.summary else {}


def _summary(search: Search) -> list[Block]:
    scored, trials = _scored(search), search.summary.trials if search.summary else None
    lines = []
    if scored:
        best, score = scored[0]
        ended = trials.ended if trials else len(search.trials)
        lines.append(f"Trial {best.number} is the best of {ended}: {_monitor(search)} {number(score)}.")
        first = next((score for trial, score in scored if trial.number == 0), None)
        if search.summary and search.summary.gain:
            lines.append(f"That is {search.summary.gain} over the recipe's own values.")
        elif first is not None and search.plan and not search.plan.grid and not search.plan.space:
            gained = f"{number(score - first, signed=True)} over the recipe's own values ({number(first)})"
            lines.append(f"That is {gained}.")
    if importances := _importances(search):
        most = max(importances, key=importances.__getitem__)
        lines.append(f"{most} mattered most: {100 * importances[most]:.0f} % of the differences between trials.")
    blocks: list[Block] = [Verdicts(lines or ["No trial has ended yet: there is nothing to report."])]
    if scored:
        blocks.append(
            Paragraph(
                "These scores are on the validation posts that the search chose by: the best of many is too high. "
                "The test posts were not used; train with best.yaml for a score to report."
            )
        )
    if trials and trials.ended < trials.wanted:
        done = f"{trials.ended} of {trials.wanted} trials have ended"
        blocks.append(Notice(f"Not finished: {done}; run the same command again to continue."))
    return blocks + [Notice(line) for line in search.missing]


def _history(search: Search) -> list[Block]:
    scored = _scored(search)
    if not scored:
        return []
    # A trial that was stopped early has no score: it is drawn at the bottom of the figure.
    floor = min(score for _, score in scored)
    trials = [
        (trial.number, floor if trial.score is None else trial.score, trial.score is None)
        for trial in search.trials
        if trial.score is not None or trial.pruned
    ]
    caption = "Score of each trial, and the best so far; the crosses at the bottom are trials that were stopped early."
    figures = [Figure(search_figure("trials", trials, y=_monitor(search)), caption)]
    if importances := _importances(search):
        caption = "Each setting's share of the differences between trials (fANOVA, Hutter et al. 2014)."
        figures.append(Figure(importance_figure("importances", importances), caption))
    keys = list(search.trials[0].settings)
    listed = scored if _grid(search) else scored[:10]
    rows: list[list[Value]] = [
        [str(trial.number), score, *[_short(trial.settings.get(key)) for key in keys]] for trial, score in listed
    ]
    return [
        Figures(figures),
        Table(
            ["trial", "score", *[_leaf(key, keys) for key in keys]],
            rows,
            "Every point of the grid" if _grid(search) else "The ten best trials",
        ),
    ]


def _found(search: Search) -> list[Block]:
    if search.summary is None:
        return []
    before, after = search.config.flat(), search.summary.best.flat()
    rows: list[list[Value]] = [
        [key, _short(before.get(key)), _short(value)] for key, value in after.items() if before.get(key) != value
    ]
    if not rows:
        return [Paragraph("The recipe's own values were the best.")]
    return [
        Table(["setting", "before", "found"], rows),
        Paragraph("best.yaml in the search's folder holds all settings: moodfuse train DATA --config best.yaml."),
    ]


def _leaf(key: str, keys: list[str]) -> str:
    """Return a setting's name without its section if no other setting has that name."""
    leaf = key.rpartition(".")[2]
    return leaf if sum(name.rpartition(".")[2] == leaf for name in keys) == 1 else key


def _short(value: JsonValue) -> str:
    """Return a setting as text, a number with three significant digits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.3g}"
    return "–" if value in (None, "") else str(value)
