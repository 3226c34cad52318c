"""Checks against leaks: no stage may evaluate or select on posts that another stage, or another run, trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moodfuse.config import Config
from moodfuse.errors import DataError
from moodfuse.records.run import RunFolder, borrowed_runs
from moodfuse.workflows.evaluation import SEEN, read_seen


def refuse_leaks(config: Config, parts: Mapping[str, Sequence[str]], digests: Mapping[str, str]) -> None:
    """Check the encoders that come from other runs (`model.text=runs/NAME`) against this run's split.

    Raises `DataError` if such a run trained on posts that this run validates or tests on, or selected on posts that
    this run tests on: the encoder would already know them.
    """
    for run in borrowed_runs(config):
        seen = _seen(run)
        tested = [i for i in parts["test"] if digests[i] in seen["train"] | seen["validation"]]
        chosen = [i for i in parts["validation"] if digests[i] in seen["train"]]
        if tested or chosen:
            raise DataError(
                f"{run.path}: its encoder was trained or chosen on {len(tested)} of the {len(parts['test'])} posts "
                f"that this run tests on, and trained on {len(chosen)} of the {len(parts['validation'])} that it "
                f"validates on; a score on them has no meaning. Use its split: --split {run.split}"
            )


def check_borrowed(config: Config, digests: Mapping[str, str]) -> None:
    """Check the encoders of other runs where every one of these posts is tested in its turn, or chooses.

    Raises `DataError` if such a run trained or selected on any of them, or is not finished.
    """
    for run in borrowed_runs(config):
        seen = _seen(run)
        if known := [i for i, digest in digests.items() if digest in seen["train"] | seen["validation"]]:
            raise DataError(
                f"{run.path}: its encoder was trained or chosen on {len(known)} of these {len(digests)} posts (of id "
                f"{known[0]!r} for one), and each of them is to be answered by a model that has not seen it; name the "
                "encoder itself, or a run on other posts"
            )


def _seen(run: RunFolder) -> dict[str, set[str]]:
    if not (run.bundle / SEEN).is_file():
        raise DataError(f"{run.path}: not finished, so its training posts are not known; finish it first")
    return read_seen(run.bundle / SEEN)


def borrowed_seen(config: Config) -> dict[str, set[str]]:
    """Return the digests of the posts that the encoders of other runs were trained and selected on."""
    seen: dict[str, set[str]] = {"train": set(), "validation": set()}
    for run in borrowed_runs(config):
        for part, digests in read_seen(run.bundle / SEEN).items():
            seen[part] |= digests
    return seen
