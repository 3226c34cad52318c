"""The page in a real browser on a live service: every way through it, and no request to any other machine."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import xlsxwriter
from PIL import Image
from service_cases import Server, picture, started_server, wait_until, zipped

from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.readers import stream_posts
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.prediction import predict_source

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}")


@dataclass
class Visit:
    """An open page, and since it was opened: every request, every error, and what its content policy refused."""

    page: Any
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def hear(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.refused.append(message.text)


@pytest.fixture(scope="module")
def server(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started_server(trained_run, tmp_path_factory.mktemp("page")) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def visit(server: Server, browser: Any) -> Visit:
    return open_page(browser, server, viewport={"width": 1280, "height": 860}, locale="en-GB")


def open_page(browser: Any, server: Server, **context: Any) -> Visit:
    page = browser.new_context(**context).new_page()
    seen = Visit(page)
    page.on("request", lambda request: seen.asked.append(request.url))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", seen.hear)
    page.goto(server.url)
    return seen


def clear(page: Any) -> None:
    page.get_by_role("tab").first.click()
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#mf-answer").is_hidden()


def image_file(name: str = "a.jpg", content: bytes | None = None) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/jpeg", "buffer": picture((300, 200)) if content is None else content}


def test_text_and_image_are_answered_and_explained(visit: Visit) -> None:
    page = visit.page
    clear(page)
    page.get_by_label("Image", exact=True).set_input_files(image_file())
    page.get_by_label("Text", exact=True).fill("she was reading the paper, horrible")
    page.get_by_role("button", name="Tell the mood").click()
    page.wait_for_selector("#mf-answer h2")
    answer = page.locator("#mf-answer")
    assert answer.locator(":scope > .mf-bars .mf-bar").count() == 3
    assert answer.locator(".mf-part").count() == 2
    assert answer.locator(".mf-moved").all_inner_texts()[0].endswith("points")
    assert answer.locator(".mf-word").all_inner_texts() == ["she", "was", "reading", "the", "paper,", "horrible"]
    wait_until(lambda: page.evaluate("document.querySelector('.mf-heat canvas').width") > 300)
    assert "speaks most for" in answer.locator(".mf-heat img").get_attribute("alt")


def test_text_alone_and_by_keyboard(visit: Visit) -> None:
    page = visit.page
    clear(page)
    page.get_by_label("Text", exact=True).focus()
    page.keyboard.type("such a lovely day")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "mf-go"
    page.keyboard.press("Enter")
    page.wait_for_selector("#mf-answer h2")
    assert page.evaluate("document.activeElement.id") == "mf-answer"  # a screen reader goes on there
    assert "No image was read" in page.locator("#mf-answer").inner_text()
    assert page.locator(".mf-heat").count() == 0


def test_image_alone(visit: Visit) -> None:
    page = visit.page
    clear(page)
    page.get_by_label("Image", exact=True).set_input_files(image_file())
    page.get_by_role("button", name="Tell the mood").click()
    page.wait_for_selector("#mf-answer h2")
    assert "No text was read" in page.locator("#mf-answer").inner_text()
    assert page.locator(".mf-words").count() == 0


def test_several_images_of_a_post_are_read_together(visit: Visit, trained_run: Path) -> None:
    page = visit.page
    clear(page)
    images = [picture((300, 200)), picture((90, 120), "PNG"), shaded()]
    chosen = [image_file(f"{at}.jpg", image) for at, image in enumerate(images)]
    page.get_by_label("Image", exact=True).set_input_files(chosen)
    assert page.locator("#mf-previews img").count() == 3
    page.get_by_label("Text", exact=True).fill("a day")
    page.get_by_role("button", name="Tell the mood").click()
    page.wait_for_selector("#mf-answer h2")
    answer = page.locator("#mf-answer")
    expected = Predictor.load(trained_run, threads=1).predict(text="a day", image=images).probabilities
    shown = answer.locator(":scope > .mf-bars .mf-value").all_inner_texts()
    assert [float(text.split()[0]) for text in shown] == [
        pytest.approx(100 * share, abs=0.6) for share in expected.values()
    ]
    assert "Where in the first image" in answer.inner_text()
    assert answer.locator(".mf-heat img").evaluate("image => image.naturalWidth") == 300
    page.get_by_role("button", name="Remove the images").click()
    assert page.locator("#mf-previews img").count() == 0
    assert page.locator("#mf-empty").is_visible()


def shaded() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_text_that_is_not_understood_is_to_be_checked_however_sure_the_answer_looks(visit: Visit) -> None:
    page = visit.page
    clear(page)
    page.get_by_label("Text", exact=True).fill("😡😡😡")
    page.get_by_role("button", name="Tell the mood").click()
    page.locator("#mf-answer", has_text="text not understood").wait_for()
    assert "Check by hand" in page.locator("#mf-answer .mf-review").inner_text()


def test_nothing_and_a_bad_file_are_told(visit: Visit) -> None:
    page = visit.page
    clear(page)
    page.get_by_role("button", name="Tell the mood").click()
    assert "Give an image, a text, or both" in page.get_by_role("alert").first.inner_text()
    page.get_by_label("Image", exact=True).set_input_files(image_file("bad.jpg", b"no image"))
    page.get_by_role("button", name="Tell the mood").click()
    page.locator("#mf-error", has_text="cannot be read").wait_for()
    assert page.locator("#mf-answer").is_hidden()


def test_a_batch_is_labelled_filtered_corrected_and_downloaded(visit: Visit, synthetic_folder: Path) -> None:
    page = visit.page
    page.get_by_role("tab", name="Many posts").click()
    page.get_by_role("button", name="Label the posts").click()
    assert "Choose a file first" in page.locator("#mf-batch-error").inner_text()
    upload = {"name": "posts.zip", "mimeType": "application/zip", "buffer": zipped(synthetic_folder)}
    page.get_by_label("File of posts").set_input_files(upload)
    page.get_by_role("button", name="Label the posts").click()
    page.wait_for_selector("#mf-save:not([disabled])", timeout=60_000)
    rows = page.locator("#mf-rows tr")
    assert rows.count() == 12
    assert page.locator("#mf-rows img").count() > 0
    page.get_by_label("Sort by").select_option("low")
    sure = [float(text.split()[0]) for text in page.locator("#mf-rows .mf-number").all_inner_texts()]
    assert sure == sorted(sure)
    first = rows.first.locator("select")
    given = first.input_value()
    first.select_option("neutral" if given != "neutral" else "positive")
    page.get_by_label("Show", exact=True).select_option("corrected")
    assert rows.count() == 1
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download with answers").click()
    table = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8"))))
    listed = (synthetic_folder / "test_without_label.txt").read_text().split()[1:]
    assert [row["id"] for row in table] == [line.split(",")[0] for line in listed]
    assert [row["predicted"] for row in table if row["corrected"] == "True"] == [given]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download guid,tag").click()
    assert Path(waiting.value.path()).read_text().startswith("guid,tag\n")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_download_is_what_came_in_with_its_answers(
    visit: Visit, trained_run: Path, tmp_path: Path, suffix: str
) -> None:
    source = tmp_path / f"in.{suffix}"
    if suffix == "csv":
        source.write_text('10,text,label,"a ""b"", c"\n9007199254740993,"good, day",x,é\n2,bad,,"two\nlines"\n')
    else:
        lines = ['{"10": 9007199254740993, "text": "good day", "label": "x"}', '{"more": {"a": [1.50]}, "text": "bad"}']
        source.write_text("\n".join(lines) + "\n")
    page = visit.page
    page.get_by_role("tab", name="Many posts").click()
    page.get_by_label("Show", exact=True).select_option("") if page.locator("#mf-results").is_visible() else None
    page.get_by_label("File of posts").set_input_files(source)
    page.get_by_role("button", name="Label the posts").click()
    page.locator("#mf-bar-text", has_text="2 posts labelled").wait_for()
    assert "2 posts" in page.locator("#mf-totals").inner_text()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download with answers ({suffix.upper()})").click()
    assert waiting.value.suggested_filename == f"in_answers.{suffix}"
    expected = tmp_path / f"out.{suffix}"
    predict_source(Predictor.load(trained_run, threads=1), source, expected)
    found = Path(waiting.value.path()).read_text("utf-8")
    wanted = expected.read_text("utf-8")
    if suffix == "csv":
        number = re.compile(r"\b\d(\.\d+)?(e-\d+)?(?=,)")  # noise of the batch, and how small numbers are written
        assert number.sub("", found) == number.sub("", wanted)
    else:
        for one, other in zip(found.splitlines(), wanted.splitlines(), strict=True):
            ours, theirs = json.loads(one), json.loads(other)
            assert sorted(ours) == sorted(theirs)
            assert {**ours, "probabilities": 0, "confidence": 0} == {**theirs, "probabilities": 0, "confidence": 0}


@pytest.mark.parametrize("kind", ["semicolons", "workbook"])
def test_a_file_as_people_have_it_is_labelled_and_comes_back(visit: Visit, tmp_path: Path, kind: str) -> None:
    table = [
        ["tweet_id", "photo_url", "note", "tweet_text"],
        ["007", "https://example.org/a.jpg", "1,5", "what a day; I love it"],
        ["9007199254740993", "", "", "awful, I hate it"],
    ]
    if kind == "workbook":
        source = tmp_path / "in.xlsx"
        with xlsxwriter.Workbook(source) as book:
            sheet = book.add_worksheet()
            for line, row in enumerate(table):
                for at, value in enumerate(row):
                    sheet.write_string(line, at, value)
    else:
        source = tmp_path / "in.csv"
        with source.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=";").writerows(table)
    page = visit.page
    page.get_by_role("tab", name="Many posts").click()
    page.get_by_label("Show", exact=True).select_option("") if page.locator("#mf-results").is_visible() else None
    page.get_by_label("File of posts").set_input_files(source)
    page.get_by_role("button", name="Label the posts").click()
    page.locator("#mf-bar-text", has_text="2 posts labelled").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download with answers").click()
    found = tmp_path / waiting.value.suggested_filename
    assert found.name == f"in_answers{source.suffix}"
    waiting.value.save_as(found)
    if kind == "semicolons":  # a mark, semicolons and decimal commas, as in what was sent
        head, first = found.read_text("utf-8").splitlines()[:2]
        assert head.startswith("\ufeff" + ";".join(table[0]) + ";label;confidence;")
        assert re.search(r";(negative|neutral|positive);0,\d+;", first)
    rows = [dict(post.fields or {}) for post in stream_posts(found, PREDICTING, fields=True)]
    assert [[row[name] for name in table[0]] for row in rows] == table[1:]
    assert [row["status"] for row in rows] == ["image_not_fetched", "image_missing"]
    assert {row["label"] for row in rows} <= {"negative", "neutral", "positive"}


def test_the_page_writes_workbooks_that_hold_text_as_text(visit: Visit) -> None:
    row = {
        "id": "1", "given": "neutral", "label": "neutral", "probabilities": {"neutral": 0.8}, "confidence": 0.8,
        "used": ["text"], "status": ["ok"], "needs_review": False, "details": [],
        "fields": ["9007199254740993", json.dumps("=1+1 <&>\x01 😡\ud83d"), "1.5", None],
    }  # fmt: skip
    opening = {"format": "xlsx", "columns": ["id", "text", "n", "x"], "names": {"label": "moodfuse_label"}}
    script = """async ([row, opening]) => {
      const { answersFile, download } = await import("/page/download.js");
      download("a.xlsx", answersFile([row], ["neutral"], opening));
    }"""
    with visit.page.expect_download() as waiting:
        visit.page.evaluate(script, [row, opening])
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.testzip() is None
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    lines = ([(cell.get("t", "n"), "".join(cell.itertext())) for cell in one] for one in sheet.iter(f"{space}row"))
    head, found = lines
    assert [text for _, text in head][:5] == ["id", "text", "n", "x", "moodfuse_label"]
    assert [text for _, text in found[:4]] == ["9007199254740993", "=1+1 <&>_x0001_ 😡\ufffd", "1.5", ""]
    assert [kind for kind, _ in found[:3]] == ["inlineStr", "inlineStr", "n"]
    assert ("b", "0") in found


def test_a_batch_shows_its_shares_with_error_bars_and_over_time(visit: Visit, tmp_path: Path) -> None:
    source = tmp_path / "weeks.csv"
    rows = [f"2026-01-{day:02},{text}" for day in range(1, 29) for text in ("a happy day", "a sad day")]
    source.write_text("\n".join(["date,text", *rows]) + "\n")
    page = visit.page
    page.get_by_role("tab", name="Many posts").click()
    page.get_by_label("File of posts").set_input_files(source)
    page.get_by_role("button", name="Label the posts").click()
    page.locator("#mf-bar-text", has_text="56 posts labelled").wait_for()
    shares = page.locator("#mf-totals .mf-shares li").all_inner_texts()
    assert len(shares) == 3
    assert all(re.search(r"\d+ % \(\d+ % to \d+ %\)", share) for share in shares)
    assert page.locator("#mf-totals .mf-trend li").count() > 1


def test_a_batch_that_cannot_be_read_is_told(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("tab", name="Many posts").click()
    upload = {"name": "posts.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"}
    page.get_by_label("File of posts").set_input_files(upload)
    page.get_by_role("button", name="Label the posts").click()
    page.locator("#mf-batch-error", has_text="text or an image column").wait_for()
    assert "expected a text or an image column" in page.locator("#mf-batch-error").inner_text()
    assert page.locator("#mf-rows tr").count() == 0


def test_chinese_on_a_small_dark_screen_fits(browser: Any, server: Server) -> None:
    phone = {"width": 390, "height": 844}
    visit = open_page(browser, server, viewport=phone, locale="zh-CN", color_scheme="dark")
    page = visit.page
    page.get_by_label("文字", exact=True).fill("今天真好")
    page.get_by_role("button", name="判断情感").click()
    page.wait_for_selector("#mf-answer h2")
    assert page.evaluate("document.documentElement.lang") == "zh"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("tab", name="批量帖子").click()
    page.get_by_label("语言").select_option("en")
    assert page.get_by_role("button", name="Label the posts").is_visible()
    assert visit.errors == visit.refused == []


def test_arrow_keys_go_from_tab_to_tab(visit: Visit) -> None:
    page = visit.page
    tabs, panels = page.get_by_role("tab"), page.locator("[role=tabpanel]")
    tabs.first.click()
    for key, wanted in (("ArrowRight", 1), ("ArrowRight", 0), ("ArrowLeft", 1), ("Home", 0), ("End", 1)):
        page.keyboard.press(key)
        assert [tab.get_attribute("aria-selected") for tab in tabs.all()] == [str(i == wanted).lower() for i in (0, 1)]
        assert [panel.is_visible() for panel in panels.all()] == [i == wanted for i in (0, 1)]
        assert page.evaluate("document.activeElement.getAttribute('aria-controls')") == panels.nth(
            wanted
        ).get_attribute("id")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "mf-file"  # the closed tab is no stop on the way
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "mf-tab-batch"


@pytest.mark.parametrize("width", [390, 768, 1280, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_width_fits_and_text_stands_out(browser: Any, server: Server, width: int, scheme: str) -> None:
    visit = open_page(browser, server, viewport={"width": width, "height": 860}, color_scheme=scheme, locale="en-GB")
    page = visit.page
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    ink, paper = (sum(map(int, re.findall(r"\d+", colour)[:3])) / 765 for colour in colours)
    assert (ink < 0.2 and paper > 0.9) if scheme == "light" else (ink > 0.9 and paper < 0.2)
    page.context.close()


def test_the_documentation_is_styled_and_nothing_in_it_is_refused(browser: Any, server: Server) -> None:
    visit = open_page(browser, server)
    visit.page.get_by_role("link", name="API").click()
    visit.page.wait_for_selector("h2")
    assert urlsplit(visit.page.url).path == "/docs"
    assert "system-ui" in visit.page.evaluate("getComputedStyle(document.body).fontFamily")
    assert visit.refused == []
    visit.page.context.close()


def test_the_browser_runs_and_shows_nothing_that_is_put_into_the_page(browser: Any, server: Server) -> None:
    visit = open_page(browser, server)
    visit.page.evaluate("""() => {
        document.getElementById("mf-model").innerHTML = '<i style="color: red" onclick="window.ran = 1">x</i>';
        document.querySelector("#mf-model i").click();
        const script = document.createElement("script");
        script.textContent = "window.ran = 2";
        document.body.append(script);
    }""")
    assert visit.page.evaluate("window.ran") is None
    assert visit.page.evaluate("getComputedStyle(document.querySelector('#mf-model i')).color") != "rgb(255, 0, 0)"
    assert len(visit.refused) == 3  # the style, the handler, the script: what this test hears, the others would
    visit.page.context.close()


def test_no_request_left_the_machine_and_no_file_stayed(visit: Visit, server: Server) -> None:
    assert {"/", "/page/page.js", "/v1/explain", "/v1/predict/batch"} <= {urlsplit(url).path for url in visit.asked}
    remote = {urlsplit(url).netloc for url in visit.asked if not url.startswith(("data:", "blob:"))}
    assert remote == {urlsplit(server.url).netloc}
    assert visit.errors == visit.refused == []
    left = [path for path in server.temporary.rglob("*") if path.is_file()]
    assert [path for path in left if path.parent.name.endswith(".part") and path.name == "lock"] == left
