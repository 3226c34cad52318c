"""Requests that Schemathesis makes up from the OpenAPI document, to every endpoint of a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from serve_attack import service

_ROUND = 1_000  # cases of a run of Schemathesis
_TAKING = 3  # operations that take a body: they share the cases, the others have next to nothing to vary
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


def made_up_requests(cases: int, seed: int, until: float) -> int:
    """Send at least so many, or as many as there is time for, and return how many got what the document does not say.

    It has no links between operations (the service keeps no state), so there is nothing stateful to try.
    """
    sent = failed = round_ = 0
    with service(None) as (place, _), tempfile.TemporaryDirectory(prefix="drill-") as home:
        while sent < cases and time.monotonic() < until:
            words = _command(place, min(_ROUND, cases - sent), seed + round_)
            done = subprocess.run(words, capture_output=True, text=True, cwd=home)
            found = re.search(r"([\d,]+) generated", done.stdout)
            if found is None:
                raise SystemExit(done.stdout[-2_000:] + done.stderr[-2_000:])
            sent += int(found[1].replace(",", ""))
            round_ += 1
            if done.returncode:
                failed += 1
                print(done.stdout[-4_000:], file=sys.stderr)
            print(f"\r{sent:,} requests made up, {failed} of {round_} rounds with a failure", end="", flush=True)
    print()
    return failed


def _command(place: str, cases: int, seed: int) -> list[str]:
    words = [str(Path(sys.executable).with_name("schemathesis")), "run", f"http://{place}/openapi.json"]
    words += ["--max-examples", str(max(1, cases // _TAKING)), "--checks", ",".join(_CHECKS), "--seed", str(seed)]
    words += ["--request-timeout", "120", "--generation-database", "none", "--suppress-health-check", "all"]
    return [*words, "--no-color"]
