"""moodfuse compare and search: verdicts on stdout, several processes on one comparison, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from moodfuse.cli.main import run

MOODFUSE = [sys.executable, "-c", "from moodfuse.cli.main import main; main()"]
QUICK = ["--seeds", "1", "--folds", "2", "train.epochs=2", "train.batch_size=32"]


def start(*arguments: object) -> subprocess.Popen[str]:
    # Where the tests run in the background, Ctrl-C is off, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [*MOODFUSE, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def cells(comparison: Path) -> dict[str, float]:
    return {str(path.parent): path.stat().st_mtime_ns for path in comparison.glob("cells/*/*/metrics.json")}


def predictions(comparison: Path) -> dict[str, bytes]:
    return {str(path.relative_to(comparison)): path.read_bytes() for path in comparison.glob("cells/*/*/pred*.csv")}


def test_compare_prints_verdicts_and_a_table(
    synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(synthetic_folder), "--fusions", "concat,text", "--name", "c", "--workers", "1", *QUICK]
    command += ["--comparisons", str(tmp_path)]
    assert run(command) == 0
    out, err = capsys.readouterr()
    assert "scores highest of 2, macro-F1" in out
    assert "The image" in out
    assert "concat without image" in out
    assert "2 of five cells were run" in out
    assert "cells ..." in err
    assert run([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads((tmp_path / "c" / "results.json").read_text())
    assert "all 4 cells had been run before" in err
    assert run([*command, "--seeds", "2"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "another configuration (seeds: 0 there, 0, 1 now)" in err


@pytest.mark.slow
def test_several_fusions_vary_in_one_comparison(
    synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(synthetic_folder), "--fusions", "", "--vary", "text", "--vary", "image", *QUICK]
    assert run([*command, "model.dropout=0.1,0.3", "--comparisons", str(tmp_path), "--json"]) == 0
    models = {row["model"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert models == {f"{name} dropout={value}" for name in ("text", "image") for value in (0.1, 0.3)}
    assert run(command) == 1
    assert "--vary text image: expected a setting with several values" in capsys.readouterr().err


@pytest.mark.slow
def test_two_commands_one_killed_give_what_one_gives(
    synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two commands share one comparison, and one of them is killed without warning: the other ends all of it."""
    words = ["compare", str(synthetic_folder), "--fusions", "concat,text", "--name", "c", "--quiet", *QUICK]
    shared = tmp_path / "shared"
    doomed = start(*words, "--comparisons", shared, "--workers", "1")
    with start(*words, "--comparisons", shared, "--workers", "2") as other:
        assert run([*words, "--comparisons", str(tmp_path / "alone"), "--workers", "1"]) == 0
        wait_for(lambda: bool(cells(shared / "c")))
        early = cells(shared / "c")
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.communicate()
        out, err = other.communicate(timeout=300)
    assert other.returncode == 0, err
    assert out.replace("shared", "alone").splitlines()[:2] == capsys.readouterr().out.splitlines()[:2]
    assert early.items() <= cells(shared / "c").items()  # what was there has not been run again
    assert predictions(shared / "c") == predictions(tmp_path / "alone" / "c")
    assert not list((shared / "c" / "cells").glob("*/.*"))


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_with_130(synthetic_folder: Path, tmp_path: Path) -> None:
    words = ["compare", synthetic_folder, "--fusions", "concat,text", "--seeds", "1", "--folds", "2", "--name", "c"]
    settings = ["train.epochs=9000", "train.patience=0", "train.batch_size=16"]
    process = start(*words, "--comparisons", tmp_path, "--workers", "2", *settings)
    wait_for(lambda: len(list((tmp_path / "c" / ".claims").glob("*-fold*.lock"))) >= 2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in err
    assert not cells(tmp_path / "c")
    wait_for(lambda: not is_alive(process.pid))  # nobody of the group is left


def test_search_prints_the_next_command(
    synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["search", str(synthetic_folder), "--fusion", "text", "--trials", "2", "--searches", str(tmp_path)]
    assert run([*command, "train.epochs=1"]) == 0
    out, _ = capsys.readouterr()
    assert "best of 2 trials: validation macro_f1 0." in out
    assert f"--config {tmp_path}/text/best.yaml" in out
    assert run([*command, "train.epochs=2"]) == 1
    assert "another configuration" in capsys.readouterr().err
    assert run(["search", str(synthetic_folder), "--recipe", "txt"]) == 1
    assert "did you mean text" in capsys.readouterr().err
