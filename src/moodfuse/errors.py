"""The errors that moodfuse raises on purpose; the command line prints each as a single line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MoodfuseError(Exception):
    """An error that the user can fix. Its message says what was expected, what was found, where, and what to do."""


class DataError(MoodfuseError):
    """The posts, or a file that describes them, are not what was expected."""


class ConfigError(MoodfuseError):
    """A setting has a bad value, or a setting, fusion, encoder or recipe of that name does not exist."""


class BundleError(MoodfuseError):
    """A bundle is missing, incomplete, altered or of a format that this version cannot read."""


class OutputError(MoodfuseError):
    """A result cannot be written where it should go."""


class TrainingError(MoodfuseError):
    """Training cannot continue, or its result is not valid."""


class DivergedError(TrainingError):
    """The loss of a training is no longer finite: these settings diverge, others may not."""


class MissingExtraError(MoodfuseError):
    """A command needs packages of an optional extra that is not installed."""


def in_a_line(error: BaseException) -> str:
    """Return an error's message in one line of at most 200 characters; the name of its type if it has no message."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def suggest(name: str, known: Iterable[str], *, what: str) -> str:
    """Return a line about an unknown `name`, with the nearest known names, or all names if none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"unknown {what} {name!r}; did you mean {' or '.join(near)}?"
    return f"unknown {what} {name!r}; known: {', '.join(known)}"
