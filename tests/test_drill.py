"""A small drill in every run of the tests, and that a drill sees what goes wrong."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "drill.py"
sys.path.insert(0, str(SCRIPT.parent))

from drill import predict_hostile, read_hostile  # noqa: E402
from drills.kills import kill_points  # noqa: E402
from drills.watch import reader  # noqa: E402


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


def test_commands_that_are_killed_end_as_undisturbed_when_they_are_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kill_points(2, 1, soon(), tmp_path) == 0
    assert "predict csv" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_drill_sees_what_goes_wrong(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with reader("decode", tmp_path, 2) as decoding:
        assert decoding.read(tmp_path / "pipe").kind == "hang"
        assert decoding.read(tmp_path / "gone").kind == "traceback"
        assert decoding.read(SCRIPT).kind == "read"
