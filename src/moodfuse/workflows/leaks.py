"""Checks against leaks: no stage may evaluate or select on posts that another stage, or another run, trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moodfuse.config import Config
from moodfuse.errors import DataError
from moodfuse.records.run import borrowed_runs
from moodfuse.workflows.evaluation import SEEN, read_seen


def refuse_leaks(config: Config, parts: Mapping[str, Sequence[str]], digests: Mapping[str, str]) -> None:
    """Check the encoders that come from other runs (`model.text=runs/NAME`) against this run's split.

    Raises `DataError` if such a run trained on posts that this run validates or tests on, or selected on posts that
    this run tests on: the encoder would already know them.
    """
    for run in borrowed_runs(config):
        if not (run.bundle / SEEN).is_file():
            raise DataError(f"{run.path}: not finished, so its training posts are not known; finish it first")
        seen = read_seen(run.bundle / SEEN)
        tested = [i for i in parts["test"] if digests[i] in seen["train"] | seen["validation"]]
        chosen = [i for i in parts["validation"] if digests[i] in seen["train"]]
        if tested or chosen:
            raise DataError(
                f"{run.path}: its encoder was trained or chosen on {len(tested)} of the {len(parts['test'])} posts "
                f"that this run tests on, and trained on {len(chosen)} of the {len(parts['validation'])} that it "
                f"validates on; a score on them has no meaning. Use its split: --split {run.split}"
            )


def borrowed_seen(config: Config) -> dict[str, set[str]]:
    """Return the digests of the posts that the encoders of other runs were trained and selected on."""
    seen: dict[str, set[str]] = {"train": set(), "validation": set()}
    for run in borrowed_runs(config):
        for part, digests in read_seen(run.bundle / SEEN).items():
            seen[part] |= digests
    return seen
