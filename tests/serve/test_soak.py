"""An hour's worth of mixed hostile and good requests, pressed into a minute: the process lives on, its memory flat."""

from __future__ import annotations

import http.client
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from service_cases import picture, started_server
from test_hostile import BATCHES, BODIES, LINES

REQUESTS = 3600  # one a second for an hour
LARGE = 100_000  # bytes: of larger ones a few will do

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")]


def requests() -> list[tuple[str, dict[str, str], bytes]]:
    found: list[tuple[str, dict[str, str], bytes]] = []
    for path in ("/v1/predict", "/v1/explain"):
        found += [(path, headers, _bytes(body)) for _, headers, body in BODIES.values()]
        found.append((path, {"Content-Type": "application/json"}, b'{"text": "what a lovely day"}'))
    found += [("/v1/predict/batch", headers, _bytes(body)) for _, headers, body in BATCHES.values()]
    found.append(("/v1/predict/batch", LINES, b'{"text": "one"}\n{"text": "two", "image": "/etc/passwd"}\n'))
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="../a.jpg"\r\n\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    found.append(("/v1/predict", form, head + picture((400, 300)) + b"\r\n--x--\r\n"))
    return found


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


def resident(pid: int) -> int:
    """Return the bytes that a process holds in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_hour_of_hostile_requests_leaves_memory_flat(trained_run: Path, tmp_path: Path) -> None:
    every = requests()
    small = [one for one in every if len(one[2]) < LARGE]
    order = [*every, *(small[i % len(small)] for i in range(REQUESTS - len(every)))]
    statuses: Counter[int] = Counter()
    with started_server(trained_run, tmp_path, "--no-page") as server:
        place = urlsplit(server.url).netloc

        def send(part: list[tuple[str, dict[str, str], bytes]]) -> None:
            for path, headers, body in part:
                connection = http.client.HTTPConnection(place, timeout=60)
                try:
                    connection.request("POST", path, body, headers)
                    response = connection.getresponse()
                    response.read()
                    statuses[response.status] += 1
                except ConnectionError:  # refused before all of a large body was sent
                    statuses[413] += 1
                finally:
                    connection.close()

        sizes = []
        for round_ in range(6):
            part = [*every, *order[round_::6]]
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(send, [part[i::4] for i in range(4)]))
            time.sleep(0.5)
            sizes.append(resident(server.process.pid))
        assert server.get("/healthz")
        assert server.stop() == 0
    print(dict(statuses), [size // 2**20 for size in sizes])
    assert sum(statuses.values()) >= REQUESTS
    assert statuses[200] > 50
    assert not [status for status in statuses if status >= 500]
    assert sizes[-1] - sizes[1] < 0.05 * sizes[1] + 8 * 2**20
    assert not list(server.temporary.iterdir())
