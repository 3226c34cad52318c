"""Fusions. Every module of this package is imported here, so that its classes register themselves."""

from importlib import import_module
from pkgutil import iter_modules

from moodfuse.learn.fusion.base import FUSIONS, Fusion, Shapes, build_fusion, find_fusion, fusion, fusion_options

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["FUSIONS", "Fusion", "Shapes", "build_fusion", "find_fusion", "fusion", "fusion_options"]
