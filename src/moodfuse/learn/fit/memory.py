"""The memory that a training step frees is kept for the next step."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Of glibc's `mallopt`: when freed memory goes back to the system, from what size on a block is mapped by itself, and
# how many blocks are.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = 2**31 - 1
_USUAL = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 65_536}  # what glibc arrives at by itself


@contextmanager
def kept_memory() -> Iterator[None]:
    """Have glibc keep what is freed, as long as this lasts; then give it all back.

    A step frees tensors of many megabytes, and the next asks for the same. By default those are given to the system and
    taken from it, which clears every page: up to a third of the time of training an image encoder. Does nothing under
    another C library, or where a variable such as `MALLOC_TRIM_THRESHOLD_` says how it is to be.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        for what, value in _USUAL.items():
            libc.mallopt(what, value)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
