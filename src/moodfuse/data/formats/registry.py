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
from moodfuse.plugins import TEXT, WHOLE_NUMBER, YES_OR_NO, Declared, Registry, tuple_of

#: Names that formats had before, or elsewhere: they go on meaning the same.
ALIASES = {"report": "guid_tag", "label-studio": "label_studio"}

_T = TypeVar("_T")

_SUFFIX = Declared(
    "like '.csv', lower case", lambda value: isinstance(value, str) and value[:1] == "." and value == value.lower()
)


def _import_own() -> None:
    for module in iter_modules(formats.__path__):
        import_module(f"{formats.__name__}.{module.name}")


@cache
def _instance(cls: type[_T]) -> _T:
    return cls()


_READERS = Registry[Reader](
    "format",
    Reader,
    {"name": TEXT, "priority": WHOLE_NUMBER, "suffixes": tuple_of(_SUFFIX), "splits": YES_OR_NO},
    group="moodfuse.readers",
    import_own=_import_own,
    reserved=ALIASES,
    try_out=_instance,
)
_WRITERS = Registry[Writer](
    "format", Writer, {"name": TEXT}, import_own=_import_own, reserved=ALIASES, try_out=_instance
)
#: Registers a reader class under its `name`.
reader = _READERS.register
#: Registers a writer class under its `name`.
writer = _WRITERS.register


def readers() -> Mapping[str, Reader]:
    """Return every reader by name, in the order in which they are asked whether a path is of their format."""
    ordered = sorted(_READERS.classes().values(), key=lambda cls: (cls.priority, cls.name))
    return {cls.name: _instance(cls) for cls in ordered}


def writers() -> Mapping[str, Writer]:
    """Return every writer by name."""
    return {name: _instance(cls) for name, cls in sorted(_WRITERS.classes().items())}


def format_name(name: str) -> str:
    """Return the name that a format has here, for that name or another one of it."""
    return ALIASES.get(name, name)
