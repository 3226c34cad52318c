"""Checks that the optional extras are installed, for commands to call before any work."""

from __future__ import annotations

from importlib.util import find_spec

from moodfuse.errors import MissingExtraError


def require_training() -> None:
    """Raise `MissingExtraError` if PyTorch is not installed: training needs it, prediction does not."""
    if find_spec("torch") is None:
        raise MissingExtraError("training needs PyTorch, which is not installed; pip install 'moodfuse[train]'")


def require_adapting() -> None:
    """Raise `MissingExtraError` if a package that fits a head or writes its graph is not installed."""
    for module in ("sklearn", "scipy", "imagehash", "rapidfuzz", "onnx"):
        if find_spec(module) is None:
            raise MissingExtraError(f"adapting needs {module}, which is not installed; pip install 'moodfuse[adapt]'")


def require_ray() -> None:
    """Raise `MissingExtraError` if Ray, or pyarrow, with which it reads tables, is not installed."""
    for module in ("ray", "pyarrow"):
        if find_spec(module) is None:
            raise MissingExtraError(f"--engine ray needs {module}, which is not installed; pip install 'moodfuse[ray]'")


def require_serving() -> None:
    """Raise `MissingExtraError` if a package that the service needs is not installed."""
    for module in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        if find_spec(module) is None:
            raise MissingExtraError(f"serving needs {module}, which is not installed; pip install 'moodfuse[serve]'")


def require_review() -> None:
    """Raise `MissingExtraError` if a package that `moodfuse review` needs is not installed."""
    for module in ("fastapi", "uvicorn", "prometheus_client", "sklearn", "scipy", "imagehash", "rapidfuzz"):
        if find_spec(module) is None:
            raise MissingExtraError(f"review needs {module}, which is not installed; pip install 'moodfuse[review]'")
