"""moodfuse review: a session in a process of its own, what it prints, and how it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from answer_files import predicted_file, week_file
from moodfuse.cli.main import run
from moodfuse.decide.label_store import LabelStore
from moodfuse.workflows.reviewing import store_path

MOODFUSE = [sys.executable, "-c", "from moodfuse.cli.main import main; main()"]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return predicted_file(tmp_path_factory.mktemp("predicted"), 12)


def send(address: str, path: str, body: dict[str, str] | None = None) -> dict[str, object]:
    base, _, key = address.partition("/#key=")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(base + path, data, headers), timeout=30) as response:
        found: dict[str, object] = json.load(response)
        return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_a_session_serves_keeps_and_ends(answers: Path, number: int, code: int) -> None:
    command = [*MOODFUSE, "review", str(answers), "--budget", "6", "--as", f"person {number}", "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"}
    )
    assert process.stderr is not None
    try:
        address = next(found[0] for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\S+", line)))
        posts = send(address, "/v1/review")["posts"]
        assert isinstance(posts, list)
        assert len(posts) == 6
        for post in posts[:3]:
            send(address, f"/v1/posts/{post['row']}/label", {"label": "neutral"})
        process.send_signal(number)
        told, error = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code
    assert "Traceback" not in error
    if code == 0:
        assert f"person {number}: 3 of 6 posts labelled" in told
        assert "--export labels.csv" in told
    kept = [one for one in LabelStore(store_path(answers)).labels() if one.person == f"person {number}"]
    assert len(kept) == 3


def test_it_tells_and_writes_without_a_page(answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(answers), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 6
    assert run(["review", str(answers), "--export", str(tmp_path / "labels.csv"), "--quiet"]) == 0
    assert "3 labelled posts" in capsys.readouterr().out
    assert run(["review", str(answers), "--export", str(tmp_path / "labels.csv"), "--quiet"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert run(["review", str(answers), "--export", str(answers), "--force", "--quiet"]) == 1
    assert "is the input itself" in capsys.readouterr().err
    assert run(["review", str(answers), "--disagreements", "--no-browser", "--quiet"]) == 0  # nobody differs
    assert "0 of 0 posts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--export", "labels.txt"], "expected labels in"),
        (["--json"], "expected labels in"),
        (["--bundle", "nowhere"], "nowhere"),
        (["--columns", "text=nothing", "--json"], "expected labels in"),
    ],
)
def test_bad_input_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str) -> None:
    assert run(["review", str(week_file(tmp_path / "answers.csv", 20)), "--quiet", *options]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "answers.csv"]
