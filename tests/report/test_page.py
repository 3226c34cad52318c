"""Pages: everything inside one file, nothing of what a post holds taken for markup."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from moodfuse.data.posts import ImageRef
from moodfuse.report.document import (
    Card,
    Document,
    Estimate,
    Gallery,
    Listing,
    Notice,
    PageSection,
    Paragraph,
    Table,
    Verdicts,
    numeric,
    readable,
    shown,
)
from moodfuse.report.markdown import csv_rows, markdown
from moodfuse.report.page import document_page, render, thumbnail

EVIL = "</style><script>alert('x')</script><img src='http://example.org/a.png'>"


def evil_document() -> Document:
    blocks = [
        Verdicts([EVIL]),
        Paragraph(EVIL),
        Notice(EVIL),
        Table([EVIL, "n"], [[EVIL, 1.0]], EVIL),
        Listing(EVIL, EVIL),
        Gallery([Card(EVIL, None, EVIL, [(EVIL, EVIL)])]),
    ]
    return Document(EVIL, EVIL, EVIL, [PageSection("a", EVIL, blocks)], [{"score": EVIL, "value": 1.0}])


def test_no_text_becomes_markup() -> None:
    page = document_page(evil_document())
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= 10
    assert page.count("</style>") == 1


def test_a_page_loads_nothing_and_forbids_to() -> None:
    page = document_page(evil_document())
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", page)
    assert "@import" not in page


def test_the_contents_lead_to_the_sections() -> None:
    page = document_page(
        Document("k", "t", "", [PageSection("one", "The first", []), PageSection("two", "Second", [])])
    )
    for name in re.findall(r'<a href="#(\w+)">', page):
        assert f'<section id="{name}">' in page
    assert '<a href="#two">Second</a>' in page


def test_a_template_misses_no_name_silently() -> None:
    assert "<h1>only a title</h1>" in render("base.html", title="only a title")
    with pytest.raises(Exception, match="title"):
        render("base.html")


@pytest.mark.parametrize(
    ("value", "text", "right"),
    [
        (0.1234567, "0.123", True),
        (-0.0001, "0.000", True),
        (-0.5, "−0.500", True),
        (float("nan"), "–", True),
        (None, "–", True),
        (12345, "12,345", True),
        (True, "yes", False),
        ("12.5", "12.5", True),
        ("p12", "p12", False),
        (Estimate(0.7, 0.65, 0.75), "0.700 (0.650 to 0.750)", True),
        (Estimate(0.01, -0.02, 0.04, signed=True), "+0.010 (−0.020 to +0.040)", True),
        (Estimate(0.7), "0.700", True),
    ],
)
def test_values_in_tables(value: object, text: str, right: bool) -> None:
    assert (shown(value), numeric(value)) == (text, right)  # type: ignore[arg-type]


def test_a_text_is_shown_without_what_would_turn_or_hide_it() -> None:
    assert readable("a\u202eb\x00c\x1bd\ufeff\ud800e\nf") == "abcde f"
    assert readable("שלום مرحبا 你好 👩‍👩‍👧") == "שלום مرحبا 你好 👩‍👩‍👧"
    long = readable("y" * 20_000)
    assert len(long) < 600
    assert long.endswith("… (20,000 characters)")


def test_texts_have_a_direction_of_their_own() -> None:
    page = document_page(Document("k", "t", "", [PageSection("a", "A", [Gallery([Card("1", None, "שלום", [])])])]))
    assert '<bdi dir="auto">שלום</bdi>' in page
    assert "no image" in page


def test_thumbnails_are_small_jpegs_without_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    Image.new("RGB", (900, 300), (200, 30, 30)).save(tmp_path / "a.jpg", exif=exif)
    uri = thumbnail(ImageRef(tmp_path / "a.jpg"))
    assert uri is not None
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(data)).size == (160, 53)
    assert b"a secret place" not in data
    assert thumbnail(ImageRef(b"no image at all")) is None
    assert thumbnail(ImageRef(tmp_path / "not there.jpg")) is None
    assert thumbnail(None) is None


def test_markdown_takes_no_text_for_markup() -> None:
    text = markdown(evil_document())
    outside = text.split("```")[0] + text.split("```")[2]  # a listing stands as it is, in its fence
    assert "\\<script\\>" in outside
    assert not re.search(r"(?<!\\)<", outside)
    bars = markdown(Document("k", "t", "", [PageSection("a", "A", [Table(["x", "y"], [["a|b", "c"]])])]))
    assert "| a\\|b | c |" in bars


def test_csv_has_the_rows() -> None:
    assert csv_rows(evil_document()).splitlines()[0] == "score,value"
    assert csv_rows(Document("k", "t", "", [])) == ""
