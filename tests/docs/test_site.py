"""The site: its two languages build without a warning, ask no other host, and hold the files of the root."""

import posixpath
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from pages import ROOT, load_script, read_page

for_site = load_script("site_hooks.py")["for_site"]


def test_links_of_a_root_page_lead_to_the_pages_of_the_site() -> None:
    text = "[a](docs/speed.md) [b](docs/tutorials/table.zh.md) ![c](docs/house.svg) [d](README.md) "
    text += "[e](examples/quickstart.py) [f](docs/decide.zh.md#adapt) [g](CONTRIBUTING.md#release)"
    shown = "[a](speed.md) [b](tutorials/table.md) ![c](house.svg) [d](index.md) `examples/quickstart.py` "
    shown += "[f](decide.md#adapt) [g](contributing.md#release)"
    assert for_site(text) == shown


def test_both_readmes_give_the_same_numbers_and_commands() -> None:
    english, chinese = (read_page(name) for name in ("README.md", "README.zh-CN.md"))
    tables = [re.findall(r"^\|.*\d\.\d.*", text, re.MULTILINE) for text in (english, chinese)]
    numbers = [[re.findall(r"\d+\.?\d*%?", row) for row in table] for table in tables]
    assert numbers[0]
    assert numbers[0] == numbers[1]
    assert re.findall(r"^\| `(moodfuse .*?)` \|", english, re.M) == re.findall(
        r"^\| `(moodfuse .*?)` \|", chinese, re.M
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_both_languages_have_their_pages(site: Path) -> None:
    assert "near-duplicates kept together" in (site / "index.html").read_text("utf-8")
    assert "近似重复的帖子" in (site / "zh/index.html").read_text("utf-8")
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html") if path.parts[-2] != "zh"}
    for page in pages - {"404.html"}:
        assert (site / "zh" / page).exists() or page.startswith("zh/")


def test_a_reader_asks_no_other_host(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert not re.findall(r'<(?:script|img|link rel="stylesheet")[^>]+https?://', path.read_text("utf-8"))


def test_every_link_of_the_site_leads_to_what_is_there(site: Path) -> None:
    pages = {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}
    places = {page: {unescape(place) for place in re.findall(r'\sid="([^"]+)"', text)} for page, text in pages.items()}
    dead = []
    for page, text in pages.items():
        for link in map(unescape, set(re.findall(r'\s(?:href|src)="([^"]*)"', text))):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, place = link.partition("#")
            # 404.html alone has links from the top: it is shown at any address.
            folder = "" if name.startswith("/") else posixpath.dirname(page)
            target = posixpath.normpath(posixpath.join(folder, unquote(name).lstrip("/"))) if name else page
            target = posixpath.join(target, "index.html") if (site / target).is_dir() else target
            found = (site / target).is_file() and (not place or unquote(place) in places.get(target, ()))
            if not found:
                dead.append(f"{page}: {link}")
    assert dead == []
    assert len(pages) > 60


def test_the_reference_tells_every_public_name(site: Path) -> None:
    import moodfuse

    told = (site / "reference.html").read_text("utf-8")
    for name in set(moodfuse.__all__) - {"__version__"}:
        assert name in told
