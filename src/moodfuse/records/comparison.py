"""The folder of a comparison: `comparisons/NAME/`, and whether a comparison may go on there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from moodfuse import files
from moodfuse.data.duplicates import Groups
from moodfuse.data.splits import Split
from moodfuse.errors import ConfigError, DataError
from moodfuse.labels import Labels
from moodfuse.records.cells import FORMAT, CellKey


@dataclass(frozen=True, slots=True)
class ComparisonFolder:
    """The paths of one comparison, and what it compares."""

    path: Path
    plan: Mapping[str, Any]

    @property
    def split(self) -> Path:
        return self.path / "split.json"

    @property
    def groups(self) -> Path:
        return self.path / "groups.json"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def robustness(self) -> Path:
        return self.path / "robustness.json"

    @property
    def labels(self) -> Labels:
        return Labels(tuple(self.plan["labels"]))

    def cells(self) -> list[CellKey]:
        """Return every cell of the plan, whole seeds first."""
        names = [model["name"] for model in self.plan["models"]]
        return sorted(
            CellKey(s, f, name) for s in self.plan["seeds"] for f in range(self.plan["folds"]) for name in names
        )

    def todo(self) -> list[CellKey]:
        """Return the cells that are not there yet."""
        return [key for key in self.cells() if not key.is_done(self.path)]


def open_comparison(
    comparisons: Path, name: str, plan: Mapping[str, Any], split: Split, groups: Groups
) -> ComparisonFolder:
    """Make the comparison's folder, or go on in it where it compares the same models on the same posts.

    Raises `ConfigError` where it compares something else, `DataError` where its posts are others.
    """
    if not re.fullmatch(r"[\w][\w.+-]{0,99}", name):
        raise ConfigError(
            f"--name: expected up to 100 letters, digits, '-', '_', '.' or '+', found {name[:120]!r}; name another"
        )
    path = comparisons / name
    with FileLock(files.make_folder(path / ".claims") / "folder.lock"):
        if (path / "comparison.json").is_file():
            there = load_comparison(path)
            _check_same(path, there.plan, plan)
            return there
        if foreign := sorted(entry.name for entry in path.iterdir() if not _is_ours(entry)):
            raise ConfigError(
                f"{path}: expected a comparison of moodfuse or a new folder, found one with {foreign[0]}; give this "
                "comparison another --name, or another folder with --comparisons"
            )
        split.save(path / "split.json")
        groups.save(path / "groups.json")
        files.write_json(path / "comparison.json", plan)
        return ComparisonFolder(path, plan)


def _is_ours(entry: Path) -> bool:
    """Return whether a folder without a plan may hold it: what is written before the plan."""
    return entry.name.startswith(".") or entry.name in ("split.json", "groups.json")


def load_comparison(path: Path) -> ComparisonFolder:
    """Open a comparison's folder. Raises `DataError` where it is none, or of a format this version does not read."""
    try:
        plan = json.loads((path / "comparison.json").read_text("utf-8"))
        number = plan["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected the folder of a comparison, found none ({' '.join(str(error).split())[:120]})"
        ) from None
    if number != FORMAT:
        raise DataError(f"{path}: expected a comparison of format {FORMAT}, found {number!r}; use the version it is of")
    return ComparisonFolder(path, plan)


def _check_same(path: Path, there: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if there["data"]["sha256"] != now["data"]["sha256"]:
        raise DataError(
            f"{path}: holds a comparison on other posts; give this one another --name, or delete that folder"
        )
    for key in ("seeds", "folds", "trials", "labels"):
        _check_equal(path, key, there[key], now[key])
    old, new = ({model["name"]: model for model in plan["models"]} for plan in (there, now))
    _check_equal(path, "models", list(old), list(new))
    for name in old:
        for key, value in _flat(new[name]).items():
            _check_equal(path, f"{name}: {key.removeprefix('config.')}", _flat(old[name]).get(key), value)


def _check_equal(path: Path, what: str, there: Any, now: Any) -> None:
    if there != now:
        there, now = (", ".join(map(str, one)) if isinstance(one, list) else one for one in (there, now))
        raise ConfigError(
            f"{path}: holds a comparison with another configuration ({what}: {there} there, {now} now); give this one "
            "another --name, or delete that folder"
        )


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else {prefix + key: item}
    return flat
