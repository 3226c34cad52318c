"""Fusions. Each module of this package and each plug-in is imported here, so that its classes register themselves."""

from importlib import import_module
from pkgutil import iter_modules

from moodfuse.learn.fusion.base import FUSIONS, Fusion, Shapes, build_fusion, find_fusion, fusion, fusion_options
from moodfuse.plugins import load_plugins

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
load_plugins("moodfuse.fusions", fusion)

__all__ = ["FUSIONS", "Fusion", "Shapes", "build_fusion", "find_fusion", "fusion", "fusion_options"]
