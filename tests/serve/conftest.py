"""A service on the trained bundle, in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.api import create_app
from moodfuse.serve.limits import Limits, Settings


@pytest.fixture(scope="session")
def predictor(trained_run: Path) -> Predictor:
    return Predictor.load(trained_run, threads=1)


@pytest.fixture(scope="session")
def serving(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Give a context manager that serves the bundle to a test client, with other limits or settings if asked."""

    @contextmanager
    def start(limits: dict[str, Any] | None = None, **settings: Any) -> Iterator[TestClient]:
        folder = tmp_path_factory.mktemp("service")
        chosen = {"bundle": trained_run, "page": False, "threads": 1} | settings
        app = create_app(Settings(folder=folder, limits=Limits(**(limits or {})), **chosen))
        with TestClient(app, raise_server_exceptions=False) as client:
            client.folder = folder  # type: ignore[attr-defined]
            yield client
        assert not any(folder.rglob("*.*")), "files of requests are left behind"

    return start


@pytest.fixture(scope="session")
def client(serving: Callable[..., Any]) -> Iterator[TestClient]:
    with serving() as one:
        yield one
