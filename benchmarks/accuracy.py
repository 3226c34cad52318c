"""Everything that a bundle scores, in one table: posts, held-out texts, behaviours; other bundles and VADER beside it.

    python benchmarks/accuracy.py OUT [BUNDLE ...] [--vader]

OUT is the folder of texts that `benchmarks.default.corpora` wrote, BUNDLEs are bundles or run folders; none: the one
that moodfuse brings. Posts: the scores that a bundle carries, of its recipe in cross-validation or of held-out posts,
for a bundle trained on every post has left none to test it on. Texts: benchmarks/texts.py. Behaviours:
benchmarks/behaviours.py. Below the table, paired tests of every two models, corrected over the sets and the kinds.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import behaviours
import numpy as np
import texts
from probes import all_probes

from moodfuse import Predictor

#: A row's name, and what stands in it by model.
Rows = dict[str, dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--vader", action="store_true", help="the lexicon VADER beside the bundles")
    given = parser.parse_args()
    predictors = dict(behaviours.named_predictors(given.bundles))
    of_texts, text_tests = on_texts(predictors, texts.held_out(given.folder), lexicon=given.vader)
    of_probes, probe_tests = on_probes(predictors, lexicon=given.vader)
    print(table(on_posts(predictors) | of_texts | of_probes, [*predictors, *(["VADER"] if given.vader else [])]))
    print("\n".join([*text_tests, *probe_tests]))


def on_posts(predictors: dict[str, Predictor]) -> Rows:
    """Return the scores that the bundles carry."""
    found: Rows = {}
    for name, predictor in predictors.items():
        carried = predictor.manifest.scores.get("test", {})
        for key, shown in (("accuracy", "accuracy"), ("macro_f1", "macro-F1")):
            if key in carried:
                figure = (carried[key], *carried["intervals"][key])
                found.setdefault(f"posts, n = {carried['n']}: {shown}", {})[name] = texts.shown(figure)
    return found


def on_texts(predictors: dict[str, Predictor], rows: list[texts.Row], *, lexicon: bool) -> tuple[Rows, list[str]]:
    """Return macro-recall and macro-F1 of each set of texts, and the tests of every two models."""
    true, sets = texts.truth(rows)
    answers = {name: texts.probabilities(predictor, rows) for name, predictor in predictors.items()}
    if lexicon:
        answers["VADER"] = np.array([texts.lexicon_row(row) for row in rows])
    found: Rows = {}
    for name, given in answers.items():
        for line in texts.scores(name, given, true, sets):
            what = f"texts, {line['texts']}, n = {line['n']}"
            found.setdefault(f"{what}: macro-recall", {})[name] = texts.shown(line["macro_recall"])
            found.setdefault(f"{what}: macro-F1", {})[name] = texts.shown(line["macro_f1"])
    return found, [line for a, b in combinations(answers, 2) for line in texts.tests(a, b, answers, true, sets)]


def on_probes(predictors: dict[str, Predictor], *, lexicon: bool) -> tuple[Rows, list[str]]:
    """Return the share of the probes of each kind that passes, and the tests of every two models."""
    probes = all_probes()
    passes = {name: behaviours.passed_by(predictor, probes) for name, predictor in predictors.items()}
    if lexicon:
        told = {text: behaviours.vader(text) for probe in probes for text in probe.texts}
        passes["VADER"] = [behaviours.judge(probe, told) if behaviours.for_vader(probe) else None for probe in probes]
    found: Rows = {}
    for name, passed in passes.items():
        whole: dict[str, behaviours.Row] = {}
        for row in behaviours.rows(probes, passed):
            whole.setdefault(row.kind, row)  # the first of a kind is over all of its languages
        for kind, row in whole.items():
            if row.n:
                low, high = behaviours.wilson(row.passed, row.n)
                share = f"{row.passed / row.n:.0%} of {row.n} ({low:.0%} to {high:.0%})"
                found.setdefault(f"probes, {kind}", {})[name] = share
    return found, [line for a, b in combinations(passes, 2) for line in behaviours.tests(probes, passes, a, b)]


def table(found: Rows, models: list[str]) -> str:
    """Return the rows as a Markdown table, a column for each model."""
    head = [f"| exam | {' | '.join(models)} |", "|---" * (1 + len(models)) + "|"]
    return "\n".join(
        [*head, *(f"| {what} | {' | '.join(row.get(m, '') for m in models)} |" for what, row in found.items())]
    )


if __name__ == "__main__":
    main()
