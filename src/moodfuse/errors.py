"""Every error that moodfuse raises on purpose; the command line turns each into one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MoodfuseError(Exception):
    """Something the user can mend: what was expected, what was found, where, what to do."""


class DataError(MoodfuseError):
    """The posts, or a file that describes them, are not what was expected."""


class ConfigError(MoodfuseError):
    """A setting, or the name of a fusion, encoder or recipe, is not one that exists."""


class BundleError(MoodfuseError):
    """A bundle is missing, incomplete, altered or of a format this version does not read."""


class OutputError(MoodfuseError):
    """A result cannot be written where it should go."""


class TrainingError(MoodfuseError):
    """Training cannot go on, or its result does not hold."""


class DivergedError(TrainingError):
    """The loss of a training is no longer a number: these settings lead nowhere, others may."""


class MissingExtraError(MoodfuseError):
    """A command needs packages that only an optional extra installs."""


def suggest(name: str, known: Iterable[str], *, what: str) -> str:
    """Return one line for an unknown `name`: the nearest known names first, else all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"unknown {what} {name!r}; did you mean {' or '.join(near)}?"
    return f"unknown {what} {name!r}; known: {', '.join(known)}"
