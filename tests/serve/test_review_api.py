"""The service behind the page of a review: who may ask, what is told and withheld, what is kept."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from answer_files import HOSTILE, predicted_file
from moodfuse.decide.review import ReviewSession
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.review import create_review_app
from moodfuse.workflows.reviewing import ReviewOptions, open_review

KEY = "a key"
OWN = "http://127.0.0.1:9000"


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return predicted_file(tmp_path_factory.mktemp("predicted"), 12)


@pytest.fixture(scope="module")
def model() -> Predictor:
    return Predictor.load(threads=1)


@pytest.fixture
def review(predicted: Path, tmp_path: Path) -> Iterator[ReviewSession]:
    answers = Path(shutil.copytree(predicted.parent, tmp_path / "answered")) / predicted.name
    with open_review(answers, ReviewOptions("ann", budget=12, share=0.5)) as opened:
        yield opened.review


@pytest.fixture
def client(review: ReviewSession, model: Predictor) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with TestClient(create_review_app(review, model, KEY), base_url=OWN, headers=headers) as one:
        yield one


def row_of(review: ReviewSession, drawn: str, place: int = 0) -> int:
    return [post.row for post in review.posts if post.drawn == drawn][place]


def test_nothing_is_told_or_kept_without_the_key_and_for_no_other_page(
    client: TestClient, review: ReviewSession
) -> None:
    row = row_of(review, "queue")
    path = f"/v1/posts/{row}/label"
    for headers, status in (
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer another"}, 401),
        ({"Host": "rebound.example"}, 421),
        ({"Origin": "http://127.0.0.1:9001"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ):
        assert client.post(path, json={"label": "neutral"}, headers=headers).status_code == status
        assert client.get(f"/v1/posts/{row}", headers=headers).status_code == status
        assert client.get(f"/v1/posts/{row}/images/0", headers=headers).status_code == status
    assert review.store.labels() == []
    assert client.post(path, json={"label": "neutral"}, headers={"Origin": OWN}).status_code == 200


def test_the_pages_files_hold_nothing_and_need_no_key(client: TestClient) -> None:
    open_to_all = {"Authorization": ""}
    page = client.get("/", headers=open_to_all)
    assert page.status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]
    wanted, named = {"/"}, set[str]()
    while wanted:
        path = wanted.pop()
        named.add(path)
        text = client.get(path, headers=open_to_all).text
        home = path.rpartition("/")[0]
        found = re.findall(r'"(/(?:page|review)/[^"]+)"', text)
        wanted |= {*found, *(f"{home}/{name}" for name in re.findall(r'from "\./([^"]+)"', text))} - named
    own = {f"/review/{file.name}" for file in (files("moodfuse.serve") / "static" / "review").iterdir()}
    assert {path for path in named if path.startswith("/review/")} == own
    assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 404


def test_a_session_is_told_whole(client: TestClient, review: ReviewSession) -> None:
    told = client.get("/v1/review").json()
    assert (told["person"], told["settling"], told["explains"]) == ("ann", False, True)
    assert told["labels"] == ["negative", "neutral", "positive"]
    assert [post["row"] for post in told["posts"]] == [post.row for post in review.posts]
    assert {post["said"] for post in told["posts"]} == {None}
    assert (told["standing"]["total"], told["standing"]["random"], told["standing"]["accuracy"]) == (12, 6, None)


def test_a_post_is_told_as_it_is(client: TestClient, review: ReviewSession) -> None:
    hostile = client.get("/v1/posts/0").json()
    assert (hostile["id"], hostile["text"]) == ("p0", HOSTILE)
    row = next(post.row for post in review.posts if post.answered.post.image is not None)
    assert client.get(f"/v1/posts/{row}").json()["images"] == 1
    image = client.get(f"/v1/posts/{row}/images/0")
    assert image.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(image.content)).size[1] == 40
    assert client.get(f"/v1/posts/{row}/images/1").status_code == 404
    assert client.get("/v1/posts/99").status_code == 404
    assert client.get("/v1/posts/x").status_code == 422


def test_the_model_is_silent_on_a_test_until_the_label_is_given(client: TestClient, review: ReviewSession) -> None:
    test, taught = row_of(review, "random"), row_of(review, "queue")
    assert client.get(f"/v1/posts/{taught}").json()["model"]["label"] == review.by_row[taught].predicted
    assert client.get(f"/v1/posts/{test}").json()["model"] is None
    assert client.get(f"/v1/posts/{test}/why").status_code == 404
    assert client.post(f"/v1/posts/{test}/skip").json()["said"] == ""
    assert client.get(f"/v1/posts/{test}").json()["model"] is None
    client.post(f"/v1/posts/{test}/label", json={"label": "positive"})
    assert sum(client.get(f"/v1/posts/{test}").json()["model"]["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_every_key_is_kept_and_taken_back(client: TestClient, review: ReviewSession) -> None:
    row = row_of(review, "queue")
    kept = client.post(f"/v1/posts/{row}/label", json={"label": "negative"}).json()
    assert (kept["row"], kept["said"], kept["standing"]["done"]) == (row, "negative", 1)
    client.post(f"/v1/posts/{row}/note", json={"note": " irony "})
    assert client.get(f"/v1/posts/{row}").json()["note"] == "irony"
    assert client.post("/v1/undo").json()["row"] == row
    assert client.get(f"/v1/posts/{row}").json()["note"] == ""
    assert client.post("/v1/undo").json()["said"] is None
    assert client.post("/v1/undo").json()["row"] is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("label", {"label": "sad"}),
        ("label", {}),
        ("label", {"label": "neutral", "more": 1}),
        ("note", {"note": "x" * 5001}),
    ],
)
def test_what_is_no_key_is_refused_in_a_line(client: TestClient, review: ReviewSession, path: str, body: Any) -> None:
    answer = client.post(f"/v1/posts/{row_of(review, 'queue')}/{path}", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert review.store.labels() == []


def test_it_says_why(client: TestClient, review: ReviewSession) -> None:
    row = next(post.row for post in review.posts if post.drawn == "queue" and post.answered.post.image is not None)
    why = client.get(f"/v1/posts/{row}/why").json()
    assert why["label"] == review.by_row[row].predicted
    assert [word["text"] for word in why["words"]] == review.by_row[row].answered.post.text.split()
    assert len(why["regions"]["weights"]) == 5


def test_where_people_differ_each_sees_what_the_others_said(review: ReviewSession, model: Predictor) -> None:
    row = row_of(review, "queue")
    review.label(row, "neutral")
    review.store.act(row, "bob", "label", "positive")
    posts = list(review.by_row.values())
    with TestClient(create_review_app(review, model, KEY), base_url=OWN) as alone:
        headers = {"Authorization": f"Bearer {KEY}"}
        assert alone.get(f"/v1/posts/{row}", headers=headers).json()["others"] == {}
    settling = ReviewSession(review.store, review.labels, posts, "cid", settling=True)
    with TestClient(create_review_app(settling, None, KEY), base_url=OWN, headers=headers) as client:
        assert [post["row"] for post in client.get("/v1/review").json()["posts"]] == [row]
        assert client.get(f"/v1/posts/{row}").json()["others"] == {"ann": "neutral", "bob": "positive"}
        assert client.get(f"/v1/posts/{row}/why").status_code == 404
        assert client.post(f"/v1/posts/{row}/label", json={"label": "neutral"}).json()["standing"]["differing"] == 0
