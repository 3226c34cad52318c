"""What bundles say of held-out texts without an image: tweets in eight languages, Weibo, emotions.

    python benchmarks/texts.py OUT [BUNDLE ...] [--vader] [--json FILE]

OUT is the folder that `benchmarks.default.corpora` wrote; only the texts that its `split.csv` tests on are read.
BUNDLEs are bundles or run folders; none: the one that moodfuse brings. Prints accuracy, macro-recall, macro-F1 and
calibration error of every set and language with 95 % intervals, and paired tests of every two bundles.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from behaviours import named_predictors, vader

from moodfuse import Post, Predictor
from moodfuse.data.duplicates import normalise
from moodfuse.evaluate.calibration import expected_calibration_error
from moodfuse.evaluate.intervals import bootstrap_intervals, paired_bootstrap
from moodfuse.evaluate.metrics import score
from moodfuse.evaluate.verdicts import holm
from moodfuse.labels import SENTIMENT
from moodfuse.runtime.bundle import Bundle

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--vader", action="store_true", help="the lexicon VADER beside the bundles, on English")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    given = parser.parse_args()
    rows = held_out(given.folder)
    true, sets = truth(rows)
    found: dict[str, np.ndarray] = {}
    for name, predictor in named_predictors(given.bundles):
        found[name] = probabilities(predictor, rows)
    if given.vader:
        found["VADER"] = np.array([lexicon_row(row) for row in rows])
    figures = [line for name, answers in found.items() for line in scores(name, answers, true, sets)]
    print(table(figures))
    for a, b in combinations(found, 2):
        print("\n".join(tests(a, b, found, true, sets)))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def held_out(folder: Path, part: str = "test") -> list[Row]:
    """Return the texts that are tested on, or those of `validation`, without copies of texts that were trained on.

    A set is a corpus, or one of seven languages.
    """
    with (folder / "split.csv").open(encoding="utf-8", newline="") as file:
        parts = {row["id"]: row["split"] for row in csv.DictReader(file)}
    with (folder / "texts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    trained = {normalise(row["text"]) for row in rows if parts[row["id"]] == "train"}
    kept = [row for row in rows if parts[row["id"]] == part and normalise(row["text"]) not in trained]
    return [row | {"set": row["language"] if row["corpus"] == "languages" else row["corpus"]} for row in kept]


def truth(rows: Sequence[Row]) -> tuple[np.ndarray, dict[str, list[int]]]:
    """Return the label ids (N,) of the texts, and the places of the texts of each set."""
    names = dict.fromkeys(row["set"] for row in rows)
    sets = {name: [i for i, row in enumerate(rows) if row["set"] == name] for name in names}
    return np.array([SENTIMENT.id(row["label"]) for row in rows]), sets


def answered(bundle: Bundle, folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, list[int]]]:
    """Return a bundle's probabilities (N, 3) for the held-out texts, their label ids (N,), and the sets' places."""
    rows = held_out(folder)
    return probabilities(Predictor(bundle), rows), *truth(rows)


def probabilities(predictor: Predictor, rows: Sequence[Row]) -> np.ndarray:
    """Return a bundle's probabilities (N, 3), in the order of negative, neutral, positive."""
    posts = (Post(row["id"], row["text"]) for row in rows)
    return np.array([[answer.probabilities[name] for name in SENTIMENT.names] for answer in predictor.stream(posts)])


def lexicon_row(row: Row) -> list[float]:
    """Return VADER's label as probabilities (3,); NaN for what is not English."""
    label = vader(row["text"]).label if row["language"] == "en" else None
    return [float(name == label) if label else np.nan for name in SENTIMENT.names]


def scores(name: str, answers: np.ndarray, true: np.ndarray, sets: dict[str, list[int]]) -> list[dict[str, object]]:
    """Return a row of figures for each set that the model answers, and for the mean of the seven languages."""
    lines: list[dict[str, object]] = []
    for what, rows in sets.items():
        given, wanted = answers[rows], true[rows]
        if np.isnan(given).any():
            continue
        whole, bounds = score(wanted, given, SENTIMENT), bootstrap_intervals(wanted, given, labels=SENTIMENT)
        named_rows = [entry for entry in whole.per_class.values() if entry.support]
        lines.append(
            {
                "model": name,
                "texts": what,
                "n": whole.n,
                "accuracy": (whole.accuracy, *bounds["accuracy"]),
                "macro_recall": float(np.mean([entry.recall for entry in named_rows])),
                "macro_f1": (whole.macro_f1, *bounds["macro_f1"]),
                "calibration_error": float(expected_calibration_error(given, wanted)),
            }
        )
    seven = [line for line in lines if len(str(line["texts"])) == 2]
    if seven:
        mean = {key: float(np.mean([np.atleast_1d(line[key])[0] for line in seven])) for key in list(seven[0])[3:]}  # type: ignore[arg-type]
        lines.append({"model": name, "texts": "mean of 7 languages", "n": sum(line["n"] for line in seven)} | mean)  # type: ignore[misc]
    return lines


def tests(a: str, b: str, found: dict[str, np.ndarray], true: np.ndarray, sets: dict[str, list[int]]) -> list[str]:
    """Return in words how two models differ on each set that both answer; p-values corrected over the sets (Holm)."""
    shared = {what: rows for what, rows in sets.items() if not np.isnan(found[a][rows] + found[b][rows]).any()}
    paired = [
        paired_bootstrap(true[rows], found[a][rows], found[b][rows], labels=SENTIMENT)["macro_f1"]
        for rows in shared.values()
    ]
    corrected = holm([one.p_value for one in paired])
    return [
        f"{what}: {a} - {b} {one.difference:+.3f} macro-F1 ({one.low:+.3f} to {one.high:+.3f}), corrected p {p:.3g}"
        for what, one, p in zip(shared, paired, corrected, strict=True)
    ]


def table(lines: Sequence[dict[str, object]]) -> str:
    """Return rows of figures as a Markdown table."""
    head = (
        "| model | texts | n | accuracy | macro-recall | macro-F1 | calibration error |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *("| " + " | ".join(map(shown, line.values())) + " |" for line in lines)])


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
