"""A small drill in every run of the tests, and that a drill sees what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "drill.py"
sys.path.insert(0, str(SCRIPT.parent))

from drill import predict_hostile, read_hostile  # noqa: E402
from drills.watch import reader  # noqa: E402

# A command that leaves a file half-written where it is killed, and does not begin where one is.
_BROKEN = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from drills.jobs import Job
from drills.kills import kill_points, run_undisturbed
def write(place, nth):
    (place / "out").mkdir()
    (place / "half").write_text("")
    (place / "half").rename(place / "whole")
    return 0
folder = Path(sys.argv[2])
undisturbed = run_undisturbed([Job("broken", write, shared=True)], folder)
wrong = kill_points(undisturbed, 6, 1, time.monotonic() + 60, folder)
sys.exit(0 if wrong else 1)
"""


def soon() -> float:
    return time.monotonic() + 60


def test_hostile_inputs_are_read_or_told_in_a_line(tmp_path: Path) -> None:
    tallies = read_hostile(60, 1, soon(), tmp_path, tmp_path / "wrong")
    assert {target: tally.wrong for target, tally in tallies.items()} == dict.fromkeys(tallies, 0)
    assert {target.split()[0] for target in tallies} == {"decode", "open_image", "read_posts", "unpack", "read_bundle"}
    assert all(tally.kinds["read"] for tally in tallies.values())
    assert all(tally.kinds["told"] for target, tally in tallies.items() if "images" not in target)


def test_no_row_of_hostile_images_and_texts_is_lost(tmp_path: Path) -> None:
    tally = predict_hostile(60, 1, soon(), tmp_path, tmp_path / "wrong")
    assert (tally.kinds["read"], tally.wrong) == (60, 0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")
def test_commands_that_are_killed_and_disturbed_end_as_undisturbed_when_they_are_run_again() -> None:
    """In a process of its own: this one has threads, which a fork would lack."""
    words = ["--members", "0", "--requests", "0", "--table", "0", "--soak", "0"]
    words += ["--kills", "4", "--disks", "3", "--only", "convert to csv,review", "--seed", "3"]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    killed, *_ = next(line for line in done.stdout.splitlines() if line.startswith("all")).split()[1:]
    assert int(killed) >= 3
    assert "read-only" in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")
def test_a_drill_sees_what_a_killed_process_breaks(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _BROKEN, str(SCRIPT.parent), str(tmp_path)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"left half" in done.stderr
    assert b"FileExistsError" in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_drill_sees_what_goes_wrong(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with reader("decode", tmp_path, 2) as decoding:
        assert decoding.read(tmp_path / "pipe").kind == "hang"
        assert decoding.read(tmp_path / "gone").kind == "traceback"
        assert decoding.read(SCRIPT).kind == "read"
