"""Which posts train, which validate and which test: fixed once, before anything is fitted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from moodfuse.config import SplitConfig
from moodfuse.data.duplicates import Groups, group_duplicates
from moodfuse.data.folds import LEAST_FOLDS, Deck
from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.records import Records
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, DataError, in_a_line, suggest
from moodfuse.files import write_json
from moodfuse.labels import SENTIMENT, Labels

#: The fold that a part named in a user's file becomes.
PARTS = {"test": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "train": 2}


@dataclass(frozen=True, slots=True)
class Split:
    """Every labelled post's fold, and what the folds are for."""

    #: id -> fold
    folds: Mapping[str, int]
    #: folds that test
    test: tuple[int, ...] = (0,)
    #: folds that validate; all others train
    validation: tuple[int, ...] = (1,)
    #: seed that the folds were drawn with
    seed: int = 0
    #: where the folds come from: "made", or the file they were read from
    origin: str = "made"
    #: ids in that file that stand for no labelled post
    ignored: int = 0

    def __post_init__(self) -> None:
        if both := set(self.test) & set(self.validation):
            raise DataError(f"split: fold {min(both)} both tests and validates; give it one role")

    @property
    def parts(self) -> dict[str, str]:
        """id -> "train", "validation" or "test"."""
        role = dict.fromkeys(self.validation, "validation") | dict.fromkeys(self.test, "test")
        return {id: role.get(fold, "train") for id, fold in self.folds.items()}

    @property
    def train_ids(self) -> list[str]:
        return self._ids("train")

    @property
    def validation_ids(self) -> list[str]:
        return self._ids("validation")

    @property
    def test_ids(self) -> list[str]:
        return self._ids("test")

    @property
    def sha256(self) -> str:
        """Digest of who is in which fold and what the folds are for; seed and origin do not count."""
        content = {"folds": dict(self.folds), "test": sorted(self.test), "validation": sorted(self.validation)}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the split as JSON, whole or not at all. Raises `OutputError` where that cannot be done."""
        content = {
            "format": 1,
            "seed": self.seed,
            "origin": self.origin,
            "ignored": self.ignored,
            "test": self.test,
            "validation": self.validation,
            "sha256": self.sha256,
            "folds": dict(self.folds),
        }
        write_json(path, content)

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read what `save` wrote. Raises `DataError` where the file is missing, of another kind, or altered."""
        return _from_json(_read_json(path), path)

    def _ids(self, part: str) -> list[str]:
        return [id for id, its_part in self.parts.items() if its_part == part]


def make_split(
    posts: Posts,
    *,
    folds: int = 10,
    seed: int = 0,
    groups: Groups | None = None,
    labels: Labels = SENTIMENT,
    settable: bool = True,
) -> Split:
    """Deal the labelled posts into folds: stratified by label, near-duplicates never parted.

    Fold 0 tests, fold 1 validates, the rest train. Where a seed leaves a part without some class, the next
    seed is tried; the split holds the one that was used. `groups=None` looks for the near-duplicates itself.
    Raises `DataError` where there are too few posts, groups or classes; where `settable`, it says with which
    `split.folds` they would do.
    """
    if folds < LEAST_FOLDS:
        raise ConfigError(f"split.folds: expected 3 or more (test, validation, train), found {folds}")
    labelled = posts.labelled()
    groups = groups or group_duplicates(labelled)
    truth = [str(label) for label in labelled.labels]
    deck = Deck(truth, [groups.group_of[id] for id in labelled.ids], labelled.source)
    deck.check_labels(labels)
    if (found := deck.deal(folds, seed)) is None:
        raise deck.too_few(folds, seed, settable=settable)
    dealt, used = found
    return Split(dict(zip(labelled.ids, dealt, strict=True)), seed=used)


def make_validation_split(
    posts: Posts, size: float, *, seed: int = 0, groups: Groups | None = None, labels: Labels = SENTIMENT
) -> Split:
    """Draw `size` labelled posts, a share below 1 or a number, that validate; all others train, and none tests.

    Stratified by label, near-duplicates never parted. Raises `DataError` where a label would be in one part alone.
    """
    labelled = posts.labelled()
    groups = groups or group_duplicates(labelled)
    truth = [str(label) for label in labelled.labels]
    deck = Deck(truth, [groups.group_of[id] for id in labelled.ids], labelled.source)
    deck.check_labels(labels)
    drawn = deck.draw(size, seed)
    parts = {"validate": {t for t, there in zip(truth, drawn, strict=True) if there}}
    parts["train"] = {t for t, there in zip(truth, drawn, strict=True) if not there}
    for part, seen in parts.items():
        if lacking := [name for name in labels.names if name not in seen]:
            raise DataError(
                f"{labelled.source}: split.validation={size:g} of {len(truth)} posts: no post of label {lacking[0]!r} "
                f"would {part}; give another size"
            )
    folds = {id: PARTS["validation" if there else "train"] for id, there in zip(labelled.ids, drawn, strict=True)}
    return Split(folds, test=(), seed=seed)


def split_as(posts: Posts, wanted: SplitConfig, groups: Groups, labels: Labels) -> Split:
    """Return the split that a configuration asks for: folds, or posts that validate and none that tests."""
    if wanted.validation:
        return make_validation_split(posts, wanted.validation, seed=wanted.seed, groups=groups, labels=labels)
    return make_split(posts, folds=wanted.folds, seed=wanted.seed, groups=groups, labels=labels)


def read_split(path: Path, posts: Posts) -> Split:
    """Read a split that the user brings, for exactly the labelled posts among `posts`.

    A table of text, as those of posts: columns `id` (or `guid`) and `split` (train, validation, test ...) or `fold`
    (0 tests, 1 validates). JSON: our own `split.json`, {id: part or fold}, or a list of such rows. Near-duplicates
    are not moved: see `straddling`. Raises `DataError` naming the line for what cannot be understood, and where a
    labelled post or a whole part is missing.
    """
    wanted = posts.labelled().ids
    if path.suffix.lower() == ".json":
        content = _read_json(path)
        if isinstance(content, dict) and isinstance(content.get("folds"), dict):
            split = _from_json(content, path)
        else:
            split = Split(_collect(_json_rows(content, path), path), origin=str(path))
    else:
        split = Split(_collect(_csv_rows(path), path), origin=str(path))
    if missing := [id for id in wanted if id not in split.folds]:
        raise DataError(
            f"{path}: says nothing of {len(missing)} labelled posts, the first {missing[0]!r}; "
            "give every labelled post a part"
        )
    kept = replace(split, folds={id: split.folds[id] for id in wanted}, ignored=len(split.folds) - len(wanted))
    if empty := sorted({"train", "validation", "test"} - set(kept.parts.values())):
        raise DataError(f"{path}: expected posts in train, validation and test, found none in {' or '.join(empty)}")
    return kept


def _read_json(path: Path) -> Any:
    def refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if result.setdefault(key, value) != value:
                raise DataError(f"{path}: {key!r} stands there twice, with {result[key]!r} and {value!r}; keep one")
        return result

    try:
        return json.loads(_read_text(path), object_pairs_hook=refuse_twins)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: expected JSON, found something else in line {error.lineno} ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise DataError(f"{path}: cannot be read as JSON ({in_a_line(error)})") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a split file ({' '.join(str(error).split())})") from None


def _from_json(content: Any, path: Path) -> Split:
    try:
        split = Split(
            {str(id): int(fold) for id, fold in content["folds"].items()},
            tuple(int(fold) for fold in content["test"]),
            tuple(int(fold) for fold in content["validation"]),
            int(content["seed"]),
            str(content["origin"]),
            int(content.get("ignored", 0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: expected a split.json with folds, test, validation, seed and origin ({error!r})"
        ) from None
    if content.get("sha256", split.sha256) != split.sha256:
        raise DataError(
            f"{path}: its folds are not those it was saved with: restore it, or delete its line `sha256` if you mean it"
        )
    return split


def _csv_rows(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield (where, id, part or fold) of a table, read as tables of posts are."""
    if path.is_file() and path.stat().st_size == 0:
        return
    try:
        table = Records.of(path, ",", PREDICTING)
    except DataError as error:
        raise DataError(f"{path}: cannot be read as a split file ({str(error).removeprefix(f'{path}: ')})") from None
    header = next(table).values
    for line, values, _ in table:
        yield _row(dict(zip_longest(header, values[: len(header)])), f"line {line}", path)


def _json_rows(content: Any, path: Path) -> Iterator[tuple[str, str, Any]]:
    if isinstance(content, dict):
        yield from ((f"id {id!r}", id, part) for id, part in content.items())
    elif isinstance(content, list) and all(isinstance(row, dict) for row in content):
        yield from (_row(row, f"entry {number}", path) for number, row in enumerate(content, start=1))
    else:
        raise DataError(f"{path}: expected {{id: part}} or a list of rows with id and split, found something else")


def _row(row: Mapping[Any, Any], where: str, path: Path) -> tuple[str, str, Any]:
    fields = {str(key).strip().lower(): value for key, value in row.items()}
    id = next((fields[key] for key in ("id", "guid") if fields.get(key) is not None), None)
    part = next((fields[key] for key in ("split", "fold") if fields.get(key) is not None), None)
    if id is None or part is None:
        raise DataError(
            f"{path}: {where}: expected id (or guid) and split (or fold), found {', '.join(map(str, row)) or 'nothing'}"
        )
    return where, str(id).strip(), part


def _collect(rows: Iterable[tuple[str, str, Any]], path: Path) -> dict[str, int]:
    folds: dict[str, int] = {}
    named: set[bool] = set()  # does the file speak of parts by name, of folds by number, or of both?
    for where, id, part in rows:
        word = str(part).strip().lower()
        named.add(not word.isdecimal())
        if word not in PARTS and not word.isdecimal():
            raise DataError(f"{path}: {where}: {suggest(str(part), PARTS, what='part')}")
        fold = PARTS[word] if word in PARTS else int(word)
        if folds.setdefault(id, fold) != fold:
            raise DataError(f"{path}: {where}: id {id!r} is in two parts; keep one")
        if len(named) > 1:
            raise DataError(f"{path}: {where}: expected names of parts or numbers of folds, found both")
    return folds
