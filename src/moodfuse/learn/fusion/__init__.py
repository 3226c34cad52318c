"""Fusions. Each module of this package is imported here, so that its classes register themselves."""

from importlib import import_module
from pkgutil import iter_modules

from moodfuse.learn.fusion.base import Fusion, Shapes, build_fusion, find_fusion, fusion, fusion_options, fusions

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Fusion", "Shapes", "build_fusion", "find_fusion", "fusion", "fusion_options", "fusions"]
