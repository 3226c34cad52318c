"""The table of issue 17, measured: what an attack costs now, and whether that is what was asked."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from serve_attack import ATTACKS, FORM, asked, image_form, measure, scans, service
from serve_load import multipart

from drills import good
from drills.lines import LINES, Line
from moodfuse.cli.main import run
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.synthetic import write_synthetic
from moodfuse.learn.processes import Parent, processes

_QUICK = 0.05  # seconds of /healthz


def print_table(seconds: float) -> int:
    """Measure each line, the service's `seconds` each, print the table, and return how many are not met."""
    print("| found | asked | measured | met |\n|---|---|---|---|")
    missed = 0
    with tempfile.TemporaryDirectory(prefix="drill-") as temporary:
        for number, work in enumerate(LINES):
            place = Path(temporary) / f"{number}"
            place.mkdir()
            missed += _print(work(place))
        for line in _attacked(Path(temporary), seconds):
            missed += _print(line)
        for service_line in (_parent_killed, _workers_killed, _stopped, _hosts, _open_to_all):
            missed += _print(service_line(Path(temporary)))
    return missed


def _print(line: Line) -> bool:
    print(f"| {line.found} | {line.asked} | {line.measured} | {'yes' if line.met else 'NO'} |", flush=True)
    return not line.met


def _attacked(folder: Path, seconds: float) -> list[Line]:
    """Measure what a normal client and /healthz wait while others attack, beside what they wait in quiet."""
    data = write_synthetic(folder / "posts", posts=50, unlabelled=0)
    bodies = [multipart(post) for post in stream_posts(data, strict=False)]
    lines: list[Line] = []
    quiet = np.nan
    for name in ("quiet", *ATTACKS):
        with service(None) as (place, _):
            measure(place, bodies, 2.0, [])  # warm
            times, failed, health, _ = measure(place, bodies, seconds, ATTACKS[name]() if name in ATTACKS else [])
        p99 = float(np.percentile(times, 99)) if times else np.inf
        if name == "quiet":
            quiet = p99
        slow = float(np.percentile(health, 99))
        told = (
            f"{p99 / quiet:.1f} times {1000 * quiet:.0f} ms; /healthz {1000 * slow:.0f} ms; not answered {len(failed)}"
        )
        asked_for = "p99 <= 5 times quiet, /healthz p99 <= 50 ms"
        lines.append(
            Line(f"a normal client, {name}", asked_for, told, p99 <= 5 * quiet and slow <= _QUICK and not failed)
        )
    return lines


def _parent_killed(_: Path) -> Line:
    with service(None, "--workers", "2") as (place, pid):
        workers = _children(pid)
        os.kill(pid, signal.SIGKILL)
        gone = _seconds_until(lambda: not any(map(_alive, workers)))
        refused = asked(place, "GET", "/healthz", None, "") != "200"
    told = f"{len(workers)} processes gone in {gone:.1f} s"
    return Line("kill -9 of the parent of serve --workers 2", "gone within 2 s", told, gone <= 2 and refused)


def _wait_long(parent: Parent) -> None:
    parent.tell("there")
    time.sleep(600)


def hold_workers() -> None:
    """Start two processes as `compare --workers 2` does, and wait for them."""
    with processes([_wait_long] * 2, who="", why_ended=str) as told:
        list(told)


def _workers_killed(_: Path) -> Line:
    words = [sys.executable, "-c", "from drills.table import hold_workers; hold_workers()"]
    with subprocess.Popen(words, cwd=Path(__file__).parents[1]) as holding:
        _seconds_until(lambda: len(_children(holding.pid)) >= 3, most=120)  # one of them is multiprocessing's own
        workers = _children(holding.pid)
        holding.kill()
    gone = _seconds_until(lambda: not any(map(_alive, workers)))
    found = "the same of what compare --workers 2 starts"
    return Line(found, "gone within 2 s", f"{len(workers)} processes gone in {gone:.1f} s", gone <= 2)


def _stopped(_: Path) -> Line:
    with service(None, "--stop-seconds", "5") as (place, pid):
        body = image_form(scans(2_600, 99))
        thread = threading.Thread(target=asked, args=(place, "POST", "/v1/predict", body, FORM), daemon=True)
        thread.start()
        time.sleep(0.5)
        os.kill(pid, signal.SIGTERM)
        gone = _seconds_until(lambda: not _alive(pid))
    asked_for = "within --stop-seconds (5) and 3 s"
    return Line("SIGTERM while a costly JPEG decodes", asked_for, f"{gone:.1f} s", gone <= 8)


def _hosts(_: Path) -> Line:
    with service(None) as (place, _pid):
        statuses = []
        for host in ("127.0.0.1/evil", "evil@127.0.0.1", "evil.example"):
            connection = http.client.HTTPConnection(place, timeout=30)
            connection.request("GET", "/v1/model", headers={"Host": host})
            answer = connection.getresponse()
            statuses.append(answer.status)
            policy = answer.headers["Content-Security-Policy"]
            connection.close()
    loose = "unsafe" in policy
    told = f"{statuses}, {'with' if loose else 'without'} unsafe-inline and unsafe-eval"
    return Line(
        "strange Host headers; the content policy", "refused; strict", told, statuses == [421] * 3 and not loose
    )


def _open_to_all(folder: Path) -> Line:
    good.bundle(folder / "good")
    code = run(["serve", str(folder / "good"), "--host", "0.0.0.0"])
    return Line("--host 0.0.0.0 without keys", "refused", f"exit code {code}", code == 1)


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    return [int(child) for child in found]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _seconds_until(what: Callable[[], bool], most: float = 60.0) -> float:
    began = time.monotonic()
    while not what() and time.monotonic() < began + most:
        time.sleep(0.05)
    return time.monotonic() - began
