"""Checks against leaks: no stage may evaluate or select on posts that another stage, or another run, trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moodfuse.config import Config
from moodfuse.data.duplicates import Groups, known
from moodfuse.data.splits import Split
from moodfuse.errors import DataError
from moodfuse.records.run import RunFolder, borrowed_runs
from moodfuse.workflows.evaluation import NEAR, SEEN, read_seen


def refuse_leaks(
    config: Config, parts: Mapping[str, Sequence[str]], digests: Mapping[str, str], groups: Groups
) -> None:
    """Check the encoders that come from other runs (`model.text=runs/NAME`) against this run's split.

    Raises `DataError` if such a run trained on posts that this run validates or tests on, or selected on posts that
    this run tests on, or on near-duplicates of them: the encoder would already know them. A split of the user's may
    part near-duplicates, of which its own run has told; on that same split they are taken as they are.
    """
    for run in borrowed_runs(config):
        seen, near = _seen(run), _near(run)
        marks = {} if _has_split(run, parts) else groups.marks
        known_to_any = known(marks, near["train"] | near["validation"])
        known_to_training = known(marks, near["train"])
        tested = [i for i in parts["test"] if digests[i] in seen["train"] | seen["validation"] or i in known_to_any]
        chosen = [i for i in parts["validation"] if digests[i] in seen["train"] or i in known_to_training]
        if tested or chosen:
            raise DataError(
                f"{run.path}: its encoder was trained or chosen on {len(tested)} of the {len(parts['test'])} posts "
                f"that this run tests on, and trained on {len(chosen)} of the {len(parts['validation'])} that it "
                f"validates on; a score on them has no meaning. Use its split: --split {run.split}"
            )


def check_borrowed(config: Config, digests: Mapping[str, str], groups: Groups) -> None:
    """Check the encoders of other runs where every one of these posts is tested in its turn, or chooses.

    Raises `DataError` if such a run trained or selected on any of them or of their near-duplicates, or is not finished.
    """
    for run in borrowed_runs(config):
        seen, near = _seen(run), _near(run)
        alike = known(groups.marks, near["train"] | near["validation"])
        met = [i for i, digest in digests.items() if digest in seen["train"] | seen["validation"] or i in alike]
        if met:
            raise DataError(
                f"{run.path}: its encoder was trained or chosen on {len(met)} of these {len(digests)} posts (of id "
                f"{met[0]!r} for one) or their near-duplicates, and each of them is to be answered by a model that has "
                "not seen it; name the encoder itself, or a run on other posts"
            )


def _seen(run: RunFolder) -> dict[str, set[str]]:
    if not (run.bundle / SEEN).is_file():
        raise DataError(f"{run.path}: not finished, so its training posts are not known; finish it first")
    return read_seen(run.bundle / SEEN)


def _near(run: RunFolder) -> dict[str, set[str]]:
    """Return the marks of the posts that a run has seen; an older run has none."""
    path = run.bundle / NEAR
    return read_seen(path) if path.is_file() else {"train": set(), "validation": set()}


def _has_split(run: RunFolder, parts: Mapping[str, Sequence[str]]) -> bool:
    there = Split.load(run.split)
    return all(
        set(ids) == set(parts[part])
        for part, ids in (("train", there.train_ids), ("validation", there.validation_ids), ("test", there.test_ids))
    )


def borrowed_seen(config: Config, file: str = SEEN) -> dict[str, set[str]]:
    """Return the digests (or with `NEAR` the marks) of the posts that the encoders of other runs have seen, by part."""
    seen: dict[str, set[str]] = {"train": set(), "validation": set()}
    for run in borrowed_runs(config):
        for part, values in (read_seen(run.bundle / SEEN) if file == SEEN else _near(run)).items():
            seen[part] |= values
    return seen
