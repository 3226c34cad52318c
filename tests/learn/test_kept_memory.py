from __future__ import annotations

import subprocess
import sys

import pytest

from moodfuse.learn.fit.memory import kept_memory

SCRIPT = """
import os, resource, sys
os.environ.update(dict(pair.split("=") for pair in sys.argv[1:]))
import numpy as np
from moodfuse.learn.fit.memory import kept_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 << 20, np.uint8)  # freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
with kept_memory():
    faults()
    again, held = faults(), resident()
print(again, held - resident())
"""


def measured(*variables: str) -> tuple[int, int]:
    """Return how many pages a block needs anew that had been freed before, and the bytes that are given back."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *variables], capture_output=True, text=True, check=True)
    again, given_back = map(int, done.stdout.split())
    return again, given_back


glibc = pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")


@glibc
def test_what_is_freed_is_kept_while_training_and_given_back_after_it() -> None:
    again, given_back = measured()
    assert again < 100
    assert given_back > 60e6


@glibc
def test_who_says_how_memory_is_to_be_kept_is_obeyed() -> None:
    _, given_back = measured("MALLOC_TRIM_THRESHOLD_=131072")
    assert given_back < 1e6  # nothing was held


def test_an_error_goes_through() -> None:
    with pytest.raises(ZeroDivisionError), kept_memory():
        _ = 1 / 0
