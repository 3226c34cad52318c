"""What one client does stops no other: silent connections, bodies without an end, costly images, a stop meanwhile."""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from service_cases import Server, picture, started_server, wait_until, zip_of
from starlette.requests import ClientDisconnect, Request
from tests.data.hostile_images import encoded, progressive

from moodfuse.data.images import look_at
from moodfuse.data.posts import ImageRef, Post, Status
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve import decoding
from moodfuse.serve.batching import Engine
from moodfuse.serve.decoding import Decoder, costly_bytes
from moodfuse.serve.requests import while_asked

UNFINISHED = (
    b"POST /v1/predict/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 99\r\n\r\ntext\n"
)
COSTLY = progressive(1_500, 100)
DIES_OF_WHAT_IT_READS = [sys.executable, "-c", "import sys; sys.stdin.buffer.read(1)"]


@pytest.fixture(scope="module")
def server(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = ["--max-in-flight", 2, "--max-connections", 20, "--max-idle-seconds", 2, "--no-page"]
    with started_server(trained_run, tmp_path_factory.mktemp("fair"), *limits) as found:
        yield found


def opened(server: Server, start: bytes = b"") -> socket.socket:
    place = urlsplit(server.url)
    one = socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=10)
    one.sendall(start)
    return one


def predicted(server: Server, image: bytes | None = None) -> int:
    body = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nwhat a day\r\n'
    if image is not None:
        body += b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + image + b"\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(server.url + "/v1/predict", body + b"--x--\r\n", headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return int(response.status)


def test_bodies_without_an_end_take_no_place_and_are_told_so(server: Server) -> None:
    held = [opened(server, UNFINISHED) for _ in range(6)]
    time.sleep(0.3)
    assert predicted(server) == 200
    for one in held:
        assert one.recv(100).startswith(b"HTTP/1.1 408"), "after two idle seconds"
        one.close()


def test_silent_connections_keep_nobody_out(server: Server) -> None:
    held = [opened(server) for _ in range(60)]
    began = time.monotonic()
    assert b"ok" in server.get("/healthz")
    assert time.monotonic() - began < 1.5
    assert held[0].recv(1) == b""  # the oldest went at once, the others after two seconds
    assert held[-1].recv(1) == b""
    assert 1 < time.monotonic() - began < 8


def test_headers_have_to_come_in_time_on_an_old_connection_too(server: Server) -> None:
    one = opened(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while b'"ok"}' not in answer:
        answer += one.recv(1000)
    one.sendall(b"GET /healthz HTTP/1.1\r\n")
    began = time.monotonic()
    assert one.recv(1000) == b""
    assert time.monotonic() - began < 8


def test_decoders_write_nothing_to_the_log(server: Server) -> None:
    tiff = bytearray(encoded(Image.effect_noise((600, 400), 90).convert("1"), "TIFF", compression="group4"))
    tiff[len(tiff) // 3 : len(tiff) // 2] = os.urandom(len(tiff) // 2 - len(tiff) // 3)
    exif = Image.Exif()
    exif[0x010E] = "x" * 50
    odd = bytearray(encoded(Image.new("RGB", (64, 48), "red"), "JPEG", exif=exif))
    at = odd.find(struct.pack("<I", 51)) if struct.pack("<I", 51) in odd else odd.find(struct.pack(">I", 51))
    odd[at : at + 4] = b"\x7f\x7f\x7f\x7f"  # the length of an entry, far beyond the file
    for image in (bytes(tiff), bytes(odd)):
        with contextlib.suppress(urllib.error.HTTPError):
            predicted(server, image)
    log = (server.temporary.parent / "stderr.txt").read_text()
    assert [line for line in log.splitlines() if "moodfuse.serve id=" not in line and "serving on" not in line] == []


def test_what_is_costly_is_known_before_it_is_decoded() -> None:
    assert costly_bytes(ImageRef(COSTLY)) == COSTLY
    assert costly_bytes(ImageRef(encoded(Image.new("RGB", (8_000, 6_000)), "JPEG"))) is not None
    assert costly_bytes(ImageRef(encoded(Image.new("1", (30, 20)), "TIFF"))) is not None
    photo = encoded(Image.new("RGB", (4_000, 3_000)), "JPEG")  # of a phone
    for quick in (picture(), picture((1_200, 900)), photo, b"no image"):
        assert costly_bytes(ImageRef(quick)) is None


@pytest.mark.parametrize("enough", [0, 512])
def test_a_costly_image_is_seen_as_ever(enough: int) -> None:
    photo = encoded(Image.effect_noise((3_000, 2_000), 60).convert("RGB"), "JPEG")

    async def ask() -> None:
        decoder = Decoder(seconds=30, enough=enough)
        seen, expected = await decoder.look(photo), look_at(photo, enough=enough)
        assert seen.image is not None
        assert expected.image is not None
        assert seen.image.tobytes() == expected.image.tobytes()
        assert (seen.status, seen.size) == (expected.status, expected.size)
        decoder.close()

    asyncio.run(ask())


@pytest.mark.parametrize("sent", [b"\x80\x05.", b"\x02\0\0\0" + b"\0" * 8 + b"{}", b"\xff" * 40, b""])
def test_what_a_decoder_sends_is_data_alone(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    program = f"import sys; sys.stdout.buffer.write({sent!r}); sys.stdout.flush(); sys.stdin.buffer.read(12)"
    monkeypatch.setattr(decoding, "_COMMAND", [sys.executable, "-c", program])

    async def ask() -> None:
        decoder = Decoder(seconds=20)
        assert (await decoder.look(COSTLY)).status == (Status.IMAGE_TOO_COSTLY,)
        decoder.close()

    asyncio.run(ask())


def test_work_that_takes_too_long_or_is_given_up_ends() -> None:
    async def ask() -> None:
        decoder = Decoder(seconds=0.2)  # a process does not start in less
        assert (await decoder.look(COSTLY)).status == (Status.IMAGE_TOO_COSTLY,)
        assert decoder._process is None
        patient = Decoder(seconds=30)
        waiting = asyncio.create_task(patient.look(COSTLY))
        while patient._process is None:
            await asyncio.sleep(0.01)
        process = patient._process
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert process.poll() is not None
        assert (await patient.look(picture())).image is not None  # in a new one
        patient.close()
        decoder.close()
        dying = Decoder(seconds=30)
        dying._process = subprocess.Popen(DIES_OF_WHAT_IT_READS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert (await dying.look(picture())).status == (Status.IMAGE_TOO_COSTLY,)
        assert (await dying.look(picture())).image is not None
        dying.close()

    asyncio.run(ask())


def test_work_for_a_client_that_has_gone_is_given_up() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def receive() -> dict[str, str]:
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def ask() -> None:
        with pytest.raises(ClientDisconnect):
            await while_asked(Request({"type": "http"}, receive), work())
        await asyncio.sleep(0.05)
        assert ended

    asyncio.run(ask())


def test_costly_images_hold_up_no_other_post(predictor: Predictor) -> None:
    async def ask() -> set[str]:
        costly = [asyncio.create_task(engine.predict(Post("costly", None, ImageRef(COSTLY)))) for _ in range(4)]
        await asyncio.sleep(0.05)
        quick = asyncio.create_task(engine.predict(Post("quick", "what a day", ImageRef(picture()))))
        done, _ = await asyncio.wait([*costly, quick], return_when=asyncio.FIRST_COMPLETED)
        for task in costly:
            task.cancel()
        return {task.result().id for task in done}

    engine = Engine(predictor, threads=1)
    assert asyncio.run(ask()) == {"quick"}
    engine.close()


def test_stopping_ends_hostile_work_in_time(trained_run: Path, tmp_path: Path) -> None:
    table = b"text,image\n" + b"".join(b"day,%d.jpg\n" % i for i in range(40))
    batch = zip_of({"posts.csv": table} | {f"{i}.jpg": COSTLY for i in range(40)})
    with started_server(trained_run, tmp_path, "--no-page", "--stop-seconds", 1) as server:
        headers = {"Content-Type": "application/zip"}
        request = urllib.request.Request(server.url + "/v1/predict/batch", batch, headers)

        def ask() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                urllib.request.urlopen(request, timeout=60).read()

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: any(server.temporary.rglob("posts.csv")), server.process)
        time.sleep(1)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 8
        asking.join()
    assert not list(server.temporary.iterdir())


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_workers_end_with_a_parent_that_is_killed(trained_run: Path, tmp_path: Path) -> None:
    with started_server(trained_run, tmp_path, "--no-page", "--workers", 2) as server:
        [home] = server.temporary.iterdir()
        wait_until(lambda: len([path for path in home.iterdir() if path.name.isdecimal()]) == 2, server.process)
        workers = [int(path.name) for path in home.iterdir() if path.name.isdecimal()]
        assert all(alive(worker) for worker in workers)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        end = time.monotonic() + 2
        while any(alive(worker) for worker in workers) or listens(server):
            assert time.monotonic() < end, "a worker outlived its parent, or the port did"
            time.sleep(0.05)


def listens(server: Server) -> bool:
    """Tell whether the port is open: the last of a process' threads closes it, when the first is gone already."""
    try:
        opened(server).close()
    except ConnectionRefusedError:
        return False
    return True


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
