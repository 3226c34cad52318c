"""What people send: forms of a browser, data URIs, zips of other machines, posts with fields of their own."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from service_cases import b64, picture, zip_of
from starlette.testclient import TestClient

from moodfuse.data.formats.registry import readers
from moodfuse.runtime.predictor import Predictor

CSV, ZIP = {"Content-Type": "text/csv"}, {"Content-Type": "application/zip"}
LINES = {"Content-Type": "application/jsonl"}
URI = "data:image/jpeg;base64," + base64.b64encode(picture()).decode()


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def form(*parts: tuple[str, bytes]) -> dict[str, Any]:
    """A body as browsers make it: each part is what stands behind `form-data; ` and its content."""
    start = b"--x\r\nContent-Disposition: form-data; "
    body = b"".join(start + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
    return {"content": body + b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain"])
def test_a_form_in_which_no_file_was_chosen_has_no_image(client: TestClient, path: str) -> None:
    sent = form(
        ('name="text"', b"good day"), ('name="image"; filename=""\r\nContent-Type: application/octet-stream', b"")
    )
    answer = client.post(path, **sent)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["status"]) == ("0", ["image_missing"])
    assert client.post(path, **form(('name="image"; filename=""', b""))).status_code == 422  # neither text nor image
    assert client.post(path, **form(('name="image"; filename="a.jpg"', b""))).status_code == 422  # a chosen, empty file


def test_a_form_may_name_its_post(client: TestClient) -> None:
    sent = client.post("/v1/predict", data={"id": "007", "text": "good"}, files={"image": ("a.jpg", picture())})
    assert sent.json()["id"] == "007"
    assert client.post("/v1/predict", **form(('name="id"', b"7" * 201), ('name="text"', b"good"))).status_code == 422
    assert client.post("/v1/predict", files={"id": ("id", b"7"), "image": ("a", picture())}).status_code >= 400


STARTS = [URI[:23], " " + URI[:23].upper(), "data:image/svg+xml;charset=x;base64,", "data:;base64,"]


@pytest.mark.parametrize("start", STARTS)
def test_the_beginning_of_a_data_uri_is_passed_over(client: TestClient, start: str) -> None:
    uri = start + URI[23:]
    plain = client.post("/v1/predict", json={"image": b64(picture())}).json()
    assert client.post("/v1/predict", json={"image": {"base64": uri}}).json() == plain
    batch = client.post("/v1/predict/batch", content=json.dumps({"image": {"base64": uri}}), headers=LINES)
    assert batch.json()["label"] == plain["label"]
    assert client.post("/v1/predict", json={"image": {"base64": "data:image/jpeg,abc"}}).status_code == 422


def old_zip(names: dict[bytes, bytes]) -> bytes:
    """A zip whose names have no mark of UTF-8: their bytes are in whatever the maker's machine wrote."""
    marks = {name: f"NAME{i:03d}".ljust(len(name), "_")[: len(name)] for i, name in enumerate(names)}
    data = zip_of({marks[name]: content for name, content in names.items()})
    for name, mark in marks.items():
        data = data.replace(mark.encode(), name)
    return data


@pytest.mark.parametrize("codec", ["gbk", "utf-8", "cp437"])
def test_names_of_other_machines_in_a_zip_are_read(client: TestClient, codec: str) -> None:
    image = "fotos/café über.jpg" if codec == "cp437" else "我的图片/乗车照片.jpg"  # GBK's 乗 ends in a backslash
    table = f"id,text,image\n1,good,{image}\n".encode()
    data = old_zip({b"posts\\liste.csv": table, b"posts\\" + image.replace("/", "\\").encode(codec): picture()})
    answer = client.post("/v1/predict/batch", content=data, headers=ZIP)
    assert answer.status_code == 200, answer.text
    assert lines_of(answer.text)[0]["status"] == ["ok"]


def test_the_fields_of_a_post_come_back_beside_its_answer(client: TestClient) -> None:
    posts = [
        {"id": "a", "text": "good", "label": None, "user": {"n": 9007199254740993}, "confidence": 1},
        {"text": "bad", "image": b64(picture()), "likes": 2},
    ]
    body = "\n".join(map(json.dumps, posts))
    first, second = lines_of(client.post("/v1/predict/batch", content=body, headers=LINES).text)
    assert list(first)[:4] == ["id", "user", "confidence", "label"]
    assert (first["user"], first["confidence"]) == (posts[0]["user"], 1)
    assert 0 < first["moodfuse_confidence"] <= 1
    assert (second["id"], second["likes"]) == ("2", 2)
    assert not {"text", "image"} & set(second)
    listed = client.post("/v1/predict/batch", content=body, headers=LINES | {"Accept": "application/json"})
    assert listed.headers["content-type"] == "application/json"
    assert [post["id"] for post in listed.json()] == ["a", "2"]
    as_csv = client.post("/v1/predict/batch", content=body, headers=LINES | {"Accept": "text/csv"}).text
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    assert rows[0]["user"] == '{"n": 9007199254740993}'
    assert {"text", "image", "moodfuse_label"} <= set(rows[0])


def test_a_tsv_comes_back_as_one_if_asked(client: TestClient) -> None:
    headers = {"Content-Type": "text/tab-separated-values", "Accept": "text/tab-separated-values;q=0.9, */*"}
    answer = client.post("/v1/predict/batch", content="text\tx\ngood\t1\n", headers=headers)
    assert answer.headers["content-type"] == "text/tab-separated-values; charset=utf-8"
    assert answer.text.startswith("text\tx\tlabel\tconfidence\t")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("tweet", "columns: expected ROLE=NAME"),
        ("text=", "columns: expected ROLE=NAME"),
        ("=x", "columns: unknown role ''"),
        ("mood=x", "columns: unknown role 'mood'"),
        ("text=text,text=b", "columns: text is named twice"),
        ("text=a,b", "has no column 'a,b' for the text; it has 'text'"),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(client: TestClient, columns: str, told: str) -> None:
    answer = client.post("/v1/predict/batch", params={"columns": columns}, content="text\ngood\n", headers=CSV)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert "--" not in answer.json()["detail"]


@pytest.mark.skipif("xlsx" not in readers(), reason="no reader of Excel files")
def test_a_workbook_is_answered_and_a_bomb_is_not(client: TestClient, serving: Any) -> None:
    xlsxwriter = pytest.importorskip("xlsxwriter")
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer)
    sheet = book.add_worksheet()
    for number, row in enumerate([["text", "note"], ["good", "x"], ["bad", 7]]):
        sheet.write_row(number, 0, row)
    book.close()
    headers = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
    assert len(lines_of(client.post("/v1/predict/batch", content=buffer.getvalue(), headers=headers).text)) == 2
    with serving({"unpacked_bytes": 1000}) as small:
        assert small.post("/v1/predict/batch", content=buffer.getvalue(), headers=headers).status_code == 413
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("xl/workbook.xml", "<nothing")
    assert client.post("/v1/predict/batch", content=broken.getvalue(), headers=headers).status_code == 422


def test_a_workbook_among_several_in_a_zip_is_no_bomb_either(serving: Any) -> None:
    xlsxwriter = pytest.importorskip("xlsxwriter")
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet()
    for number in range(3000):
        sheet.write_string(number, 0, "text")
    book.close()
    data = zip_of({"a.xlsx": buffer.getvalue(), "b.xlsx": buffer.getvalue()})
    with serving({"unpacked_bytes": 3 * len(buffer.getvalue())}) as small:
        refused = small.post("/v1/predict/batch", content=data, headers=ZIP)
    assert refused.status_code == 413
    assert "the workbook unpacks to more" in refused.text


HEADER = ["tweet_id", "photo_url", "note, mine", "tweet_text"]
ROWS = [
    ["007", "https://example.org/a.jpg", "1,5", "what a wonderful day; I love it"],
    ["9007199254740993", "", "x", "this is awful, I hate it"],
]
EXCEL = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


def semicolons(header: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=";").writerows([header, *ROWS])
    return buffer.getvalue().encode()


def workbook(header: list[str]) -> bytes:
    xlsxwriter = pytest.importorskip("xlsxwriter")
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer)
    sheet = book.add_worksheet()
    for number, row in enumerate([header, *ROWS]):
        for column, value in enumerate(row):
            sheet.write_string(number, column, value)
    book.close()
    return buffer.getvalue()


@pytest.mark.parametrize(("content", "headers"), [(semicolons, CSV), (workbook, EXCEL)], ids=["semicolons", "Excel"])
@pytest.mark.parametrize("columns", ["", "id=code,image=where,text=what, said"])
def test_a_table_of_any_dialect_is_answered_by_its_columns_and_comes_back(
    client: TestClient, content: Callable[[list[str]], bytes], headers: dict[str, str], columns: str
) -> None:
    header = ["code", "where", "note, mine", "what, said"] if columns else HEADER
    body, parameters = content(header), {"columns": columns}
    answers = lines_of(client.post("/v1/predict/batch", params=parameters, content=body, headers=headers).text)
    assert [answer["id"] for answer in answers] == ["007", "9007199254740993"]
    assert [answer["status"] for answer in answers] == [["image_not_fetched"], ["image_missing"]]
    for answer, row in zip(answers, ROWS, strict=True):
        alone = client.post("/v1/predict", json={"text": row[3]}).json()
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)
        assert answer["note, mine"] == row[2]
        assert not {*header} - {"note, mine"} & {*answer}
    # The download is the table with its answers, every column as it was.
    download = client.post(
        "/v1/predict/batch", params=parameters, content=body, headers=headers | {"Accept": "text/csv"}
    )
    rows = list(csv.DictReader(io.StringIO(download.text), delimiter=";" if content is semicolons else ","))
    assert list(rows[0])[:5] == [*header, "label"]
    assert [[row[name] for name in header] for row in rows] == ROWS
    assert [row["label"] for row in rows] == [answer["label"] for answer in answers]
    preview = client.post("/v1/predict/batch", params=parameters | {"preview": "true"}, content=body, headers=headers)
    opening, *shown = lines_of(preview.text)
    assert opening["columns"] == header
    assert opening["table"]["delimiter"] == (";" if content is semicolons else ",")
    assert [[json.loads(value) for value in row["fields"]] for row in shown] == ROWS


def test_json_gives_back_no_text_image_or_label_whatever_they_are_called(client: TestClient) -> None:
    lines = [{"ID": "7", "Text": "good", "Image": "", "gold_label": "x", "mine": 1}, {"tweet": "bad", "photo2": None}]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    jsonl = {"Content-Type": "application/jsonl"}
    first, second = lines_of(client.post("/v1/predict/batch", content=body, headers=jsonl).text)
    assert [*first][:3] == ["id", "mine", "label"]
    assert [*second][:2] == ["id", "label"]
    body = b"ID,Tweet,Sentiment,title\n7,good,positive,mine\n"
    [answer] = lines_of(client.post("/v1/predict/batch", content=body, headers=CSV).text)
    assert [*answer][:3] == ["id", "title", "label"]
    comment = {"subreddit": "cats", "id": "c", "author": "me", "title": "Look", "selftext": "a cat"}
    body = json.dumps(comment).encode() + b"\n"
    [answer] = lines_of(client.post("/v1/predict/batch", content=body, headers=jsonl).text)
    assert answer["author"] == "me"
    assert not {"title", "selftext", "body"} & {*answer}


def test_every_image_of_a_post_in_a_batch_is_confined(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture())
    names = ["pics/a.jpg", f"{tmp_path}/secret.jpg", "../../secret.jpg", "http://127.0.0.1:9/a.jpg", "gone.jpg"]
    post = {"id": "x", "text": "day", "image": names}
    data = zip_of({"x/posts.jsonl": json.dumps(post).encode(), "x/pics/a.jpg": picture()})
    [answer] = lines_of(client.post("/v1/predict/batch", content=data, headers=ZIP).text)
    assert answer["status"] == ["image_not_found", "image_not_fetched"]
    assert answer["used"] == ["image", "text"]
    assert [detail.partition(":")[0] for detail in answer["details"]] == [
        "image 2",
        "image 3",
        "image 4 (http",
        "image 5",
    ]
    assert str(tmp_path) not in str(answer)
    assert str(client.folder) not in str(answer)  # type: ignore[attr-defined]
    assert "looked for gone.jpg" in answer["details"][3]
    assert not any(ord(character) < 32 for detail in answer["details"] for character in detail)
    # The thumbnail is of the one image that is there, whatever its place.
    post["image"] = names[1:] + names[:1]
    data = zip_of({"x/posts.jsonl": json.dumps(post).encode(), "x/pics/a.jpg": picture()})
    preview = client.post("/v1/predict/batch", params={"preview": "true"}, content=data, headers=ZIP)
    assert lines_of(preview.text)[1]["thumbnail"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain"])
def test_a_post_may_have_several_images(client: TestClient, predictor: Predictor, path: str) -> None:
    images = [picture(), picture((90, 30), "PNG"), gradient()]
    expected = predictor.predict(text="a day", image=images).probabilities.values()
    alone = predictor.predict(text="a day", image=images[0]).probabilities.values()
    listed = client.post(path, json={"text": "a day", "image": [b64(image) for image in images]})
    form = client.post(path, data={"text": "a day"}, files=[("image", (f"{i}", one)) for i, one in enumerate(images)])
    for answer in (listed, form):
        assert answer.status_code == 200, answer.text
        found = list(answer.json()["probabilities"].values())
        assert found == pytest.approx(list(expected), abs=1e-5)
        assert found != pytest.approx(list(alone), abs=1e-5)
    one_bad = client.post(path, json={"text": "a", "image": [b64(images[0]), b64(b"GIF89a nothing")]})
    assert one_bad.status_code == 422
    assert "image 2" in one_bad.json()["detail"]
    assert client.post(path, json={"text": "a", "image": [b64(images[0])] * 33}).status_code == 422
    assert client.post(path, json={"text": "a", "image": ["http://127.0.0.1/a.jpg"]}).status_code == 422
    assert client.post(path, json={"image": []}).status_code == 422


def gradient() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()
