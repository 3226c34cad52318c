"""Good requests of every kind with one hostile one in twenty, for long: what a client waits, what the service takes."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
from serve_attack import FORM, asked, giant, image_form, scans, service, words

from drills import good
from drills.mutations import mutated, mutated_zip

_HOSTILE = 0.05
_CLIENTS = 4
_PARTS = ("begin", "middle", "end")
Request = tuple[str, str, bytes | None, str]  # method, path, body, content type


def soak(seconds: float, seed: int) -> int:
    """Print p50, p99, memory and descriptors of each third of the time, and return how many answers were 5xx."""
    usual, hostile = _good(), _hostile(seed)
    times: dict[str, list[float]] = {part: [] for part in _PARTS}
    statuses, bad = Counter[str](), Counter[str]()
    sizes: dict[str, tuple[float, int]] = {}
    with service(None) as (place, pid):
        start = time.monotonic()

        def part() -> str:
            return _PARTS[min(2, int(3 * (time.monotonic() - start) / seconds))]

        def client(number: int) -> None:
            random = Random(f"{seed}/{number}")
            while time.monotonic() < start + seconds:
                wicked = random.random() < _HOSTILE
                began, request = time.monotonic(), random.choice(hostile if wicked else usual)
                status = asked(place, *request)
                (bad if wicked else statuses)[status] += 1
                if not wicked and status == "200":
                    times[part()].append(time.monotonic() - began)
                time.sleep(random.uniform(0, 0.2))

        clients = [threading.Thread(target=client, args=(number,)) for number in range(_CLIENTS)]
        for one in clients:
            one.start()
        for third, name in enumerate(_PARTS, start=1):
            time.sleep(max(0.0, start + seconds * third / 3 - 2 - time.monotonic()))
            sizes[name] = _taken(pid)
        for one in clients:
            one.join()
    print(f"\n{'':<10}{'requests':>10}{'p50 ms':>10}{'p99 ms':>10}{'MB':>10}{'descriptors':>13}")
    for name in _PARTS:
        p50, p99 = np.percentile(times[name] or [np.nan], [50, 99]) * 1000
        print(f"{name:<10}{len(times[name]):>10,}{p50:>10.0f}{p99:>10.0f}{sizes[name][0]:>10.0f}{sizes[name][1]:>13}")
    print(f"good requests were answered {dict(statuses)}, hostile ones {dict(bad)}", flush=True)
    return sum(count for told in (statuses, bad) for status, count in told.items() if status.startswith("5"))


def _good() -> list[Request]:
    images = good.images()
    posts = [json.dumps({"text": text}).encode() for text in ("what a day", "so bad :(", "真不错")]
    table = b"id,text\n" + b"".join(b"%d,what a day\n" % i for i in range(20))
    found: list[Request] = [("POST", "/v1/predict", post, "application/json") for post in posts * 3]
    found += [("POST", "/v1/predict", image_form(images[name]), FORM) for name in ("a.jpg", "a.png", "a.webp") * 2]
    found += [("POST", "/v1/predict/batch", table, "text/csv"), ("POST", "/v1/explain", posts[0], "application/json")]
    return [*found, ("GET", "/v1/model", None, ""), ("GET", "/healthz", None, ""), ("GET", "/metrics", None, "")]


def _hostile(seed: int) -> list[Request]:
    random, images = Random(seed), good.images()
    zipped = good.zips({"posts.csv": b"id,text\n1,a\n"})
    long = json.dumps({"text": words(5_000)}).encode()
    found: list[Request] = [
        ("POST", "/v1/predict", image_form(scans(2_600, 99)), FORM),
        ("POST", "/v1/predict", image_form(giant("PNG", 7_900)), FORM),
        ("POST", "/v1/predict", json.dumps({f"key{i}": i for i in range(100_000)}).encode(), "application/json"),
        ("POST", "/v1/predict", b"x" * (17 * 2**20), "application/json"),
        ("POST", "/v1/predict/batch", b'text\n"' + b"\n" * 2_000_000, "text/csv"),
        ("POST", "/v1/explain", long, "application/json"),
        ("GET", "/../../etc/passwd", None, ""),
    ]
    for _ in range(20):
        data = images[random.choice(sorted(images))]
        found.append(("POST", "/v1/predict", image_form(mutated(data, list(images.values()), random)), FORM))
        archive = mutated_zip(zipped[random.choice(sorted(zipped))], list(zipped.values()), random)
        found.append(("POST", "/v1/predict/batch", archive, "application/zip"))
    return found


def _taken(pid: int) -> tuple[float, int]:
    """Return the megabytes and the descriptors that a process and its children hold; nothing where /proc is not."""
    if not Path("/proc").is_dir():
        print("this system does not tell memory and descriptors", file=sys.stderr)
        return 0.0, 0
    every = [pid, *(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in every)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list(Path(f"/proc/{pid}/fd").iterdir()))
