"""The service as a process: it stops gracefully, replaces killed workers, leaves no files, and says what is wrong."""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from service_cases import MOODFUSE, Server, started_server, wait_until

from moodfuse.runtime.predictor import Predictor


def post(server: Server, path: str, body: bytes, kind: str = "application/json") -> bytes:
    request = urllib.request.Request(server.url + path, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as response:
        return bytes(response.read())


def test_stopping_finishes_what_was_accepted_and_leaves_no_files(trained_run: Path, tmp_path: Path) -> None:
    lines = b"".join(b'{"id": "%d", "text": "what a lovely day it is"}\n' % i for i in range(600))
    answers: list[bytes] = []
    with started_server(trained_run, tmp_path, "--no-page") as server:
        asking = threading.Thread(
            target=lambda: answers.append(post(server, "/v1/predict/batch", lines, "application/x-ndjson"))
        )
        asking.start()
        wait_until(lambda: any(server.temporary.rglob("posts.jsonl")), server.process)
        time.sleep(0.2)
        assert server.stop() == 0
        asking.join()
    ids = [json.loads(line)["id"] for line in answers[0].splitlines()]
    assert ids == [str(i) for i in range(600)]
    assert not list(server.temporary.iterdir())


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_files_are_swept(trained_run: Path, tmp_path: Path) -> None:
    good, bad = 0, 0
    wanted = Predictor.load(trained_run).predict("what a day").probabilities
    with started_server(trained_run, tmp_path, "--no-page", "--workers", 2) as server:
        [home] = server.temporary.iterdir()
        first = {path.name for path in home.iterdir() if path.name.isdecimal()}
        wait_until(lambda: len([path for path in home.iterdir() if path.name.isdecimal()]) == 2, server.process)
        first = {path.name for path in home.iterdir() if path.name.isdecimal()}
        (home / sorted(first)[0] / "batch-left").mkdir()
        end, killed = time.monotonic() + 25, False
        while time.monotonic() < end:
            try:
                answer = json.loads(post(server, "/v1/predict", b'{"text": "what a day"}'))
                assert answer["probabilities"] == pytest.approx(wanted, abs=1e-5)
                good += 1
            except OSError:  # the connection went with the worker
                bad += 1
            if good == 20 and not killed:
                os.kill(int(sorted(first)[0]), signal.SIGKILL)
                killed = True
            if killed and len(_alive(home) - first) == 1 and good > 60:
                break
        assert killed
        assert _alive(home) - first
        assert not (home / sorted(first)[0]).exists()
        assert server.stop() == 0
    assert good > 60
    assert bad <= 2  # the request that the killed worker had in hand, at most one more on its connection


def _alive(home: Path) -> set[str]:
    return {path.name for path in home.iterdir() if path.name.isdecimal() and Path(f"/proc/{path.name}").exists()}


def test_what_is_wrong_is_one_line(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("hello\n")
    for words, expected in (
        (["serve", tmp_path], "no bundle here"),
        (["serve", trained_run, "--keys", tmp_path / "keys"], "expected sha256:"),
        (["serve", trained_run, "--host", "203.0.113.1", "--allow-anyone"], "cannot be listened on"),
        (["serve", trained_run, "--host", "0.0.0.0"], "or say --allow-anyone"),
        (["serve", trained_run, "--max-pixels", "65000000"], "limits: pixels"),
    ):
        done = subprocess.run([*MOODFUSE, *map(str, words)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, done.stderr
        assert expected in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_serving_imports_no_pytorch() -> None:
    code = "import sys, moodfuse.serve.server, moodfuse.runtime.explain; sys.exit('torch' in sys.modules)"
    assert subprocess.run([MOODFUSE[0], "-c", code]).returncode == 0
