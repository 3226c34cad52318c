"""Plug-ins: fusions, readers and encoders of other packages, found by their entry points."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, Literal, NamedTuple

from moodfuse.errors import ConfigError

LOG = logging.getLogger("moodfuse.plugins")

#: The groups of entry points that moodfuse looks at.
Group = Literal["moodfuse.fusions", "moodfuse.readers", "moodfuse.encoders"]
_LOADING: set[Group] = set()


def load_plugins(group: Group, register: Callable[[Any], object]) -> None:
    """Load every entry point of `group` and pass the loaded object to `register`.

    A plug-in that cannot be loaded or registered is left out with a warning: no command fails because of it.
    """
    if group in _LOADING:  # a plug-in that looks up another one while it is imported
        return
    _LOADING.add(group)
    try:
        for entry in metadata.entry_points(group=group):
            try:
                register(entry.load())
            except (Exception, SystemExit) as error:
                package = entry.dist.name if entry.dist else "an unknown package"
                LOG.warning("plug-in %s of %s (%s) is left out: %s", entry.name, package, group, describe(error))
    finally:
        _LOADING.discard(group)


def describe(error: BaseException) -> str:
    """Return the type and message of an error of a plug-in in one line of at most 200 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


class Declared(NamedTuple):
    """What a class attribute must be: in words, and as a test of its value."""

    words: str
    holds: Callable[[Any], bool]


TEXT = Declared("a text", lambda value: isinstance(value, str) and bool(value))
YES_OR_NO = Declared("True or False", lambda value: isinstance(value, bool))
WHOLE_NUMBER = Declared("a whole number", lambda value: type(value) is int)


def one_of(*allowed: str) -> Declared:
    """Return the declaration of a text out of `allowed`."""
    return Declared(" or ".join(allowed), lambda value: isinstance(value, str) and value in allowed)


def tuple_of(item: Declared, *, least: int = 0) -> Declared:
    """Return the declaration of a tuple of at least `least` such items."""
    return Declared(
        f"a tuple, each item {item.words},",
        lambda value: isinstance(value, tuple) and len(value) >= least and all(map(item.holds, value)),
    )


def check_class(cls: Any, base: type, declared: Mapping[str, Declared]) -> None:
    """Check that `cls` is a finished subclass of `base`, and each class attribute what it is `declared` to be.

    Raises `ConfigError` otherwise: what a plug-in lacks is found as it is registered, not where a command uses it.
    """
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ConfigError(f"expected a subclass of {base.__name__}, found {cls!r}")
    if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
        raise ConfigError(f"{cls.__name__} lacks {', '.join(lacking)}")
    for name, (words, holds) in declared.items():
        value = getattr(cls, name, None)
        if not holds(value):
            raise ConfigError(f"{cls.__name__}: expected {words} as its {name}, found {value!r}")
