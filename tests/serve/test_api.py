"""The endpoints: the same answers as the Predictor's, in order, by every way in."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from service_cases import b64, picture, zip_of, zipped
from starlette.testclient import TestClient

from moodfuse import summarise
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.posts import ImageRef, Post
from moodfuse.runtime.answers import explanation_object, prediction_object
from moodfuse.runtime.explain import explain
from moodfuse.runtime.predictor import Prediction, Predictor


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> list[Post]:
    return list(stream_posts(synthetic_folder))[:40]


@pytest.fixture(scope="module")
def offline(predictor: Predictor, posts: list[Post]) -> list[Prediction]:
    return list(predictor.stream(posts))


def image_of(post: Post) -> bytes | None:
    return Path(post.image.source).read_bytes() if post.image and isinstance(post.image.source, Path) else None


def same(answer: dict[str, Any], prediction: Prediction, *, id: bool = True) -> bool:
    wanted = prediction_object(prediction)
    close = answer["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)
    keys = ["label", "used", "status", *(["id"] if id else [])]
    return close and all(answer[key] == wanted[key] for key in keys)


def test_json_and_multipart_answer_as_the_predictor_does(
    client: TestClient, posts: list[Post], offline: list[Prediction]
) -> None:
    for post, prediction in list(zip(posts, offline, strict=True))[:5]:
        image = image_of(post)
        body = {"id": post.id, "text": post.text, "image": image and b64(image)}
        assert same(client.post("/v1/predict", json=body).json(), prediction)
        form = client.post("/v1/predict", data={"text": post.text}, files={"image": image} if image else None)
        if image:
            assert same(form.json(), prediction, id=False)


def test_requests_at_the_same_time_share_batches_and_change_nobodys_answer(
    client: TestClient, posts: list[Post], offline: list[Prediction]
) -> None:
    def ask(post: Post) -> dict[str, Any]:
        image = image_of(post)
        return client.post("/v1/predict", json={"id": post.id, "text": post.text, "image": image and b64(image)}).json()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, posts))
    assert all(same(answer, prediction) for answer, prediction in zip(answers, offline, strict=True))
    together = re.search(r'moodfuse_batch_posts_bucket\{le="1.0"\} (\d+)', client.get("/metrics").text)
    batches = re.search(r"moodfuse_batch_posts_count (\d+)", client.get("/metrics").text)
    assert together
    assert batches
    assert int(batches[1]) > int(together[1])  # some batches held more than one post


def test_one_modality_is_enough(client: TestClient) -> None:
    text = client.post("/v1/predict", json={"text": "what a day"}).json()
    assert (text["used"], text["status"]) == (["text"], ["image_missing"])
    image = client.post("/v1/predict", files={"image": picture()}).json()
    assert (image["used"], image["status"]) == (["image"], ["text_missing"])


def test_an_explanation_is_the_runtimes(client: TestClient, predictor: Predictor) -> None:
    body = {"text": "she was reading the paper, horrible", "image": b64(picture())}
    answer = client.post("/v1/explain", json=body).json()
    wanted = explanation_object(explain(predictor, Post("0", body["text"], ImageRef(picture()))))  # type: ignore[arg-type]
    assert answer["shares"]["text"] == pytest.approx(wanted["shares"]["text"], abs=2e-5)
    assert [word["text"] for word in answer["words"]] == [word["text"] for word in wanted["words"]]
    assert answer["regions"]["seen"] == wanted["regions"]["seen"]


def read_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_zip_of_a_folder_is_answered_in_order(
    client: TestClient, synthetic_folder: Path, predictor: Predictor
) -> None:
    offline = list(predictor.stream(stream_posts(synthetic_folder, part="predict", strict=False)))
    response = client.post(
        "/v1/predict/batch", content=zipped(synthetic_folder), headers={"Content-Type": "application/zip"}
    )
    answers = read_lines(response.text)
    assert response.headers["Moodfuse-Posts"] == str(len(offline)) == "12"
    assert all(same(answer, prediction) for answer, prediction in zip(answers, offline, strict=True))


def test_many_lines_come_back_in_order_with_their_images(
    client: TestClient, posts: list[Post], offline: list[Prediction]
) -> None:
    lines = []
    for post in posts:
        image = image_of(post)
        lines.append(json.dumps({"id": post.id, "text": post.text, "image": image and b64(image)}))
    body = "\n".join(lines * 3)
    response = client.post("/v1/predict/batch", content=body, headers={"Content-Type": "application/x-ndjson"})
    answers = read_lines(response.text)
    assert [answer["id"] for answer in answers] == [post.id for post in posts] * 3
    assert all(same(answer, prediction) for answer, prediction in zip(answers, offline * 3, strict=True))


def test_csv_comes_back_as_csv_if_asked(client: TestClient) -> None:
    headers = {"Content-Type": "text/csv; charset=utf-8", "Accept": "text/csv"}
    body = 'id,text,label\n7,"good, really",\n8,bad,nonsense\n'
    response = client.post("/v1/predict/batch", content=body, headers=headers)
    lines = response.text.splitlines()
    assert lines[0].startswith("id,text,label,moodfuse_label,confidence,p_negative")
    assert lines[2].startswith("8,bad,nonsense,")
    assert [line.split(",")[0] for line in lines[1:]] == ["7", "8"]


def test_a_csv_in_a_zip_finds_its_images_and_nobody_elses(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture())
    outside = [f"out,day,{tmp_path}/secret.jpg", "up,day,../../../../etc/passwd"]
    rows = ["id,text,image", "in,day,pics/a.jpg", *outside, "no,day,gone.jpg"]
    data = zip_of({"x/posts.csv": "\n".join(rows).encode(), "x/pics/a.jpg": picture()})
    response = client.post("/v1/predict/batch", content=data, headers={"Content-Type": "application/zip"})
    assert [answer["status"] for answer in read_lines(response.text)] == [["ok"], *[["image_not_found"]] * 3]


def test_a_line_that_names_a_file_of_the_server_gets_nothing_of_it(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture())
    names = [str(tmp_path / "secret.jpg"), str(tmp_path / "not.jpg"), "http://127.0.0.1:9/a.jpg", "posts.jsonl"]
    body = "\n".join(json.dumps({"text": "day", "image": name}) for name in names)
    response = client.post("/v1/predict/batch", content=body, headers={"Content-Type": "application/jsonl"})
    assert [answer["status"] for answer in read_lines(response.text)][:3] == [
        ["image_not_found"], ["image_not_found"], ["image_not_fetched"]
    ]  # fmt: skip
    # Nor does an answer tell which files there are: all rows are answered alike, with and without such a file.
    for name in (names[0], names[1]):
        body = json.dumps({"image": name})
        response = client.post("/v1/predict/batch", content=body, headers={"Content-Type": "application/jsonl"})
        [answer] = read_lines(response.text)
        assert answer["status"] == ["text_missing", "image_not_found", "nothing_to_read"]


def test_a_preview_shows_text_and_a_small_image(client: TestClient) -> None:
    body = json.dumps({"id": "1", "text": "long " * 400, "image": b64(picture((900, 600)))})
    headers = {"Content-Type": "application/x-ndjson"}
    [opening, answer] = read_lines(client.post("/v1/predict/batch?preview=true", content=body, headers=headers).text)
    assert (opening["format"], opening["columns"]) == ("jsonl", ["id", "text", "image"])
    assert answer["fields"][:2] == ['"1"', json.dumps("long " * 400)]
    assert len(answer["text"]) == 400
    assert answer["thumbnail"].startswith("data:image/jpeg;base64,")
    assert len(answer["thumbnail"]) < 4000


def test_the_model_tells_labels_hashes_and_card(client: TestClient, predictor: Predictor) -> None:
    model = client.get("/v1/model").json()
    assert model["device"] == "cpu"
    assert model["labels"] == list(predictor.labels.names)
    assert model["files"] == predictor.manifest.files
    assert model["card"].startswith("#")
    assert model["scores"]["protocol"]["held_out"] == 12


def test_health_readiness_and_metrics(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    client.post("/v1/predict", json={"text": "day"})
    assert 'moodfuse_requests_total{route="/v1/predict",status="200"}' in client.get("/metrics").text


def test_the_documentation_names_every_endpoint_and_no_other_machine(client: TestClient) -> None:
    page = client.get("/docs").text
    assert all(path in page for path in ("/v1/predict", "/v1/predict/batch", "/v1/explain", "/v1/model", "/readyz"))
    assert set(re.findall(r"https?://([^/:\s\"']+)", page)) <= {"127.0.0.1"}
    assert "<script" not in page


def test_a_bundle_of_one_modality_serves_too(serving: Callable[..., Any], text_run: Path) -> None:
    with serving(bundle=text_run) as client:
        answer = client.post("/v1/explain", json={"text": "what a day"}).json()
    assert set(answer["shares"]) == {"text"}


def test_a_preview_ends_with_the_shares_that_summary_tells(
    client: TestClient, predictor: Predictor, tmp_path: Path
) -> None:
    days = [f"2026-01-{day:02}" for day in range(1, 29)]
    rows = "".join(f"{day},{text}\n" for day in days for text in ("so happy today", "awful and sad", "a bus at noon"))
    body, headers = "date,text\n" + rows, {"Content-Type": "text/csv"}
    *_, last = read_lines(client.post("/v1/predict/batch?preview=true", content=body, headers=headers).text)
    answers = tmp_path / "answers.csv"
    asked = {**headers, "Accept": "text/csv"}
    answers.write_text(client.post("/v1/predict/batch", content=body, headers=asked).text, "utf-8")
    expected = summarise(answers, bundle=predictor.bundle.folder).as_json()
    told = last["totals"]
    assert told["total"]["read"] == 84
    assert told["time"]["column"] == "date"
    assert told["corrected"] == expected["corrected"]
    assert len(told["time"]["periods"]) == len(expected["time"]["periods"])
    for label, share in told["total"]["shares"].items():
        assert share["share"] == pytest.approx(expected["total"]["shares"][label]["share"], abs=1e-3)
