"""Limits hold, keys are asked for, and nothing of a request is written down."""

import asyncio
import base64
import contextlib
import errno
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from service_cases import b64, picture
from starlette.testclient import TestClient

from moodfuse.errors import ConfigError
from moodfuse.serve.guard import Guard, loopback_names
from moodfuse.serve.keys import hash_key, is_known, new_key, presented_key, read_keys
from moodfuse.serve.limits import Limits, Settings
from moodfuse.serve.logs import Sparing
from moodfuse.serve.metrics import Metrics

Serving = Callable[..., Any]


def test_a_body_is_counted_as_it_comes_whatever_its_header_says(serving: Serving) -> None:
    def pieces() -> Iterator[bytes]:  # sent in chunks: there is no Content-Length
        for _ in range(100):
            yield b" " * 1000

    with serving({"body_bytes": 20_000, "batch_bytes": 30_000}) as client:
        for path, kind in (("/v1/predict", "application/json"), ("/v1/predict/batch", "text/csv")):
            response = client.post(path, content=pieces(), headers={"Content-Type": kind})
            assert response.status_code == 413, path
        assert client.post("/v1/predict", content=b"x" * 20_001).status_code == 413
        assert client.post("/v1/predict", json={"text": "day"}).status_code == 200


def test_pixels_text_and_posts_are_limited(serving: Serving) -> None:
    with serving({"pixels": 5000, "text_chars": 10, "posts": 2}) as client:
        assert client.post("/v1/predict", files={"image": picture((100, 50))}).status_code == 200
        assert client.post("/v1/predict", files={"image": picture((100, 51))}).status_code == 413
        assert client.post("/v1/predict", json={"text": "a" * 11}).status_code == 422
        batch = client.post("/v1/predict/batch", content="text\na\nb\nc\n", headers={"Content-Type": "text/csv"})
        assert batch.status_code == 413
        line = json.dumps({"image": b64(picture((100, 51)))})
        answer = client.post("/v1/predict/batch", content=line, headers={"Content-Type": "application/jsonl"}).json()
        assert "image_too_large" in answer["status"]  # in a batch one post's fault is that post's status
        lines = {"Content-Type": "application/jsonl"}
        _, shown = map(
            json.loads, client.post("/v1/predict/batch?preview=true", content=line, headers=lines).text.splitlines()
        )
        assert shown["thumbnail"] is None  # nor is it decoded to be shown small


def test_requests_beyond_the_limit_are_told_to_come_again(serving: Serving) -> None:
    with serving({"in_flight": 2}) as client, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/predict", json={"text": "what a day"}), range(60)))
        assert client.post("/v1/predict", json={"text": "day"}).status_code == 200
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} == {429}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)


async def _drive(app: Any, seconds: float, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run one request through the guard around `app`; after `messages` the client says nothing more."""
    settings = Settings(bundle=Path(), folder=Path(), limits=Limits(seconds=seconds))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(60)
        raise AssertionError("the guard waited too long")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/v1/predict", "method": "POST", "headers": [(b"host", b"x")]}
    await Guard(app, settings, Metrics())(scope, receive, send)
    return sent


async def _slow(_scope: Any, receive: Any, _send: Any) -> None:
    while (await receive()).get("more_body"):
        continue
    await asyncio.sleep(60)


@pytest.mark.parametrize(("more", "status"), [(False, 503), (True, 408)])
def test_time_is_limited_for_upload_and_answer(more: bool, status: int) -> None:
    began = time.monotonic()
    sent = asyncio.run(_drive(_slow, 0.1, [{"type": "http.request", "body": b"{", "more_body": more}]))
    assert sent[0]["status"] == status
    assert time.monotonic() - began < 5


def test_a_fault_is_told_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError("the post said SECRET")

    with caplog.at_level(logging.DEBUG):
        sent = asyncio.run(_drive(broken, 5, []))
    assert sent[0]["status"] == 500
    assert b"SECRET" not in sent[1]["body"]
    assert "SECRET" not in caplog.text
    assert "ValueError at test_limits.py" in caplog.text


def test_a_key_is_asked_for_where_there_are_keys(serving: Serving) -> None:
    key, line = new_key()
    with serving(keys=(line.removeprefix("sha256:"),)) as client:
        body = {"text": "day"}
        assert client.post("/v1/predict", json=body).status_code == 401
        wrong = client.post("/v1/predict", json=body, headers={"Authorization": "Bearer mf_wrong"})
        assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, "Bearer")
        assert client.post("/v1/predict", json=body, headers={"Authorization": f"Bearer {key}"}).status_code == 200
        basic = base64.b64encode(f"anybody:{key}".encode()).decode()
        assert client.get("/v1/model", headers={"Authorization": f"Basic {basic}"}).status_code == 200
        assert client.get("/metrics").status_code == client.get("/docs").status_code == 401
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_keys_are_kept_as_hashes(tmp_path: Path) -> None:
    key, line = new_key()
    assert key not in line
    (tmp_path / "keys").write_text(f"# ours\n{line}  # the crawler\n\n")
    assert read_keys(tmp_path / "keys") == (hash_key(key),)
    assert is_known(key, read_keys(tmp_path / "keys"))
    assert not is_known(key[:-1], read_keys(tmp_path / "keys"))
    assert not is_known(None, [hash_key("")])
    (tmp_path / "keys").write_text(key)
    with pytest.raises(ConfigError, match="line 1: expected sha256:") as raised:
        read_keys(tmp_path / "keys")
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Basic %%%", "Basic " + base64.b64encode(b"\xff").decode(), "Digest x"]
)
def test_a_header_without_a_key_holds_none(header: str | None) -> None:
    assert presented_key(header) is None


def test_other_names_and_other_pages_are_turned_away(serving: Serving) -> None:
    with serving(hosts=loopback_names("127.0.0.1")) as client:
        assert client.get("/healthz", headers={"Host": "localhost:8000"}).status_code == 200
        assert client.get("/healthz", headers={"Host": "[::1]:8000"}).status_code == 200
        assert client.get("/healthz", headers={"Host": "rebound.example"}).status_code == 421
        other = {"Host": "localhost:8000", "Origin": "http://other.example"}
        assert client.post("/v1/predict", json={"text": "a"}, headers=other).status_code == 403
        own = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
        answer = client.post("/v1/predict", json={"text": "a"}, headers=own)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
    assert loopback_names("0.0.0.0") == ()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1/evil", "evil@127.0.0.1", "127.0.0.1:80:80", "127.0.0.1?", "127.0.0.1#", "[::1", "[::1]x", ""],
)
def test_a_host_that_is_more_than_a_name_and_a_port_is_refused(serving: Serving, host: str) -> None:
    with serving(hosts=loopback_names("127.0.0.1")) as client:
        assert client.get("/healthz", headers={"Host": host}).status_code == 421
        assert client.get("/healthz", headers={"Host": "LOCALHOST:80"}).status_code == 200


def test_explanations_have_a_limit_of_their_own(serving: Serving) -> None:
    body = {"text": "what a lovely day it is here and now " * 10}
    with serving({"explanations": 1}) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/explain", json=body), range(6)))
        assert client.post("/v1/explain", json=body).status_code == 200
        assert client.post("/v1/predict", json=body).status_code == 200
    assert {answer.status_code for answer in answers} == {200, 429}
    assert {answer.headers.get("retry-after") for answer in answers} == {None, "5"}


def test_unfinished_bodies_are_limited_together_and_the_largest_gives_way(tmp_path: Path) -> None:
    settings = Settings(bundle=tmp_path, folder=tmp_path, limits=Limits(waiting_bytes=1_000))
    guard = Guard(_slow, settings, Metrics())
    scope = {"type": "http", "path": "/v1/predict", "method": "POST", "headers": [(b"host", b"x")]}

    async def send(sizes: list[int]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        pieces = [{"type": "http.request", "body": b"x" * size, "more_body": True} for size in sizes]

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.01)
            return pieces.pop(0) if pieces else await asyncio.sleep(60, {})

        async def told(message: Any) -> None:
            sent.append(message)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await guard(dict(scope), receive, told)
        return sent

    async def both() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(send([400, 400]), send([150] * 3))

    large, small = asyncio.run(both())
    assert large[0]["status"] == 503
    assert small == []  # still under way


def test_a_large_request_to_a_full_service_is_refused_before_it_is_read(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Content-Type": "text/csv"}
    with serving({"in_flight": 1}) as client, caplog.at_level(logging.INFO, logger="moodfuse.serve"):
        client.app.busy = 1  # type: ignore[attr-defined]
        answer = client.post("/v1/predict/batch", content="text\n" + "a\n" * 50_000, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert " in=0 " in caplog.messages[-1]
        client.app.busy = 0  # type: ignore[attr-defined]
        assert client.post("/v1/predict/batch", content="text\na\n", headers=headers).status_code == 200


def test_a_temporary_folder_that_is_gone_is_made_anew(serving: Serving) -> None:
    with serving() as client:
        for left in client.folder.iterdir():
            shutil.rmtree(left)
        answer = client.post("/v1/predict/batch", content="text\na\n", headers={"Content-Type": "text/csv"})
        assert answer.status_code == 200


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive(*_: Any) -> Path:
        Path("/dev/full").write_bytes(b"text\na\n")  # fails as every write to a full disk
        raise AssertionError

    monkeypatch.setattr("moodfuse.serve.answers.receive_batch", receive)
    with serving() as client:
        answer = client.post("/v1/predict/batch", content="text\na\n", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["detail"]


def test_a_disk_that_may_not_be_written_to_is_told(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with serving() as client:
        monkeypatch.setattr("moodfuse.serve.answers.tempfile.TemporaryDirectory", refused)
        answer = client.post("/v1/predict/batch", content="text\na\n", headers={"Content-Type": "text/csv"})
        monkeypatch.undo()
    assert answer.status_code == 507
    assert "not to be written to" in answer.json()["detail"]


def test_lines_of_a_kind_are_told_sparingly() -> None:
    sparing = Sparing(most=2, seconds=0.2)
    lines = [logging.LogRecord("asyncio", logging.ERROR, "", 0, "%d is refused", (i,), None) for i in range(8)]
    assert [sparing.filter(line) for line in lines[:6]] == [True, True, False, False, False, False]
    time.sleep(0.3)
    assert sparing.filter(lines[6])
    assert lines[6].getMessage() == "6 is refused (4 more before)"
    assert sparing.filter(lines[7])
    assert lines[7].getMessage() == "7 is refused"


def test_the_log_holds_id_sizes_timing_and_status_only(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="moodfuse.serve"):
        good = client.post("/v1/predict?q=SECRETQUERY", json={"text": "SECRETTEXT day"})
        client.get("/SECRETPATH", headers={"User-Agent": "SECRETAGENT"})
        client.post("/v1/predict", json={"text": 5, "SECRETKEY": "SECRETVALUE"})
    lines = [record.getMessage() for record in caplog.records if record.name == "moodfuse.serve"]
    assert len(lines) == 3
    assert "SECRET" not in " ".join(lines)
    assert lines[0].startswith(f"id={good.headers['x-request-id']} POST /v1/predict status=200 in=")
