"""Every reader and every writer there is: those of this package, which are found by themselves, and those of plug-ins.

They are looked for when the first of them is asked for, not before: a post on the command line needs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from moodfuse.data import formats
from moodfuse.data.formats.base import Reader, Writer
from moodfuse.errors import ConfigError
from moodfuse.plugins import load_plugins

#: Names that formats had before: they go on meaning the same.
ALIASES = {"report": "guid_tag"}

_READERS: dict[str, Reader] = {}
_WRITERS: dict[str, Writer] = {}
_AReader = TypeVar("_AReader", bound=type[Reader])
_AWriter = TypeVar("_AWriter", bound=type[Writer])


def reader(cls: _AReader) -> _AReader:
    """Register a reader class under its `name`. Raises `ConfigError` for what is none, and for a name that is taken."""
    _check(cls, Reader, _READERS)
    _READERS[cls.name] = cls()
    return cls


def writer(cls: _AWriter) -> _AWriter:
    """Register a writer class under its `name`. Raises `ConfigError` for what is none, and for a name that is taken."""
    _check(cls, Writer, _WRITERS)
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
    for module in iter_modules(formats.__path__):
        import_module(f"{formats.__name__}.{module.name}")
    load_plugins("moodfuse.readers", reader)


def _check(cls: Any, kind: type[Reader | Writer], known: Mapping[str, Reader | Writer]) -> None:
    if not (isinstance(cls, type) and issubclass(cls, kind)):
        raise ConfigError(f"expected a subclass of {kind.__name__}, found {cls!r}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{cls.__name__}: expected a name for its format as the class attribute `name`")
    if issubclass(cls, Reader) and not isinstance(cls.priority, int):
        raise ConfigError(f"{cls.__name__}: expected a whole number as `priority`, found {cls.priority!r}")
    if name in ALIASES or (name in known and type(known[name]) is not cls):
        raise ConfigError(f"two formats are called {name!r}")
