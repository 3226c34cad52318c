"""The page of a review in a real browser, by keyboard alone, on a live session."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from answer_files import HOSTILE, predicted_file
from moodfuse.decide.label_store import LabelStore
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.review import create_review_app
from moodfuse.serve.server import listen
from moodfuse.workflows.reviewing import ReviewOptions, open_review, store_path

CHROMIUM = Path("/usr/bin/chromium")
KEY = "a-key"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}")


@dataclass
class Visit:
    """An open page on a live session, with what it asked for and what went wrong."""

    page: Any
    answers: Path
    address: str
    server: uvicorn.Server
    thread: threading.Thread
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def end_session(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=20)

    def place(self) -> str:
        return str(self.page.locator("#rv-place").inner_text())

    def press(self, key: str, place: int) -> None:
        """Press a key, and wait until the post at `place` is shown."""
        self.page.keyboard.press(key)
        self.page.locator(f"#rv-place:text-matches('^{place} ')").wait_for()

    def kept(self) -> list[tuple[int, str | None]]:
        store = LabelStore(store_path(self.answers))
        found = [(one.row, one.label) for one in store.labels()]
        store.close()
        return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return predicted_file(tmp_path_factory.mktemp("predicted"), 8)


@pytest.fixture(scope="module")
def model() -> Predictor:
    return Predictor.load(threads=1)


@contextmanager
def serving(answers: Path, model: Predictor) -> Iterator[tuple[str, uvicorn.Server, threading.Thread]]:
    """Serve a session in a thread; give its address."""
    with open_review(answers, ReviewOptions("ann", share=0.25)) as opened, listen(0) as listening:
        config = uvicorn.Config(create_review_app(opened.review, model, KEY), lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/#key={KEY}", server, thread
        finally:
            server.should_exit = True
            thread.join(timeout=20)


@pytest.fixture(params=[1280, 390])
def visit(
    request: pytest.FixtureRequest, browser: Any, predicted: Path, model: Predictor, tmp_path: Path
) -> Iterator[Visit]:
    answers = Path(shutil.copytree(predicted.parent, tmp_path / "answered")) / predicted.name
    context = browser.new_context(viewport={"width": request.param, "height": 800}, locale="en-GB")
    with serving(answers, model) as (address, server, thread):
        seen = Visit(context.new_page(), answers, address, server, thread)
        seen.page.on("request", lambda one: seen.asked.append(one.url))
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.on("dialog", lambda dialog: seen.errors.append(dialog.message))
        seen.page.on("console", lambda line: seen.errors.append(line.text) if "Security Policy" in line.text else None)
        seen.page.goto(address)
        seen.page.wait_for_selector("#rv-place:text-matches('of 8')")
        yield seen
        context.close()


def test_a_review_by_keyboard_alone(visit: Visit) -> None:
    page = visit.page
    assert visit.place() == "1 of 8"
    visit.press("1", 2)
    visit.press("3", 3)
    visit.press("s", 4)
    visit.press("ArrowLeft", 3)
    assert page.locator("#rv-skip").get_attribute("aria-pressed") == "true"
    visit.press("u", 3)  # takes the skip back, and stays
    page.wait_for_selector("#rv-skip[aria-pressed=false]")
    visit.press("u", 2)
    visit.press("2", 3)
    page.keyboard.press("n")
    page.keyboard.type("was it 1 or 2? s")  # letters of a note are no keys
    page.keyboard.press("Enter")
    visit.press("2", 4)
    assert page.locator("#rv-done").inner_text() == "3 of 8 labelled"
    assert [label for _, label in visit.kept()] == ["negative", "neutral", "neutral"]
    page.reload()
    page.wait_for_selector("#rv-place:text-matches('of 8')")
    assert visit.place() == "4 of 8"
    visit.press("ArrowLeft", 3)
    assert page.locator("#rv-note").input_value() == "was it 1 or 2? s"
    for place in (4, 5, 6, 7, 8):
        visit.press("ArrowRight", place)
    visit.press("ArrowLeft", 7)
    for _ in range(5):  # the open ones, from here on and then from the beginning
        before = len(visit.kept())
        page.keyboard.press("3")
        page.locator(f"#rv-done:text-matches('^{before + 1} ')").wait_for()
    page.wait_for_selector("#rv-end:not([hidden])")
    assert "All is done." in page.locator("#rv-end").inner_text()
    side = page.locator("#rv-side").inner_text()
    assert re.search(r"accuracy [01]\.\d\d \(0\.\d\d to [01]\.\d\d, from 2 drawn at random\)", side)
    visit.press("ArrowLeft", 8)
    assert visit.errors == []
    assert all(url.startswith((visit.address.partition("#")[0], "blob:")) for url in visit.asked)
    assert not any("key=" in url.partition("#")[0] for url in visit.asked)


def test_every_post_is_shown_whole_and_nothing_of_it_runs(visit: Visit) -> None:
    page, width = visit.page, visit.page.viewport_size["width"]
    withheld = 0
    for place in range(1, 9):
        if place > 1:
            visit.press("ArrowRight", place)
        if page.locator("#rv-id").inner_text() == "p0":
            assert page.locator("#rv-text").inner_text() == HOSTILE
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for button in page.locator("#rv-labels button").all():
            box = button.bounding_box()
            assert 0 <= box["y"] <= box["y"] + box["height"] <= 800  # in sight without scrolling
        if page.locator("#rv-model .mf-bar").count():
            page.wait_for_selector("#rv-reasons .mf-word")
        else:
            withheld += 1
            assert "cannot lead you" in page.locator("#rv-model").inner_text()
            assert page.locator("#rv-reasons").inner_text() == ""
    assert withheld == 2
    assert page.locator("#rv-text script, #rv-text img, #rv-text b").count() == 0
    assert visit.errors == []


def test_a_held_key_labels_one_post_and_a_lost_session_is_told(visit: Visit) -> None:
    page = visit.page
    page.keyboard.down("1")
    page.locator("#rv-place:text-matches('^2 ')").wait_for()
    for _ in range(3):
        page.keyboard.down("1")  # what a key that is held down sends again and again
    page.keyboard.up("1")
    page.wait_for_timeout(300)
    assert visit.place() == "2 of 8"
    assert len(visit.kept()) == 1
    visit.end_session()
    page.keyboard.press("2")
    page.wait_for_selector("#rv-error:not([hidden])")
    assert "this key was not" in page.locator("#rv-error").inner_text()
    assert visit.place() == "2 of 8"
    page.get_by_label("Language").select_option("zh")
    assert page.locator("#rv-done").inner_text() == "已标注 1 / 8 条"


def test_without_the_key_the_page_says_what_is_missing(visit: Visit) -> None:
    other = visit.page.context.new_page()
    other.goto(visit.address.partition("#")[0])
    other.wait_for_selector("#rv-error:not([hidden])")
    assert "#key=" in other.locator("#rv-error").inner_text()
    assert other.locator("#rv-main").is_hidden()
