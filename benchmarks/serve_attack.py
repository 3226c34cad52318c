"""A normal client of `moodfuse serve`, and `/healthz`, alone and while others attack.

    python benchmarks/serve_attack.py [BUNDLE] [--seconds 8] [--attacks jpegs,batch,...]

Closed loop on loopback: one client sends synthetic posts (text and image) one after the other; another asks `/healthz`
every 20 ms. Attackers share the machine with the service. The first row is quiet; the ratio is that of the p99 to its.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from serve_load import BOUNDARY, multipart

from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.synthetic import write_synthetic

FORM = f"multipart/form-data; boundary={BOUNDARY}"
#: Sends what it has until the event is set, and counts what it is told.
Attack = Callable[[str, threading.Event, Counter[str]], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = write_synthetic(Path(folder) / "posts", posts=100, unlabelled=0)
        bodies = [multipart(post) for post in stream_posts(data, strict=False)]
        print("| attack | requests | p50 ms | p99 ms | p99 / quiet | not answered | /healthz p99 ms | worst |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        quiet = 0.0
        for name in ["quiet", *options.attacks.split(",")]:
            with service(options.bundle) as (place, _):
                measure(place, bodies, 2.0, [])  # warm
                quiet = measure_row(name, place, bodies, options.seconds, quiet)


def measure_row(name: str, place: str, bodies: list[bytes], seconds: float, quiet: float) -> float:
    """Print the row of an attack; returns the p99 in seconds that the others are compared with."""
    attackers = [] if name == "quiet" else ATTACKS[name]()
    times, failed, health, told = measure(place, bodies, seconds, attackers)
    p50, p99 = np.percentile(times, [50, 99]) if times else (np.nan, np.nan)
    quiet = quiet or p99
    slow, worst = np.percentile(health, 99), max(health)
    cells = [f"{1000 * p50:.0f}", f"{1000 * p99:.0f}", f"{p99 / quiet:.1f}", dict(failed) or 0]
    cells += [f"{1000 * slow:.0f}", f"{1000 * worst:.0f}"]
    print("| " + " | ".join(map(str, [name, len(times), *cells])) + " |", flush=True)
    if told:
        print(f"  attackers were told: {dict(told)}", file=sys.stderr)
    return quiet


def measure(
    place: str, bodies: list[bytes], seconds: float, attackers: list[Attack]
) -> tuple[list[float], Counter[str], list[float], Counter[str]]:
    """Return the normal client's seconds and failures, those of `/healthz`, and what the attackers were told."""
    over, told, times, failed, health = threading.Event(), Counter[str](), list[float](), Counter[str](), list[float]()
    threads = [threading.Thread(target=attack, args=(place, over, told), daemon=True) for attack in attackers]
    for thread in threads:
        thread.start()
    time.sleep(1.5 if attackers else 0)
    end = time.monotonic() + seconds

    def watch() -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            asked(place, "GET", "/healthz", None, "")
            health.append(time.monotonic() - began)
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for body in cycle(bodies):
        if time.monotonic() > end:
            break
        began = time.monotonic()
        status = asked(place, "POST", "/v1/predict", body, FORM)
        if status == "200":
            times.append(time.monotonic() - began)
        else:
            failed[status] += 1
            time.sleep(0.02)
    watcher.join()
    over.set()
    return times, failed, health, told


def asked(place: str, method: str, path: str, body: bytes | None, kind: str) -> str:
    """Send a request on a connection of its own; returns the status, or the error's name."""
    connection = http.client.HTTPConnection(place, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        response = connection.getresponse()
        response.read()
        return str(response.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def sending(path: str, body: bytes, kind: str) -> Attack:
    """Return an attack that sends one request time and again."""

    def attack(place: str, over: threading.Event, told: Counter[str]) -> None:
        while not over.is_set():
            status = asked(place, "POST", path, body, kind)
            told[status] += 1
            over.wait(1 if status == "429" else 0)  # as Retry-After says: floods are not what is measured here

    return attack


def holding(count: int, start: bytes) -> Attack:
    """Return an attack that opens connections, sends `start` on each, and nothing more."""

    def attack(place: str, over: threading.Event, told: Counter[str]) -> None:
        address = urlsplit(f"//{place}")
        held: list[socket.socket] = []
        while len(held) < count and not over.is_set():
            try:
                held.append(socket.create_connection((str(address.hostname), int(address.port or 80)), timeout=1))
                held[-1].sendall(start)
                told["opened"] += 1
            except OSError as error:
                told[type(error).__name__] += 1
                time.sleep(0.01)
        over.wait()
        for one in held:
            one.close()

    return attack


def image_form(data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'.encode()
    return head + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def scans(side: int, count: int) -> bytes:
    """Return a progressive JPEG of `count` scans: its last one stands there time and again."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(file, "JPEG", progressive=True)
    jpeg = file.getvalue()
    last = jpeg.rfind(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * (count - jpeg.count(b"\xff\xda") + 1) + b"\xff\xd9"


def giant(format: str, side: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), "olive").save(file, format)
    return file.getvalue()


def zip_of_giants() -> bytes:
    file, image = io.BytesIO(), giant("PNG", 7900)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("posts.csv", "text,image\n" + "".join(f"day {i},{i}.png\n" for i in range(100)))
        for i in range(100):
            archive.writestr(f"{i}.png", image)
    return file.getvalue()


def words(count: int) -> str:
    draw = random.Random(0)
    return " ".join(draw.choice(["good", "bad", "day", "what", "rain", "love"]) for _ in range(count))[:19_000]


BATCH_HEAD = (
    b"POST /v1/predict/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 9999\r\n\r\n"
)
ATTACKS: dict[str, Callable[[], list[Attack]]] = {
    "jpegs": lambda: [sending("/v1/predict", image_form(scans(2_600, 99)), FORM)] * 2,
    "many jpegs": lambda: [sending("/v1/predict", image_form(scans(2_600, 99)), FORM)] * 16,
    "batch": lambda: [sending("/v1/predict/batch", zip_of_giants(), "application/zip")],
    "explain": lambda: [sending("/v1/explain", json.dumps({"text": words(5_000)}).encode(), "application/json")] * 8,
    "unfinished": lambda: [holding(64, BATCH_HEAD + b"text\n")],
    "silent": lambda: [holding(1_100, b"")],
    "json": lambda: [
        sending("/v1/predict", json.dumps({f"key{i}": i for i in range(800_000)}).encode(), "application/json")
    ],
    "csv": lambda: [sending("/v1/predict/batch", b'text\n"' + b"\n" * 15_000_000, "text/csv")],
}


@contextmanager
def service(bundle: Path | None, *options: str) -> Iterator[tuple[str, int]]:
    """Start the service in a process of its own, with 1,024 descriptors, and give its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)); "
        "from moodfuse.cli.main import main; main()"
    )
    given = ["serve", *([str(bundle)] if bundle else []), "--no-page", "--port", place.partition(":")[2], *options]
    process = subprocess.Popen([sys.executable, "-c", code, *given], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while asked(place, "GET", "/readyz", None, "") != "200" and time.monotonic() < end:
            time.sleep(0.1)
        yield place, process.pid
    finally:
        process.kill()  # what hangs is told by the measures, not by the end
        process.wait()


if __name__ == "__main__":
    main()
