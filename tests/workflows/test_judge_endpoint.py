"""A judge's endpoint: what is sent, what is an answer, and what becomes of everything that is none."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from judge_server import KEY, Asked, completion, failure, serving, slow
from judge_server import Endpoint as Server
from PIL import Image

from moodfuse.data.posts import ImageRef, Post
from moodfuse.errors import ConfigError
from moodfuse.labels import SENTIMENT
from moodfuse.workflows.comparison.judge_endpoint import Attempts, Endpoint, JudgeError, NoAnswerError, chat_address
from moodfuse.workflows.comparison.judge_prompt import instruction_for, label_in, messages_for

QUICK = Attempts(seconds=0.5, tries=3, wait=0.01)
POST = [{"role": "system", "content": "label"}, {"role": "user", "content": [{"type": "text", "text": "a day"}]}]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as endpoint:
        yield endpoint


def client(server: Server, key: str = KEY, rate: float = 1e6, attempts: Attempts = QUICK) -> Endpoint:
    return Endpoint(chat_address(server.url), "some/model:1", key, rate, attempts)


def test_a_post_goes_out_as_text_and_small_images_and_the_answer_comes_back(server: Server) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((1600, 800)).save(file, "JPEG", comment=b"where I live")
    image = ImageRef(file.getvalue())
    post = Post("1", " what a day ", image, None, more_images=(ImageRef(Path("nowhere.jpg")), image))
    messages = messages_for(post, instruction_for(SENTIMENT))
    assert messages is not None
    sent = messages[1]["content"][1]["image_url"]["url"].partition(",")[2]
    assert b"where I live" not in base64.b64decode(sent)
    found = client(server).complete(messages)
    assert (found.text, found.refused, found.tokens_in, found.tokens_out) == ("positive", False, 100, 2)
    [asked] = server.asked
    assert (asked.text, asked.sizes) == ("what a day", [(768, 384), (768, 384)])
    assert (asked.body["model"], asked.body["temperature"]) == ("some/model:1", 0)
    assert "negative, neutral, positive" in asked.body["messages"][0]["content"]
    assert messages_for(Post("2", "  ", None, None), "label") is None


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"),
        (" **Negative**.\n", "negative"),
        ("The sentiment is neutral.", "neutral"),
        ("<think>positive? no: negative</think>neutral", "neutral"),
        ("not positive but negative", None),
        ("I am sorry, but I cannot say whether that is positive", None),
        ("", None),
        ("positively", None),
        ("mixed", None),
    ],
)
def test_which_label_an_answer_is(answer: str, label: str | None) -> None:
    assert label_in(answer, SENTIMENT.names) == label


@pytest.mark.parametrize(
    "fault",
    [
        failure(429, headers={"Retry-After": "0"}),
        failure(429, headers={"Retry-After": formatdate(0, usegmt=True)}),
        failure(500),
        (503, {}, b"<html>"),
        (200, {}, b"<html>a proxy"),
        (200, {}, b'{"choices": []}'),
    ],
)
def test_what_passes_is_tried_again(server: Server, fault: tuple[int, dict[str, str], bytes]) -> None:
    server.answer = lambda _, times: fault if times < 2 else completion("neutral")
    assert client(server).complete(POST).text == "neutral"
    assert len(server.asked) == 3


def test_an_endpoint_that_asks_to_wait_is_left_alone_for_so_long(server: Server) -> None:
    server.answer = lambda _, times: completion("neutral") if times else failure(429, headers={"Retry-After": "1"})
    began = time.monotonic()
    assert client(server).complete(POST).text == "neutral"
    assert time.monotonic() - began > 0.9
    server.answer = lambda *_: failure(429, headers={"Retry-After": "86400"})
    with pytest.raises(JudgeError, match="asks to wait for 86,400 s"):
        client(server).complete(POST)


def test_what_does_not_pass_ends_after_some_attempts(server: Server) -> None:
    server.answer = lambda *_: failure(500, code="overloaded")
    with pytest.raises(NoAnswerError, match=r"no answer in 3 attempts \(status 500, overloaded\)"):
        client(server).complete(POST)
    server.answer = lambda *_: slow(0.3, completion("late"))
    with pytest.raises(NoAnswerError, match="timed out"):
        client(server, attempts=Attempts(seconds=0.1, tries=2, wait=0.01)).complete(POST)


def test_a_wrong_key_is_told_and_never_shown(server: Server) -> None:
    with pytest.raises(JudgeError, match="MOODFUSE_JUDGE_KEY is not taken") as told:
        client(server, key="sk-wrong").complete(POST)
    assert "sk-wrong" not in str(told.value)
    server.answer = lambda *_: failure(400, f"odd: {KEY}")
    assert client(server).complete(POST).rejected == "status 400: odd: ***"
    server.answer = lambda *_: failure(500, code=KEY)
    with pytest.raises(NoAnswerError) as told:
        client(server).complete(POST)
    assert KEY not in str(told.value)


def test_a_key_follows_no_redirect(server: Server) -> None:
    server.answer = lambda *_: (302, {"Location": server.url.replace("/v1", "/elsewhere")}, b"")
    with pytest.raises(JudgeError, match="status 302"):
        client(server).complete(POST)
    assert len(server.asked) == 1


def test_refusals_and_rejections_are_told_apart(server: Server) -> None:
    for reply in (
        completion(None, refusal="I will not"),
        completion("", finish_reason="content_filter"),
        failure(400, code="content_policy_violation"),
    ):
        server.answer = lambda *_, reply=reply: reply
        assert client(server).complete(POST).refused
    server.answer = lambda *_: failure(400, "the image is too odd")
    assert client(server).complete(POST).rejected == "status 400: the image is too odd"


def test_a_setting_that_a_model_does_not_take_is_left_out_from_then_on(server: Server) -> None:
    def answer(asked: Asked, _: int) -> tuple[int, dict[str, str], bytes]:
        odd = [name for name in ("temperature", "max_tokens") if name in asked.body]
        return failure(400, "unsupported", param=odd[0], code="unsupported_value") if odd else completion("neutral")

    server.answer = answer
    endpoint = client(server)
    assert [endpoint.complete(POST).text for _ in range(2)] == ["neutral", "neutral"]
    assert len(server.asked) == 4


def test_no_more_requests_a_minute_than_asked_for(server: Server) -> None:
    endpoint = client(server, rate=1200)  # one in 50 ms
    began = time.monotonic()
    for _ in range(5):
        endpoint.complete(POST)
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    "url", ["api.example/v1", "ftp://h/v1", "https://me:pw@h/v1", "https://h/v1?key=sk-1", "https://"]
)
def test_an_address_that_will_not_do(url: str) -> None:
    with pytest.raises(ConfigError, match="--judge: expected"):
        chat_address(url)


def test_addresses() -> None:
    assert (
        chat_address("https://h/v1/")
        == chat_address("https://h/v1/chat/completions")
        == "https://h/v1/chat/completions"
    )
