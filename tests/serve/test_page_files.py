"""The page as it is served: a document with the model's facts, its few files, headers that let nothing else in."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from moodfuse.data.posts import Status
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.page import add_page

FILES = sorted(file.name for file in (files("moodfuse.serve") / "static" / "page").iterdir())


class Tags(HTMLParser):
    """The tags of a document, each with its attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def facts(self) -> dict[str, Any]:
        [content] = [attrs["content"] for tag, attrs in self.all if tag == "meta" and attrs.get("name") == "moodfuse"]
        found: dict[str, Any] = json.loads(content or "")
        return found


@pytest.fixture(scope="module")
def client(serving: Callable[..., Any]) -> Iterator[TestClient]:
    with serving(page=True) as one:
        yield one


def test_the_page_holds_what_the_model_is(client: TestClient, predictor: Predictor) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert Tags(page.text).facts() == {
        "name": predictor.manifest.name,
        "labels": list(predictor.labels.names),
        "modalities": list(predictor.manifest.modalities),
        "threshold": predictor.manifest.review_threshold,
    }


def test_the_page_has_a_word_for_every_status_in_both_languages(client: TestClient) -> None:
    words = client.get("/page/words.js").text
    blocks = [set(re.findall(r"(\w+): \"", block)) for block in re.findall(r"status: \{(.*?)\}", words, re.DOTALL)]
    assert blocks == [set(map(str, Status)) - {"ok"}] * 2


def test_the_name_of_a_model_is_never_markup(trained_run: Path) -> None:
    name = "\"><script>alert(1)</script>'&amp;$model"
    bundle = read_bundle(trained_run)
    app = FastAPI()
    add_page(app, Predictor(replace(bundle, manifest=bundle.manifest.model_copy(update={"name": name})), threads=1))
    page = Tags(TestClient(app).get("/").text)
    assert page.facts()["name"] == name
    assert len([tag for tag, _ in page.all if tag == "script"]) == 1


def test_the_policy_lets_in_nothing_but_the_services_own_files(client: TestClient) -> None:
    for path in ("/", "/page/page.js", "/docs", "/v1/model", "/nothing"):
        policy = client.get(path).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'; ")
    rules = dict(rule.split(" ", 1) for rule in client.get("/").headers["content-security-policy"].split("; "))
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["img-src"] == "'self' data: blob:"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"


def test_the_document_has_no_inline_script_style_or_handler(client: TestClient) -> None:
    for tag, attrs in Tags(client.get("/").text).all:
        assert tag != "style"
        assert "style" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        assert tag != "script" or attrs.get("src")


def test_every_file_that_the_page_names_is_served_and_every_file_is_named(client: TestClient) -> None:
    wanted, named = {"/"}, set()
    while wanted:
        path = wanted.pop()
        named.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = re.findall(r'"(/page/[^"]+)"', answer.text)
        found += [f"/page/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)]
        wanted |= set(found) - named
    assert sorted(named - {"/"}) == [f"/page/{name}" for name in FILES]


def test_a_file_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/page/page.js").headers["etag"]
    again = client.get("/page/page.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/nothing.js",
        "/page/index.html",
        "/page/%2e%2e/index.html",
        "/page/..%2f..%2fapi.py",
        "/page/%2fetc/passwd",
        "/static/page/page.js",
        "/index.html",
        "/config",
        "/gradio_api/info",
    ],
)
def test_any_other_path_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_is_there_to_be_read(client: TestClient) -> None:
    for path in ("/", "/page/page.css"):
        assert client.head(path).status_code == 200
        assert client.post(path).status_code == 405


def test_a_service_without_a_page_has_none(serving: Callable[..., Any]) -> None:
    with serving(page=False) as client:
        assert client.get("/").status_code == client.get("/page/page.js").status_code == 404
        assert client.get("/docs").status_code == 200
