"""What a process of the service starts with: it ends with its parent, before anything large is imported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from moodfuse.runtime.parent import end_with_parent
from moodfuse.serve.connections import BoundedConnection
from moodfuse.serve.limits import Settings
from moodfuse.serve.logs import quiet_decoders

if TYPE_CHECKING:
    from moodfuse.serve.guard import Guard

SETTINGS = "MOODFUSE_SERVE"  # environment variable: the settings as JSON, for workers


def app_from_environment() -> Guard:
    """Make the app of a worker process, from what its parent left in the environment."""
    end_with_parent()
    from moodfuse.serve.api import create_app

    quiet_decoders()
    settings = Settings.model_validate_json(os.environ[SETTINGS])
    BoundedConnection.set_limits(settings.limits.connections, settings.limits.idle_seconds)
    return create_app(settings)
