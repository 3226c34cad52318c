"""The label set, its order, and the way between names and ids: the only place that knows them."""

from __future__ import annotations

from dataclasses import dataclass

from moodfuse.errors import ConfigError, DataError, suggest

#: What a file writes where a post has no label.
UNLABELLED = frozenset({"", "null", "none", "nan"})


@dataclass(frozen=True, slots=True)
class Labels:
    """An ordered set of label names; a label's id is its place in that order."""

    names: tuple[str, ...] = ("negative", "neutral", "positive")

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise ConfigError(f"labels: expected two or more different names, found {list(self.names)}")
        if bad := [name for name in self.names if name.strip().lower() in UNLABELLED]:
            raise ConfigError(f"labels: {bad[0]!r} means 'unlabelled' in data files and cannot be a label")

    def __len__(self) -> int:
        return len(self.names)

    def id(self, name: str) -> int:
        """Return the id of a label that `parse` has accepted."""
        return self.names.index(name)

    def parse(self, raw: str | None, *, where: str) -> str | None:
        """Return the label that `raw` names, `None` where it says unlabelled.

        Case and surrounding blanks are forgiven, spelling is not: a misspelt label must never
        become a class of its own. Raises `DataError`, naming `where`, for anything else.
        """
        value = (raw or "").strip().lower()
        if value in UNLABELLED:
            return None
        for name in self.names:
            if value == name.lower():
                return name
        raise DataError(f"{where}: {suggest(str(raw).strip(), self.names, what='label')}")


#: negative, neutral, positive, in that order.
SENTIMENT = Labels()
