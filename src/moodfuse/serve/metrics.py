"""What Prometheus reads: counts and times, nothing of what was asked."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where the library's processes put their numbers, if there are several


class Metrics:
    """The service's own registry; with several workers, whichever is asked tells the numbers of all."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("moodfuse_requests", "Requests answered.", ["route", "status"], registry=self._registry)
        self.seconds = Histogram(
            "moodfuse_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600),
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "moodfuse_requests_in_flight", "Requests worked on.", multiprocess_mode="livesum", registry=self._registry
        )
        self.batch_size = Histogram(
            "moodfuse_batch_posts",
            "Posts that ran through the graphs together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self._registry,
        )
        self.posts = Counter("moodfuse_posts", "Posts answered, by label.", ["label"], registry=self._registry)

    def text(self) -> bytes:
        """Return the numbers in Prometheus's text format."""
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)
