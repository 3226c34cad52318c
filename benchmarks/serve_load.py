"""Load on `moodfuse serve`, beside what the same bundle does offline in the same run.

    python benchmarks/serve_load.py [DATA] [--bundle BUNDLE] [--seconds 8] [--clients 1,4,16,32,64] [--json]

Closed loop on loopback: each client sends a post (multipart, with its image) as soon as it has the answer to the last
one; the clients share the machine with the service. Offline is `Predictor.stream` on the same posts, measured before
and after each number of clients, so that what else the machine does weighs on both. The service takes 48 requests at a
time here, so that 64 clients are above its limit: they are told 429 and wait as long as Retry-After says. The last row
is an open loop: posts arrive by chance (Poisson) at half of the highest rate that was seen, whether or not others have
been answered, and wait from the moment at which they were to arrive. Without DATA the posts are synthetic, without
BUNDLE it is the packaged one. `--json` prints what is asked of the service, as `speed/bench.py` reads it, and the table
on stderr.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from moodfuse import Post, Predictor
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.synthetic import write_synthetic
from moodfuse.runtime.bundle import default_bundle

IN_FLIGHT = 48
HALF = "half of the peak"  # the open loop
BOUNDARY = "moodfuse-load"


@dataclass
class Load:
    """What came back: seconds of each answered post, and how many answers had each status (0: no answer)."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.seconds.append(seconds)

    def waits(self) -> tuple[float, float]:
        """Return the median and the 99th percentile of the answered posts, ms."""
        p50, p99 = np.percentile(self.seconds, [50, 99]) * 1000 if self.seconds else (np.nan, np.nan)
        return float(p50), float(p99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--clients", default="1,4,16,32,64")
    parser.add_argument("--posts", type=int, default=300)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print what is asked as JSON, and the table on stderr")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or write_synthetic(Path(folder) / "posts", posts=options.posts, unlabelled=0)
        posts = list(stream_posts(data, strict=False))[: options.posts]
        predictor = Predictor.load(options.bundle)
        offline = [offline_rate(predictor, posts, options.seconds)]
        results: dict[int | str, Load] = {}
        with service(options.bundle, options.workers) as url:
            bodies = [multipart(post) for post in posts]
            run(url, bodies, 4, 1.0)  # warm
            for clients in dict.fromkeys(map(int, options.clients.split(","))):
                results[clients] = run(url, bodies, clients, options.seconds)
                offline.append(offline_rate(predictor, posts, options.seconds))
            peak = max(len(load.seconds) for load in results.values()) / options.seconds
            results[HALF] = arrivals(url, bodies, peak / 2, options.seconds)
            offline.append(offline_rate(predictor, posts, options.seconds))
    bases = [(before + after) / 2 for before, after in pairwise(offline)]
    print("\n".join(table(results, bases, options.seconds)), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(claims(results, bases, options.seconds)))


def table(results: dict[int | str, Load], bases: list[float], seconds: float) -> list[str]:
    """Return a row for each number of clients, beside the posts a second offline."""
    lines = ["| clients | posts/s | offline posts/s | ratio | p50 ms | p99 ms | errors | 429 |"]
    lines.append("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for (clients, load), base in zip(results.items(), bases, strict=True):
        rate, (p50, p99) = len(load.seconds) / seconds, load.waits()
        refused = load.statuses[429]
        errors = sum(load.statuses.values()) - load.statuses[200] - refused
        cells = [clients, f"{rate:.1f}", f"{base:.1f}", f"{rate / base:.2f}", f"{p50:.0f}", f"{p99:.0f}"]
        lines.append("| " + " | ".join(map(str, [*cells, errors, refused])) + " |")
    return lines


def claims(results: dict[int | str, Load], bases: list[float], seconds: float) -> list[dict[str, object]]:
    """Return what is asked of the service: its pace under the most clients, and the wait at half of its peak."""
    rates = {
        clients: (len(load.seconds) / seconds, base)
        for (clients, load), base in zip(results.items(), bases, strict=True)
    }
    most = max(clients for clients in rates if isinstance(clients, int))
    rate, base = rates[most]
    p50, p99 = results[HALF].waits()
    return [
        {
            "what": f"service, {most} clients",
            "found": f"{rate:.1f} posts a second: {rate / base:.2f} of offline's {base:.1f}",
            "asked": ">= 0.9 of it",
            "ok": rate >= 0.9 * base,
        },
        {
            "what": "wait for one post in the service, half of its peak load (p50; p99)",
            "found": f"{p50:.0f}; {p99:.0f} ms at {rates[HALF][0]:.1f} posts a second",
            "asked": "<= 9; 30 ms",
            "ok": bool(p50 <= 9 and p99 <= 30),
        },
    ]


def offline_rate(predictor: Predictor, posts: list[Post], seconds: float) -> float:
    """Return the posts a second of one stream that goes on for about `seconds`."""
    end = time.monotonic() + seconds

    def until_the_end() -> Iterator[Post]:
        for post in cycle(posts):
            if time.monotonic() > end:
                return
            yield post

    began = time.monotonic()
    done = sum(1 for _ in predictor.stream(until_the_end()))
    return done / (time.monotonic() - began)


def multipart(post: Post) -> bytes:
    """Return a post as the body of a form."""
    parts = []
    if post.text is not None:
        parts.append(b'Content-Disposition: form-data; name="text"\r\n\r\n' + post.text.encode())
    if post.image is not None and isinstance(post.image.source, Path):
        head = b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        parts.append(head + post.image.source.read_bytes())
    mark = b"--" + BOUNDARY.encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


class Client:
    """A connection to the service that sends one post after the other."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def send(self, body: bytes) -> tuple[int, float]:
        """Return the status of the answer, 0 if there is none, and how many seconds to wait before the next post."""
        try:
            headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            self.connection.request("POST", "/v1/predict", body, headers)
            response = self.connection.getresponse()
            response.read()
        except OSError:
            self.connection.close()
            return 0, 0.0
        return response.status, float(response.headers.get("Retry-After", 0))


def run(url: str, bodies: list[bytes], clients: int, seconds: float) -> Load:
    """Let `clients` threads send posts for `seconds`."""
    load, lock, end = Load(), threading.Lock(), time.monotonic() + seconds

    def work(number: int) -> None:
        client = Client(url)
        for body in cycle(bodies[number::clients] or bodies):
            began = time.monotonic()
            if began > end:
                break
            status, wait = client.send(body)
            with lock:
                load.add(status, time.monotonic() - began)
            time.sleep(wait)
        client.connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


def arrivals(url: str, bodies: list[bytes], rate: float, seconds: float) -> Load:
    """Send `rate` posts a second, at random moments, for `seconds`; each waits from the moment it was meant for."""
    load, lock, own = Load(), threading.Lock(), threading.local()
    moments = np.cumsum(np.random.default_rng(0).exponential(1 / rate, int(rate * seconds)))

    def post(body: bytes, due: float) -> None:
        if not hasattr(own, "client"):
            own.client = Client(url)
        status, _ = own.client.send(body)
        with lock:
            load.add(status, time.monotonic() - due)

    began = time.monotonic()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for moment, body in zip(moments.tolist(), cycle(bodies), strict=False):
            due = began + moment
            time.sleep(max(0.0, due - time.monotonic()))
            pool.submit(post, body, due)
    return load


@contextmanager
def service(bundle: Path, workers: int) -> Iterator[str]:
    """Start the service in a process of its own and give its address."""
    port = 8765
    code = "from moodfuse.cli.main import main; main()"
    words = ["serve", str(bundle), "--no-page", "--port", str(port), "--workers", str(workers)]
    limits = ["--max-in-flight", str(IN_FLIGHT)]
    process = subprocess.Popen([sys.executable, "-c", code, *words, *limits], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
