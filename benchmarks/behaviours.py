"""Does a model behave: negation, contrast, emoji, plain facts, raw letters, names, languages, what it cannot read?

    python benchmarks/behaviours.py [BUNDLE ...] [--json OUT] [--wrong] [--vader]

After CheckList (Ribeiro et al., ACL 2020). `probes/` holds some 800 probes: a text and its label; two texts that must
have one label; two of which the second must make a class likelier, by RISE at least; a text that cannot be read and
must say so, by a status or `needs_review`; a readable one that must carry no status. BUNDLEs are bundles or run
folders; none: the one that moodfuse brings. Prints the share that passes by kind and language with Wilson's 95 %
interval, and, of several bundles, McNemar's exact test of every two. `--vader` adds that lexicon, on what is English
or in no language. The probes are no sample of posts: the intervals say how few they are, not how people write. A model
of one answer passes what must stay the same, so read those rows beside `plain`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import NamedTuple

from probes import KINDS, LANGUAGES, NONE, Probe, all_probes

from moodfuse import Post, Predictor
from moodfuse.data.posts import Status
from moodfuse.evaluate.intervals import mcnemar
from moodfuse.evaluate.verdicts import holm
from moodfuse.labels import SENTIMENT, Labels

#: A probability has risen if it rose by so much, or to 1 - RISE.
RISE = 0.05
#: Statuses that say nothing of the text.
_SILENT = {Status.OK, Status.IMAGE_MISSING}
_PASSING = Labels(("fails", "passes"))
ALL = "all"


class Answer(NamedTuple):
    """What a model says of a text: `statuses` are those that warn of the text."""

    label: str
    probabilities: dict[str, float]
    statuses: tuple[str, ...] = ()
    needs_review: bool = False


class Row(NamedTuple):
    """How many of the probes of a kind and a language a model passes."""

    kind: str
    language: str
    passed: int
    n: int


#: By model: whether it passes each probe; `None` where it was not asked.
Passes = dict[str, list[bool | None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--json", type=Path, help="a file for all figures, and for every probe with its answers")
    parser.add_argument("--wrong", action="store_true", help="list what fails, with the answers")
    parser.add_argument("--vader", action="store_true", help="the lexicon VADER beside the bundles")
    given = parser.parse_args()
    probes = all_probes()
    texts = list(dict.fromkeys(text for probe in probes for text in probe.texts))
    answers: dict[str, dict[str, Answer]] = {}
    for name, predictor in named_predictors(given.bundles):
        answers[name] = ask(predictor, texts)
    passes: Passes = {name: [judge(probe, found) for probe in probes] for name, found in answers.items()}
    if given.vader:
        answers["VADER"] = {text: vader(text) for text in texts}
        passes["VADER"] = [judge(probe, answers["VADER"]) if for_vader(probe) else None for probe in probes]
    print("\n".join(table(probes, passes)))
    for a, b in combinations(answers, 2):
        print("\n".join(tests(probes, passes, a, b)))
    if given.wrong:
        for name in answers:
            print("\n".join(wrong(probes, passes[name], answers[name], name)))
    if given.json:
        content = figures(probes, passes, answers)
        given.json.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


def named_predictors(bundles: Sequence[Path]) -> Iterator[tuple[str, Predictor]]:
    """Load bundles, or the one that moodfuse brings where there are none, each with a name of its own.

    That is the name of its folder or, where that is called bundle, of its run.
    """
    names: list[str] = []
    for bundle in bundles or [None]:
        folder = bundle.resolve() if bundle else Path("default")
        name = folder.parent.name if folder.name == "bundle" else folder.name
        names.append(f"{name} ({len(names) + 1})" if name in names else name)
        yield names[-1], Predictor.load(bundle)


def ask(predictor: Predictor, texts: Sequence[str]) -> dict[str, Answer]:
    """Return a bundle's answers by text. Ends the program where its labels are no sentiment."""
    if set(predictor.labels.names) != set(SENTIMENT.names):
        raise SystemExit(f"expected the labels {', '.join(SENTIMENT.names)}; found {', '.join(predictor.labels.names)}")
    posts = (Post(str(number), text) for number, text in enumerate(texts))
    return {
        text: Answer(
            found.label,
            found.probabilities,
            tuple(status.value for status in found.status if status not in _SILENT),
            found.needs_review,
        )
        for text, found in zip(texts, predictor.stream(posts), strict=True)
    }


def vader(text: str) -> Answer:
    """Return VADER's answer: its label by the usual thresholds of the compound score, -0.05 and 0.05."""
    from moodfuse.data.lexicon import lexicon_scores

    *shares, compound = map(float, lexicon_scores(text))
    label = "positive" if compound >= 0.05 else "negative" if compound <= -0.05 else "neutral"
    return Answer(label, dict(zip(SENTIMENT.names, shares, strict=True)))


def for_vader(probe: Probe) -> bool:
    """Tell whether a probe can be asked of a lexicon of English, which warns of nothing."""
    return probe.language in ("en", NONE) and probe.check not in ("flagged", "readable")


def judge(probe: Probe, answers: dict[str, Answer]) -> bool:
    """Tell whether the answers to a probe's texts are what it asks for."""
    first, last = answers[probe.texts[0]], answers[probe.texts[-1]]
    if probe.check == "label":
        return first.label in probe.labels
    if probe.check == "same":
        return first.label == last.label
    if probe.check == "rises":
        (label,) = probe.labels
        return last.probabilities[label] >= min(first.probabilities[label] + RISE, 1 - RISE)
    if probe.check == "flagged":
        return bool(first.statuses) or first.needs_review
    return not first.statuses


def passed_by(predictor: Predictor, probes: Sequence[Probe]) -> list[bool | None]:
    """Return whether a bundle passes each probe."""
    answers = ask(predictor, list(dict.fromkeys(text for probe in probes for text in probe.texts)))
    return [judge(probe, answers) for probe in probes]


def wilson(passed: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    middle, spread = passed + z * z / 2, z * sqrt(passed * (n - passed) / n + z * z / 4)
    return max(0.0, (middle - spread) / (n + z * z)), min(1.0, (middle + spread) / (n + z * z))


def rows(probes: Sequence[Probe], passed: Sequence[bool | None]) -> list[Row]:
    """Return a row a kind and language, one a kind over its languages where there are several, and one of all.

    Languages that no file of texts is for stand as `unlisted`. Rows without a probe are there too: n = 0.
    """
    counted: dict[tuple[str, str], list[bool]] = {}
    for probe, one in zip(probes, passed, strict=True):
        language = probe.language if probe.language in (*LANGUAGES, NONE) else "unlisted"
        for key in dict.fromkeys([(ALL, ALL), (probe.kind, ALL), (probe.kind, language)]):
            counted.setdefault(key, []).extend([] if one is None else [one])
    order = [ALL, *KINDS]
    keys = sorted(counted, key=lambda key: order.index(key[0]))
    several = {kind for kind in KINDS if sum(key[0] == kind for key in keys) > 2}
    kept = [key for key in keys if key[1] != ALL or key[0] == ALL or key[0] in several]
    return [Row(kind, language, sum(counted[kind, language]), len(counted[kind, language])) for kind, language in kept]


def table(probes: Sequence[Probe], passes: Passes) -> list[str]:
    """Return the table of all models as Markdown, a line each."""
    lines = [f"| kind | language | n | {' | '.join(passes)} |", "|---" * (3 + len(passes)) + "|"]
    for of_models in zip(*(rows(probes, passed) for passed in passes.values()), strict=True):
        kind, language, _, n = of_models[0]
        lines.append(f"| {kind} | {language} | {n} | {' | '.join(_share(row, n) for row in of_models)} |")
    return lines


def _share(row: Row, n: int) -> str:
    if not row.n:
        return ""
    low, high = wilson(row.passed, row.n)
    asked = "" if row.n == n else f", n = {row.n}"
    return f"{row.passed / row.n:.0%} ({low:.0%} to {high:.0%}{asked})"


def tests(probes: Sequence[Probe], passes: Passes, a: str, b: str) -> list[str]:
    """Return McNemar's exact test of two models as Markdown: over all probes that both were asked, and by kind."""
    pairs = [
        (probe.kind, one, other)
        for probe, one, other in zip(probes, passes[a], passes[b], strict=True)
        if one is not None and other is not None
    ]
    kinds = [kind for kind in KINDS if any(pair[0] == kind for pair in pairs)]
    found = {}
    for kind in (ALL, *kinds):
        of_a, of_b = zip(*((one, other) for of, one, other in pairs if kind in (ALL, of)), strict=True)
        found[kind] = mcnemar([1] * len(of_a), [*map(int, of_a)], [*map(int, of_b)], labels=_PASSING)
    corrected = ["", *(f"{p:.2g}" for p in holm([found[kind].p_value for kind in kinds]))]
    lines = ["", f"| {a} beside {b} | only {a} | only {b} | p | p, corrected for the kinds |", "|---|---|---|---|---|"]
    for (kind, test), p in zip(found.items(), corrected, strict=True):
        lines.append(f"| {kind} | {test.only_a} | {test.only_b} | {test.p_value:.2g} | {p} |")
    return lines


def wrong(probes: Sequence[Probe], passed: Sequence[bool | None], answers: dict[str, Answer], name: str) -> list[str]:
    """Return what a model fails, a line each: kind, language, texts with their answers, what was expected."""
    lines = ["", f"{name} fails:"]
    for probe, one in zip(probes, passed, strict=True):
        if one is False:
            told = " -> ".join(_told(text, answers[text], probe) for text in probe.texts)
            lines.append(f"{probe.kind}, {probe.language}: {told}; expected: {expected(probe)}")
    return lines


def expected(probe: Probe) -> str:
    """Return in words what a probe asks for."""
    labels = " or ".join(sorted(probe.labels))
    words: dict[str, Callable[[], str]] = {
        "label": lambda: labels,
        "same": lambda: "one label",
        "rises": lambda: f"{labels} rises by {RISE}",
        "flagged": lambda: "a status or needs_review",
        "readable": lambda: "no status",
    }
    return words[probe.check]()


def _told(text: str, answer: Answer, probe: Probe) -> str:
    shown = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
    label = next(iter(probe.labels)) if probe.check == "rises" else answer.label
    warned = [*answer.statuses, *(["needs_review"] if answer.needs_review else [])]
    return f"'{shown}' {' '.join([label, f'{answer.probabilities[label]:.2f}', *warned])}"


def figures(probes: Sequence[Probe], passes: Passes, answers: dict[str, dict[str, Answer]]) -> dict[str, object]:
    """Return all figures, and every probe with its answers, as JSON holds them."""
    return {
        "rows": {
            name: [row._asdict() | {"wilson": wilson(row.passed, row.n)} for row in rows(probes, passed) if row.n]
            for name, passed in passes.items()
        },
        "probes": [
            probe._asdict()
            | {
                "labels": sorted(probe.labels),
                "passes": {name: passed[number] for name, passed in passes.items()},
                "answers": {name: [found[text]._asdict() for text in probe.texts] for name, found in answers.items()},
            }
            for number, probe in enumerate(probes)
        ],
    }


if __name__ == "__main__":
    main()
