"""The folder of a run, a comparison or a search: the first command claims it, the same command may continue in it."""

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

#: What a folder may be claimed for.
Kind = Literal["run", "comparison", "search"]
#: The option that names the parent folder.
_PARENTS: dict[Kind, str] = {"run": "--runs", "comparison": "--comparisons", "search": "--searches"}
_NAME = re.compile(r"[\w][\w.+-]{0,99}")
_CLAIMS = ".claims"
_TOLD = 3  # most differences between two configurations in a message


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim to `parent/name` for a run, a comparison or a search. Raises `ConfigError` for an invalid name.

    `elsewhere` says in a message what to give for another folder.
    """

    kind: Kind
    parent: Path
    name: str
    elsewhere: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                "--name: expected up to 100 letters, digits, '-', '_', '.' or '+', found "
                f"{self.name[:120]!r}; give another name"
            )

    @property
    def folder(self) -> Path:
        return self.parent / self.name

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Make the folder, and keep other processes from claiming it inside the block."""
        from filelock import FileLock  # training installs it, reports do not need it

        with FileLock(claims_folder(self.folder) / "folder.lock"):
            yield

    def refuse_foreign(self, ours: Collection[str] = ()) -> None:
        """Make the folder. Raises `ConfigError` if it holds anything except hidden files and `ours`."""
        inside = files.make_folder(self.folder).iterdir()
        if foreign := sorted(e.name for e in inside if e.name not in ours and not e.name.startswith(".")):
            here = f"this {self.kind} another --name, or another folder with {_PARENTS[self.kind]}"
            raise ConfigError(
                f"{self.folder}: expected a {self.kind} of moodfuse or a new folder, found a folder with {foreign[0]}; "
                f"give {self.elsewhere or here}"
            )

    def check_posts(self, there: str | None, now: str, what: str = "posts") -> None:
        """Raise `DataError` if the folder's SHA-256 of its posts is different."""
        if there != now:
            raise DataError(f"{self.folder}: holds a {self.kind} on other {what}; {self._remedy}")

    def check_settings(self, there: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
        """Raise `ConfigError` if the folder's settings are different; both mappings have dotted names.

        Both come from whole configurations, with the defaults of this version: a key of one side alone is a difference.
        """
        changed = [
            f"{key}: {_shown(there, key)} there, {_shown(now, key)} now"
            for key in {**there, **now}
            if key not in there or key not in now or there[key] != now[key]
        ]
        if changed:
            raise ConfigError(
                f"{self.folder}: holds a {self.kind} with another configuration ({'; '.join(changed[:_TOLD])}); "
                f"{self._remedy}"
            )

    @property
    def _remedy(self) -> str:
        return f"give {self.elsewhere or 'another --name'}, or delete that folder"


@contextmanager
def working_alone(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a run's folder. Raises `TrainingError` if another training is running there."""
    from filelock import FileLock, Timeout

    # Beside the run's folder, which holds only the files of the run.
    lock = FileLock(claims_folder(folder.parent) / f"{folder.name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TrainingError(
            f"{folder}: another training is running there; wait for it to end, or choose another --name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def claims_folder(folder: Path) -> Path:
    """Return the folder with the locks of the processes that work in `folder`; it is made if it is missing."""
    return files.make_folder(folder / _CLAIMS)


def _shown(settings: Mapping[str, JsonValue], key: str) -> str:
    value = settings.get(key, "not set")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
