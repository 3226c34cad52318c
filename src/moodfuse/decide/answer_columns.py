"""Which columns of a file of answers hold what: the one place that knows how an answer is found again."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moodfuse.data.formats.base import PREDICTING, Role
from moodfuse.data.formats.columns import assign_columns
from moodfuse.errors import DataError, suggest

_P = re.compile(r"(?:moodfuse_)*p_(.+)", re.IGNORECASE)
_BEFORE = "moodfuse_"


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """The names of an answer's columns: those of its probabilities by label, or the one that holds all of them.

    All others are empty where somebody took them out.
    """

    probabilities: Mapping[str, str]
    together: str
    used: str
    status: str
    needs_review: str
    label: str
    confidence: str
    details: str

    @property
    def names(self) -> frozenset[str]:
        """All columns that hold the answer: the rest are those of the post."""
        shares = (self.together,) if self.together else self.probabilities.values()
        others = (self.used, self.status, self.needs_review, self.label, self.confidence, self.details)
        return frozenset(filter(None, (*shares, *others)))

    def values(self, fields: Mapping[str, Any]) -> list[Any] | None:
        """Return a post's probabilities as they stand, `None` where there are none; labels in their order."""
        if not self.together:
            return [fields.get(name) for name in self.probabilities.values()]
        found = fields.get(self.together)
        return [found.get(label) for label in self.probabilities] if isinstance(found, Mapping) else None


def find_answer(fields: Mapping[str, Any], where: str) -> AnswerColumns:
    """Return where the answer stands in a file whose first post has these `fields`. Raises `DataError` for none.

    Where the input had a column of that name, the answer's is called `moodfuse_NAME`: the last of them is the answer.
    """
    names = list(fields)
    together = _latest("probabilities", names)
    if together and isinstance(given := fields[together], Mapping) and len(given) >= 2:
        labels = {str(label): str(label) for label in given}
    else:
        together, labels = "", _probability_columns(names)
    if len(labels) < 2:
        shown = ", ".join(repr(name[:40]) for name in names[:8]) + (" ..." if len(names) > 8 else "")
        raise DataError(
            f"{where}: expected the probabilities that `moodfuse predict` writes (p_negative, p_neutral, p_positive), "
            f"found the columns {shown}; give what predict wrote, whole"
        )
    plain = ("used", "status", "needs_review", "label", "confidence", "details")
    return AnswerColumns(labels, together, **{name: _latest(name, names) for name in plain})


def find_column(wanted: str, names: Collection[str], where: str, option: str) -> str:
    """Return the column that is meant, whatever its case. Raises `DataError`, which names the `option`, for none."""
    for name in names:
        if name == wanted:
            return name
    for name in names:
        if name.strip().lower() == wanted.strip().lower():
            return name
    raise DataError(f"{where}: {option}: {suggest(wanted, names, what='column')}")


def role_columns(fields: Mapping[str, Any], columns: Mapping[Role, str], where: str) -> dict[Role, list[str]]:
    """Return which columns of answers hold the posts' text and images; none where there are none.

    `columns` says it where names do not tell.
    """
    names = list(fields)
    named = {role: name for role, name in columns.items() if name in names}
    found = assign_columns(names, where, replace(PREDICTING, columns=named, answers=True))
    columns_of: dict[Role, list[str]] = {role: [names[place]] for role, place in found.places.items()}
    columns_of.setdefault("image", []).extend(names[place] for place in found.more_images)
    return columns_of


def parts(value: Any) -> list[str]:
    """Return the words of a cell, which is a list, or text with bars between."""
    if isinstance(value, str):
        return value.split("|") if value else []
    return [str(part) for part in value] if isinstance(value, list | tuple) else []


def number(value: Any) -> float:
    """Return a cell's number, whatever its decimal sign; NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        return float(str(value).replace(",", "."))
    except ValueError:
        return float("nan")


def _latest(plain: str, names: Sequence[str]) -> str:
    """Return the column of the answer that is called `plain`, or has `moodfuse_` before it; "" where there is none."""
    found = [name for name in names if re.fullmatch(f"(?:{_BEFORE})*{plain}", name, re.IGNORECASE)]
    return max(found, key=len, default="")


def _probability_columns(names: Sequence[str]) -> dict[str, str]:
    """Return the columns of probabilities by label: those that stand together before `used`, else all there are."""
    matches = {name: found[1] for name in names if (found := _P.fullmatch(name))}
    used, block = _latest("used", names), dict[str, str]()
    for name in reversed(names[: names.index(used)] if used else []):
        if name in matches:
            block[matches[name]] = name
        elif not name.lower().endswith("confidence"):
            break
    return dict(reversed(block.items())) if len(block) > 1 else {label: name for name, label in matches.items()}
