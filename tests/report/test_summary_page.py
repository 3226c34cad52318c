"""The page of a summary: one file, no script, nothing loaded, whatever the posts hold; legible on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

import moodfuse
from answer_files import drawn, prediction, week_file, write
from moodfuse.report.markdown import markdown
from moodfuse.report.page import document_page
from moodfuse.report.summary import summary_document


def test_the_page_has_everything_and_loads_nothing(tmp_path: Path) -> None:
    found = moodfuse.summarise(week_file(tmp_path / "answers.csv"), by="month,brand,hashtag")
    page = document_page(summary_document(found))
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        *("In short", "Over time", "By brand", "By hashtag", "Differences that were tested"),
        *("Words that speak for a label", "Surest and most doubtful posts", "What could not be read"),
        "How the shares were estimated",
    ]
    assert "counted" in page
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|@import|url\((?!#)", page)
    assert "rose from" in page
    assert "rose from" in markdown(summary_document(found))


def test_posts_are_shown_as_text_with_thumbnails(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "red").save(tmp_path / "one.jpg")
    rows = [prediction(str(at), shares) for at, shares in enumerate(drawn(40, (0.3, 0.3, 0.4)))]
    hostile = "<script>alert(1)</script>"
    fields = [{"id": f"{at}{hostile}", "text": hostile, "image": "one.jpg", "brand": hostile} for at in range(40)]
    path = write(tmp_path / "a.csv", rows, fields)
    page = document_page(summary_document(moodfuse.summarise(path, by="brand")))
    assert "<script" not in page
    assert "data:image/jpeg" in page
    elsewhere = write(tmp_path / "sub.csv", rows, fields).rename(_folder(tmp_path) / "a.csv")
    found = moodfuse.summarise(elsewhere)
    assert "data:image/jpeg" not in document_page(summary_document(found))
    assert "data:image/jpeg" in document_page(summary_document(found, tmp_path))


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(tmp_path: Path, width: int) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    browser = Path("/usr/bin/chromium")
    if not browser.exists():
        pytest.skip("no Chromium here")
    found = moodfuse.summarise(week_file(tmp_path / "answers.csv"), by="day,brand,hashtag")
    path = tmp_path / "page.html"
    path.write_text(document_page(summary_document(found)), "utf-8")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(browser), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": width, "height": 800})
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        chromium.close()


def _folder(path: Path) -> Path:
    (path / "elsewhere").mkdir()
    return path / "elsewhere"
