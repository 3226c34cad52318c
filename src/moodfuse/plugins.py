"""Plug-ins: fusions, readers and encoders of other packages, found by their entry points."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import metadata
from typing import Any, Literal

LOG = logging.getLogger("moodfuse.plugins")

#: The groups of entry points that moodfuse looks at.
Group = Literal["moodfuse.fusions", "moodfuse.readers", "moodfuse.encoders"]


def load_plugins(group: Group, register: Callable[[Any], object]) -> None:
    """Load every entry point of `group` and pass the loaded object to `register`.

    A plug-in that cannot be loaded or registered is left out with a warning: no command fails because of it.
    """
    for entry in metadata.entry_points(group=group):
        try:
            register(entry.load())
        except (Exception, SystemExit) as error:
            package = entry.dist.name if entry.dist else "an unknown package"
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            LOG.warning("plug-in %s of %s (%s) is left out: %s", entry.name, package, group, reason)
