"""The folder of a run, a comparison or a search: claimed by the first that makes it, gone on in by the same again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from moodfuse import files
from moodfuse.errors import ConfigError, DataError, TrainingError

#: What has a folder of its own.
Kind = Literal["run", "comparison", "search"]
#: The option that names the folder around it.
_PARENTS: dict[Kind, str] = {"run": "--runs", "comparison": "--comparisons", "search": "--searches"}
_NAME = re.compile(r"[\w][\w.+-]{0,99}")
_CLAIMS = ".claims"
_TOLD = 3  # differences between two configurations, at most


@dataclass(frozen=True, slots=True)
class Claim:
    """`parent/name`, wanted for a run, a comparison or a search. Raises `ConfigError` for a name that is none."""

    kind: Kind
    parent: Path
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                "--name: expected up to 100 letters, digits, '-', '_', '.' or '+', found "
                f"{self.name[:120]!r}; name another"
            )

    @property
    def folder(self) -> Path:
        return self.parent / self.name

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Make the folder, and let no other process decide at the same time who has it."""
        from filelock import FileLock  # a training's dependency, not a report's

        with FileLock(claims_folder(self.folder) / "folder.lock"):
            yield

    def refuse_foreign(self, ours: Collection[str] = ()) -> None:
        """Make the folder. Raises `ConfigError` where it holds anything but hidden files and `ours`."""
        inside = files.make_folder(self.folder).iterdir()
        if foreign := sorted(e.name for e in inside if e.name not in ours and not e.name.startswith(".")):
            raise ConfigError(
                f"{self.folder}: expected a {self.kind} of moodfuse or a new folder, found one with {foreign[0]}; give "
                f"this {self.kind} another --name, or another folder with {_PARENTS[self.kind]}"
            )

    def check_posts(self, there: str | None, now: str, what: str = "posts") -> None:
        """Raise `DataError` where the folder's SHA-256 of its posts is another."""
        if there != now:
            raise DataError(f"{self.folder}: holds a {self.kind} on other {what}; {_REMEDY}")

    def check_settings(self, there: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
        """Raise `ConfigError` where the folder's settings are others; both have dotted names."""
        changed = [
            f"{key}: {_shown(there.get(key))} there, {_shown(value)} now"
            for key, value in now.items()
            if there.get(key) != value
        ]
        if changed:
            raise ConfigError(
                f"{self.folder}: holds a {self.kind} with another configuration ({'; '.join(changed[:_TOLD])}); "
                f"{_REMEDY}"
            )


_REMEDY = "give this one another --name, or delete that folder"


@contextmanager
def working_alone(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a run's folder. Raises `TrainingError` where one is at work there already."""
    from filelock import FileLock, Timeout

    # Beside the run, whose folder holds what a run leaves and nothing else.
    lock = FileLock(claims_folder(folder.parent) / f"{folder.name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TrainingError(
            f"{folder}: another training is at work there; wait for it to end, or choose another --name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def claims_folder(folder: Path) -> Path:
    """Return the folder that holds the locks of the processes at work in `folder`, made where it is not there."""
    return files.make_folder(folder / _CLAIMS)


def _shown(value: JsonValue) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
