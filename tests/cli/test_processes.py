"""What only a process of its own can show: Ctrl-C, closed pipes, what is imported."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moodfuse.version import __version__

MOODFUSE = [sys.executable, "-c", "from moodfuse.cli.main import main; main()"]


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [*MOODFUSE, *map(str, arguments)]
    # Where the tests themselves run in the background, Ctrl-C is off, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def many_posts(path: Path, count: int) -> Path:
    path.write_text("id,text\n" + "".join(f"{i},day\n" for i in range(count)))
    return path


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))  # noqa: PTH208 (hidden ones count)


@pytest.mark.usefixtures("trained_run")  # which leaves features in the cache
def test_ctrl_c_in_training_ends_with_130_and_leaves_nothing_half_written(
    synthetic_folder: Path, tmp_path: Path
) -> None:
    history = tmp_path / "run" / "history.csv"
    words = ["--runs", tmp_path, "--name", "run", "train.epochs=9000", "train.patience=0", "train.batch_size=16"]
    with started("train", synthetic_folder, *words) as process:
        wait_for(lambda: history.is_file() and len(history.read_text().splitlines()) > 3, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in err
    assert names(tmp_path / "run") == [
        "checkpoints", "config.yaml", "environment.json", "history.csv", "log.txt", "split.json",
    ]  # fmt: skip
    assert names(tmp_path / "run" / "checkpoints") == ["best.safetensors", "last.safetensors"]


def test_ctrl_c_in_predicting_leaves_the_old_answers(trained_run: Path, tmp_path: Path) -> None:
    source, output = many_posts(tmp_path / "in.csv", 100_000), tmp_path / "out.csv"
    output.write_text("before")
    with started("predict", trained_run, source, "-o", output, "--force") as process:
        wait_for(lambda: any(name.endswith(".part") for name in names(tmp_path)), process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in err
    assert output.read_text() == "before"
    assert names(tmp_path) == ["in.csv", "out.csv"]


def test_a_reader_that_has_enough_is_no_fault(trained_run: Path, tmp_path: Path) -> None:
    with started("predict", trained_run, many_posts(tmp_path / "in.csv", 3_000)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("id,text,label,")
        process.stdout.close()
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "rror" not in err


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_line(trained_run: Path, tmp_path: Path) -> None:
    source = many_posts(tmp_path / "in.csv", 3)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*MOODFUSE, "predict", str(trained_run), str(source), "--quiet"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_predicting_imports_no_pytorch_and_no_scikit_learn(trained_run: Path, tmp_path: Path) -> None:
    code = """
import sys
from moodfuse.cli.main import run
code = run(sys.argv[1:])
heavy = {"torch", "sklearn", "scipy", "pandas", "transformers", "lightning"} & set(sys.modules)
sys.exit(code or (f"imported {heavy}" if heavy else 0))
"""
    source = many_posts(tmp_path / "in.csv", 3)
    command = [sys.executable, "-c", code, "predict", str(trained_run), str(source), "-o", str(tmp_path / "out.csv")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_and_completion_import_no_numbers_and_no_models() -> None:
    code = """
import sys
from moodfuse.cli.main import run
code = run(["--help"])
heavy = {"numpy", "onnxruntime", "PIL", "pydantic", "tokenizers", "yaml"} & set(sys.modules)
sys.exit(code or (f"imported {heavy}" if heavy else 0))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_one_text_imports_nothing_of_the_web_and_no_readers(trained_run: Path) -> None:
    code = """
import sys
from moodfuse.cli.main import run
code = run(["predict", sys.argv[1], "--text", "good"])
parts = ("data.connecting", "data.formats.", "runtime.writers", "runtime.explain", "cli.train", "cli.serve")
apart = ("ssl", "http.client", *(f"moodfuse.{part}" for part in parts))
found = [name for name in sys.modules if name.startswith(apart)]
sys.exit(code or (f"imported {found}" if found else 0))
"""
    done = subprocess.run([sys.executable, "-c", code, str(trained_run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "moodfuse", "--version"], capture_output=True, text=True, check=True)
    assert __version__ in done.stdout


def test_a_shell_is_told_the_verbs_and_options_that_go_on() -> None:
    asked = {"_MOODFUSE_COMPLETE": "complete_bash", "COMP_WORDS": "moodfuse predict --sh", "COMP_CWORD": "2"}
    done = subprocess.run(
        [Path(sys.executable).parent / "moodfuse"], env=os.environ | asked, capture_output=True, text=True
    )
    assert done.stdout.split() == ["--sheet", "--shard"]
