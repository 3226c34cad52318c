"""Plug-ins: fusions, readers and encoders of other packages, found by their entry points."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Mapping
from importlib import metadata
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from moodfuse.errors import ConfigError, in_a_line

LOG = logging.getLogger("moodfuse.plugins")

#: The groups of entry points that moodfuse looks at.
Group = Literal["moodfuse.fusions", "moodfuse.readers", "moodfuse.encoders"]

_Base = TypeVar("_Base")
_Class = TypeVar("_Class", bound=type)


def load_plugins(group: Group, register: Callable[[Any], object]) -> None:
    """Load every entry point of `group` and pass the loaded object to `register`.

    A plug-in that cannot be loaded or registered is left out with a warning: no command fails because of it.
    """
    for entry in metadata.entry_points(group=group):
        try:
            register(entry.load())
        except (Exception, SystemExit) as error:
            package = entry.dist.name if entry.dist else "an unknown package"
            LOG.warning("plug-in %s of %s (%s) is left out: %s", entry.name, package, group, describe(error))


def describe(error: BaseException) -> str:
    """Return the type and message of an error of a plug-in in one line of at most 200 characters."""
    kind, message = type(error).__name__, in_a_line(error)
    return kind if message == kind else f"{kind}: {message}"[:200]


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


class Registry(Generic[_Base]):
    """Classes by name: moodfuse's own, and those of plug-ins.

    `what` is such a class in messages ("fusion"), and `declared` says what its attributes must be. `import_own` imports
    the modules whose classes register themselves, unless their package does so. Names in `reserved` are not free, and
    what `try_out` raises of a class keeps it out. Without a `group` of entry points there are no plug-ins.
    """

    def __init__(
        self,
        what: str,
        base: type,
        declared: Mapping[str, Declared],
        *,
        group: Group | None = None,
        import_own: Callable[[], object] = lambda: None,
        reserved: Container[str] = (),
        try_out: Callable[[Any], object] = lambda cls: None,
    ) -> None:
        self._what, self._base, self._declared = what, base, declared
        self._group, self._import_own, self._reserved, self._try_out = group, import_own, reserved, try_out
        self._classes: dict[str, type[_Base]] = {}
        self._complete = False

    def register(self, cls: _Class) -> _Class:
        """Register a class under its `name`.

        Raises `ConfigError` if it is none of its kind, lacks a required member, or has a name that is taken.
        """
        check_class(cls, self._base, self._declared)
        if not cls.__module__.startswith("moodfuse."):
            self._import_own()  # a plug-in that is imported before the first look-up takes no name of theirs
        name = cls.name  # type: ignore[attr-defined]  # it is declared: checked above
        holder: Any = self._classes.get(name, cls)
        if name in self._reserved or holder is not cls:
            raise ConfigError(f"two {self._what}s are called {name!r}")
        self._try_out(cls)
        self._classes[name] = cls
        return cls

    def classes(self) -> dict[str, type[_Base]]:
        """Return every class by name. The first call loads the plug-ins.

        They are not loaded as moodfuse's package is imported: a plug-in imports it, too, and would find it half done.
        """
        if not self._complete:
            self._complete = True  # before they are loaded, since a plug-in may look another up
            self._import_own()
            if self._group:
                load_plugins(self._group, self.register)
        return self._classes
