"""Every reader and every writer there is: those of this package, which are found by themselves, and those of plug-ins.

They are looked for when the first of them is asked for, not before: a post on the command line needs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

from moodfuse.data import formats
from moodfuse.data.formats.base import Reader, Writer
from moodfuse.errors import ConfigError
from moodfuse.plugins import TEXT, WHOLE_NUMBER, YES_OR_NO, Declared, check_class, load_plugins, tuple_of

#: Names that formats had before: they go on meaning the same.
ALIASES = {"report": "guid_tag"}

_READERS: dict[str, Reader] = {}
_WRITERS: dict[str, Writer] = {}
_AReader = TypeVar("_AReader", bound=type[Reader])
_AWriter = TypeVar("_AWriter", bound=type[Writer])
_SUFFIX = Declared(
    "like '.csv', lower case", lambda value: isinstance(value, str) and value[:1] == "." and value == value.lower()
)
_OF_A_READER = {"name": TEXT, "priority": WHOLE_NUMBER, "suffixes": tuple_of(_SUFFIX), "splits": YES_OR_NO}


def reader(cls: _AReader) -> _AReader:
    """Register a reader class under its `name`. Raises `ConfigError` for what is none, and for a name that is taken."""
    check_class(cls, Reader, _OF_A_READER)
    _check_free(cls, _READERS)
    _READERS[cls.name] = cls()
    return cls


def writer(cls: _AWriter) -> _AWriter:
    """Register a writer class under its `name`. Raises `ConfigError` for what is none, and for a name that is taken."""
    check_class(cls, Writer, {"name": TEXT})
    _check_free(cls, _WRITERS)
    _WRITERS[cls.name] = cls()
    return cls


def readers() -> Mapping[str, Reader]:
    """Return every reader by name, in the order in which they are asked whether a path is of their format."""
    _load()
    return dict(sorted(_READERS.items(), key=lambda named: (named[1].priority, named[0])))


def writers() -> Mapping[str, Writer]:
    """Return every writer by name."""
    _load()
    return dict(sorted(_WRITERS.items()))


def format_name(name: str) -> str:
    """Return the name that a format has now, for that name or one that it had before."""
    return ALIASES.get(name, name)


@cache
def _load() -> None:
    _import_own()
    load_plugins("moodfuse.readers", reader)


@cache
def _import_own() -> None:
    for module in iter_modules(formats.__path__):
        import_module(f"{formats.__name__}.{module.name}")


def _check_free(cls: type[Reader | Writer], known: Mapping[str, Reader | Writer]) -> None:
    if not cls.__module__.startswith("moodfuse."):
        _import_own()  # a plug-in that is imported before the first look-up takes no name of theirs
    if cls.name in ALIASES or (cls.name in known and type(known[cls.name]) is not cls):
        raise ConfigError(f"two formats are called {cls.name!r}")
