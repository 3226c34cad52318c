"""Requests that mean harm, or make no sense: each gets a 4xx in RFC 9457's form, and the service lives on."""

import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from service_cases import b64, picture, zip_of
from starlette.testclient import TestClient

from moodfuse.data.formats.base import PREDICTING
from moodfuse.serve.limits import Limits
from moodfuse.serve.problems import Problem
from moodfuse.serve.uploads import open_batch

JSON = {"Content-Type": "application/json"}
ZIP = {"Content-Type": "application/zip"}
LINES = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


def png_bomb() -> bytes:
    """A PNG of a few bytes that says it holds 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def encrypted_zip() -> bytes:
    data = bytearray(zip_of({"train.txt": b"guid,tag\n1,null\n"}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        at = data.find(mark) + (6 if mark.endswith(b"\x04") else 8)
        data[at] |= 1
    return bytes(data)


def parquet_bomb() -> bytes:
    """A Parquet file of 1 KB whose one text of 10 MB stands in 300 rows."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["x" * 10_000_000]))
    pq.write_table(pa.table({"text": texts}), file, compression="zstd")
    return file.getvalue()


def refused(response: Any, status: int) -> bool:
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    assert body["instance"] == response.headers["x-request-id"]
    assert response.status_code == body["status"] == status, body
    return True


BODIES: dict[str, tuple[int, dict[str, str], Any]] = {
    "no JSON": (400, JSON, "{"),
    "an empty body": (400, JSON, ""),
    "NaN": (400, JSON, '{"text": NaN}'),
    "infinity in a field": (400, JSON, '{"text": "a", "id": -Infinity}'),
    "nested without end": (400, JSON, "[" * 100_000),
    "a number without end": (400, JSON, "9" * 10_000),
    "no Unicode": (400, JSON, b'{"text": "\xff\xfe"}'),
    "fifteen megabytes of keys": (400, JSON, b'{"k":1' + b',"k":1' * 2_500_000 + b"}"),
    "a list": (422, JSON, "[]"),
    "nothing": (422, JSON, "{}"),
    "nulls": (422, JSON, '{"text": null, "image": null}'),
    "a number as text": (422, JSON, '{"text": 3}'),
    "an unknown key": (422, JSON, '{"text": "a", "url": "http://127.0.0.1/x"}'),
    "an address as image": (422, JSON, '{"image": "http://127.0.0.1/x.jpg"}'),
    "a path as image": (422, JSON, '{"image": "/etc/passwd"}'),
    "malformed base64": (422, JSON, '{"image": {"base64": "%%%"}}'),
    "base64 cut off": (422, JSON, '{"image": {"base64": "abcde"}}'),
    "base64 of no image": (422, JSON, json.dumps({"image": b64(b"GIF89a nothing")})),
    "an empty image": (422, JSON, '{"image": {"base64": ""}}'),
    "a decompression bomb": (413, JSON, json.dumps({"image": b64(png_bomb())})),
    "an image that is a zip too": (422, JSON, json.dumps({"image": b64(picture() + zip_of({"a": b"b"}))})),
    "an image that is a script too": (
        422,
        JSON,
        json.dumps({"image": b64(b"GIF89a<script>x</script>" + picture())}),
    ),
    "an SVG": (422, JSON, json.dumps({"image": b64(b'<svg xmlns="http://www.w3.org/2000/svg"/>')})),
    "a megabyte of combining characters": (422, JSON, json.dumps({"text": "a" + "\u0301" * 1_000_000})),
    "text/plain": (415, {"Content-Type": "text/plain"}, "hello"),
    "no content type": (415, {}, b"hello"),
    "JSON that says it is a form": (400, {"Content-Type": "multipart/form-data"}, '{"text": "a"}'),
    "a form without an end": (422, {"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disposition"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain"])
def test_a_bad_post_is_refused(client: TestClient, path: str, name: str) -> None:
    status, headers, body = BODIES[name]
    assert refused(client.post(path, content=body, headers=headers), status)


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"text": "a", "url": "http://127.0.0.1/"}, {"image": ("a.jpg", picture())}),
        ({"image": "http://127.0.0.1/a.jpg"}, {"other": ("a.jpg", picture())}),
        ({}, {"text": ("a.txt", b"hello")}),
        ({}, {"image": ("../../etc/passwd", b"hello")}),
    ],
)
def test_a_bad_form_is_refused(client: TestClient, data: dict[str, str], files: Any) -> None:
    assert 400 <= client.post("/v1/predict", data=data, files=files).status_code < 500


BATCHES: dict[str, tuple[int, dict[str, str], Any]] = {
    "an empty batch": (422, CSV, ""),
    "lines without an end": (413, CSV, b'text\n"' + b"\n" * 1_100_000),
    "a header alone": (422, CSV, "id,text\n"),
    "no known column": (422, CSV, "a,b\n1,2\n"),
    "binary data": (422, CSV, b"id,te\0xt\n\0\0"),
    "NUL bytes": (422, LINES, b"\0" * 100),
    "a type that is no batch": (415, {"Content-Type": "text/html"}, "[]"),
    "a zip that is none": (422, ZIP, b"PK nothing"),
    "an image with a zip behind it": (422, ZIP, picture() + zip_of({"train.txt": b"guid,tag\n1,null\n"})),
    "an empty zip": (422, ZIP, zip_of({})),
    "a zip without a list": (422, ZIP, zip_of({"a.txt": b"hello"})),
    "an encrypted zip": (422, ZIP, encrypted_zip()),
    "a zip cut off": (422, ZIP, zip_of({"train.txt": b"guid,tag\n" + b"1,null\n" * 99})[:-30]),
    "a path upwards": (422, ZIP, zip_of({"../train.txt": b"guid,tag\n1,null\n"})),
    "a path upwards within": (422, ZIP, zip_of({"a/../../train.txt": b"guid,tag\n1,null\n"})),
    "an absolute path": (422, ZIP, zip_of({"/etc/train.txt": b"guid,tag\n1,null\n"})),
    "a drive": (422, ZIP, zip_of({"C:train.txt": b"guid,tag\n1,null\n"})),
    "a backslash": (422, ZIP, zip_of({"..\\train.txt": b"guid,tag\n1,null\n"})),
    "a very long name": (422, ZIP, zip_of({"a" * 300: b"x"})),
    "a file that is a folder too": (422, ZIP, zip_of({"a": b"x", "a/b": b"x"})),
    "a zip with a Parquet file that is a bomb": (413, ZIP, zip_of({"posts.parquet": parquet_bomb()})),
    "a zip bomb": (413, ZIP, zip_of({"train.txt": b"guid,tag\n" + b"1,null\n" * 3_000_000})),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_bad_batch_is_refused_before_any_answer(client: TestClient, name: str) -> None:
    status, headers, body = BATCHES[name]
    assert refused(client.post("/v1/predict/batch", content=body, headers=headers), status)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("headers", "body"),
    [(CSV, 'id,text\n1,good\n2,"a\n3,b\n'), (LINES, '{"id": 1, "text": "good"}\n[1]\n{"text": "b"}')],
    ids=["quotes that do not pair up", "a line that is no object"],
)
def test_an_odd_row_is_answered_and_stops_nobody(client: TestClient, headers: dict[str, str], body: str) -> None:
    answer = client.post("/v1/predict/batch", content=body, headers=headers)
    assert answer.status_code == 200
    answers = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["id"] for one in answers] == ["1", "2", "3"]
    alone = client.post("/v1/predict", json={"text": "good"}).json()
    assert answers[0]["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)


def test_a_zip_that_lies_about_its_sizes_is_stopped_while_unpacking(serving: Callable[..., Any]) -> None:
    data = bytearray(zip_of({"train.txt": b"guid,tag\n" + b"1,null\n" * 600_000}))
    real = struct.pack("<I", 9 + 7 * 600_000)
    assert data.count(real) == 2
    small = bytes(data).replace(real, struct.pack("<I", 20))
    with serving({"unpacked_bytes": 2**20}) as client:
        assert 400 <= client.post("/v1/predict/batch", content=small, headers=ZIP).status_code < 500


def test_a_zip_of_a_list_without_end_is_refused_before_the_list_is_read(tmp_path: Path) -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    size = 200_000 * len(entry)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0)
    (tmp_path / "posts.zip").write_bytes(entry * 200_000 + end)
    assert len(zipfile.ZipFile(tmp_path / "posts.zip").infolist()) == 200_000  # it is one, and cheap to make
    tracemalloc.start()
    with pytest.raises(Problem, match="200,000 files, too many for 10,000 posts"):
        open_batch(tmp_path / "posts.zip", Limits(), PREDICTING)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * 2**20  # the list alone takes 100 MiB


def test_no_message_tells_where_the_server_keeps_files(client: TestClient) -> None:
    for status, headers, body in BATCHES.values():
        detail = client.post("/v1/predict/batch", content=body, headers=headers).json()["detail"]
        assert str(client.folder) not in detail, status  # type: ignore[attr-defined]


def test_unknown_paths_and_methods_are_problems_too(client: TestClient) -> None:
    assert refused(client.get("/nothing"), 404)
    assert refused(client.get("/v1/predict"), 405)
    assert refused(client.request("TRACE", "/healthz"), 405)
    assert refused(client.post("/v1/predict/batch?preview=perhaps", content="text\na\n", headers=CSV), 422)


def test_an_origin_that_is_no_address_is_refused_like_any_other(client: TestClient) -> None:
    assert refused(client.get("/v1/model", headers={"Origin": "http://["}), 403)


def test_an_image_with_odd_metadata_is_still_an_image(client: TestClient) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "JPEG", comment=b"PK is a monogram; 100 %", quality=90)
    assert client.post("/v1/predict", files={"image": buffer.getvalue()}).status_code == 200
