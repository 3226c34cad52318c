"""Commands that need an extra say so first, in one line, before anything half-works."""

from __future__ import annotations

from importlib.util import find_spec

from moodfuse.errors import MissingExtraError


def require_training() -> None:
    """Raise `MissingExtraError` where PyTorch is not installed: prediction lives without it, training does not."""
    if find_spec("torch") is None:
        raise MissingExtraError("training needs PyTorch, which is not installed; pip install 'moodfuse[train]'")


def require_ray() -> None:
    """Raise `MissingExtraError` where Ray, or what it reads tables with, is not installed."""
    for module in ("ray", "pyarrow"):
        if find_spec(module) is None:
            raise MissingExtraError(f"--engine ray needs {module}, which is not installed; pip install 'moodfuse[ray]'")


def require_serving() -> None:
    """Raise `MissingExtraError` where what the service runs on is not installed."""
    for module in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        if find_spec(module) is None:
            raise MissingExtraError(f"serving needs {module}, which is not installed; pip install 'moodfuse[serve]'")
