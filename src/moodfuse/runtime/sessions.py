"""A bundle's graphs, opened on a device in one process, and opened anew in others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from onnxruntime import InferenceSession

from moodfuse.data.languages import unpack_ahead
from moodfuse.errors import BundleError
from moodfuse.runtime import views
from moodfuse.runtime.agreement import check_head
from moodfuse.runtime.bundle import GRAPHS, Bundle, needed_files, read_bundle
from moodfuse.runtime.devices import CPU, DeviceError, devices_to_try, tell_fallback
from moodfuse.runtime.graphs import open_session


@dataclass(frozen=True, slots=True)
class Sessions:
    """A bundle's graphs, open in one process. The encoders run on `device`, the head on the CPU."""

    device: str
    text: views.TextReader | None
    image: views.ImageReader | None
    head: InferenceSession
    #: Encodes texts while another thread encodes images.
    beside: ThreadPoolExecutor


def open_sessions(bundle: Bundle, threads: int, graphs: Path | None, device: str) -> Sessions:
    """Open a bundle's graphs, those of the folder `graphs` where they are mapped, on a device or else on the CPU."""
    for place, following in pairwise(devices_to_try(device)):
        try:
            return _open_on(place, bundle, threads, None)  # mapped graphs are made for the CPU
        except DeviceError as error:
            tell_fallback(place, str(error), following)
    return _open_on(CPU, bundle, threads, graphs)


def _open_on(device: str, bundle: Bundle, threads: int, graphs: Path | None) -> Sessions:
    modalities = bundle.manifest.modalities
    if bundle.manifest.languages and "text" in modalities and threads > 1:
        unpack_ahead()
    how: dict[str, Any] = {"threads": threads, "graphs": graphs, "device": device}
    text = views.open_texts(bundle, **how) if "text" in modalities else None
    image = views.open_images(bundle, **how) if "image" in modalities else None
    head = open_session((graphs or bundle.folder) / GRAPHS["head"], threads=1, mapped=graphs is not None)
    check_head(head, bundle.manifest, {"text": text.dim if text else 0, "image": image.dim if image else 0})
    return Sessions(device, text, image, head, ThreadPoolExecutor(1))


def reopen_sessions(bundle: Bundle, threads: int, graphs: Path | None, device: str) -> Sessions:
    """Open a bundle's graphs where it was read by another process, maybe on another machine, maybe long ago."""
    found = read_bundle(bundle.folder, tried=True).manifest.files
    if any(found.get(name) != bundle.manifest.files[name] for name in needed_files(bundle.manifest)):
        raise BundleError(f"{bundle.folder}: holds another model than when this predictor was made; load it again")
    return open_sessions(bundle, threads, graphs if graphs is not None and graphs.is_dir() else None, device)
