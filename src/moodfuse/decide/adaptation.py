"""What adapting a bundle to labelled posts came to, in numbers and in sentences."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from moodfuse.decide.calibrating import Calibration
from moodfuse.decide.head import LinearHead, Strength
from moodfuse.decide.proof import LEVEL, BeforeAfter, Curve, more_labels
from moodfuse.evaluate.intervals import PairedDifference

Verdict = Literal["better", "not better", "worse", "worse on the random posts"]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A head that was fitted on labelled posts, and what it is worth."""

    labels: tuple[str, ...]
    #: whether these are the bundle's own labels, so that its head was the start
    onto_old: bool
    #: posts that it was fitted on
    posts: int
    strength: Strength
    #: cross-validated: every post is answered by a head that had not seen it
    proof: BeforeAfter
    curve: Curve
    #: posts drawn at random, on which nothing was fitted; `None`: there are none
    drawn: BeforeAfter | None
    calibration: Calibration
    head: LinearHead = field(repr=False)
    #: why how many other posts were not used
    left_out: dict[str, int] = field(default_factory=dict)
    #: where the new bundle is; `None`: nothing was written
    bundle: Path | None = None

    @property
    def verdict(self) -> Verdict:
        """Say whether the adapted head is better, by the paired test on the cross-validated and the random posts."""
        if self.drawn and _stands(self.drawn.difference) and self.drawn.difference.difference < 0:
            return "worse on the random posts"
        if not _stands(self.proof.difference):
            return "not better"
        return "better" if self.proof.difference.difference > 0 else "worse"

    @property
    def more_labels(self) -> int | None:
        """About how many more labels would prove a gain; `None` where that is not to be expected."""
        return more_labels(self.curve, self.proof.difference, self.posts)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the weights as JSON holds it."""
        return {
            "verdict": self.verdict,
            "labels": list(self.labels),
            "head": "adapted" if self.onto_old else "new",
            "posts": self.posts,
            "left_out": self.left_out,
            "strength": asdict(self.strength),
            "cross_validated": self.proof.as_json(),
            "drawn_at_random": self.drawn.as_json() if self.drawn else None,
            "curve": asdict(self.curve),
            "more_labels": self.more_labels,
            "bundle": str(self.bundle) if self.bundle else None,
        }

    def lines(self) -> list[str]:
        """Return the result in sentences, the verdict first."""
        return [self.sentence(), *_table(self.proof, self.posts), *self._drawn_lines(), *self._curve_lines()]

    def sentence(self) -> str:
        """Return the verdict as a sentence."""
        found = in_points(self.proof.difference)
        than = "the model you have" if self.onto_old else f"always answering {self._most_frequent()!r}"
        if self.verdict == "better":
            return f"better than {than}: {found} of accuracy"
        if self.verdict == "worse on the random posts":
            assert self.drawn is not None
            return (
                f"not better than {than}: {found} on the posts that were picked, but "
                f"{in_points(self.drawn.difference)} on those drawn at random; keep it"
            )
        if self.verdict == "worse":
            return f"worse than {than}: {found}; keep it"
        if (more := self.more_labels) is not None:
            return f"not better than {than}: {found}; keep it, or label about {more} more"
        return f"not better than {than}: {found}; keep it: five times the labels are not likely to change that"

    def _most_frequent(self) -> str:
        per_class = self.proof.after.per_class
        return max(per_class, key=lambda name: per_class[name].support)

    def _drawn_lines(self) -> list[str]:
        if self.drawn is None:
            return []
        return ["", *_table(self.drawn, self.drawn.after.n, "drawn at random, which nothing was fitted on")]

    def _curve_lines(self) -> list[str]:
        fitted = ", ".join(
            f"{accuracy:.3f} with {labels}"
            for labels, accuracy in zip(self.curve.fitted, self.curve.accuracy, strict=True)
        )
        value, low, high = (100 * one for one in self.curve.twice)
        last = 100 * (self.curve.accuracy[-1] - self.curve.accuracy[-2])
        return [
            "",
            f"accuracy by the labels that a head was fitted on: {fitted}",
            f"twice the labels would add about {value:.1f} points ({low:.1f} to {high:.1f}), by a line through all of "
            f"these; the last doubling added {last:.1f}",
        ]


def in_points(difference: PairedDifference) -> str:
    """Return a difference in points with its interval."""
    value, low, high = (round(100 * one, 1) + 0.0 for one in (difference.difference, difference.low, difference.high))
    return f"{value:.1f} points ({low:.1f} to {high:.1f})"


def _stands(difference: PairedDifference) -> bool:
    return difference.p_value < LEVEL


def _table(found: BeforeAfter, posts: int, how: str = "each answered by a head that had not seen it") -> list[str]:
    lines = [f"{posts} posts, {how}; 95 % intervals", f"  {'':<16}{'before':<10}{'after':<28}difference in points"]
    before, after = found.before.values(), found.after.values()
    for name, one in found.differences.items():
        if name == "weighted_f1":
            continue
        low, high = found.after.intervals[name]
        told = f"{after[name]:.3f}  ({low:.3f} to {high:.3f})"
        lines.append(f"  {name:<16}{before[name]:<10.3f}{told:<28}{in_points(one).replace(' points', '')}")
    return lines
