from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from web_server import Site, serving

from moodfuse.data import connecting, fetching, remote, robots
from moodfuse.data.connecting import is_public
from moodfuse.data.fetch_cache import FetchCache
from moodfuse.data.fetching import MAX_FETCHED, Fetcher
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.images import look
from moodfuse.data.posts import ImageUri, Status, Unread
from moodfuse.version import __version__
from ports import silent_port


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def fetcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    monkeypatch.setattr(fetching, "A_HOST_A_SECOND", 1000.0)
    return Fetcher(tmp_path / "cache", allow_private=True, time_limit=1.5)


def reason(found: bytes | Unread) -> str:
    assert isinstance(found, Unread)
    assert found.status == Status.IMAGE_NOT_FETCHED
    return found.detail


def test_an_address_is_fetched_once_and_kept(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.pages["/a%20b.jpg?x=1"] = b"JPEG"
    assert fetcher.read(f"{site.root}/a%20b.jpg?x=1") == b"JPEG"
    assert fetcher.read(f"{site.root}/a b.jpg?x=1") == b"JPEG"  # as a browser would ask
    again = Fetcher(tmp_path / "cache", allow_private=True)
    assert again.read(f"{site.root}/a%20b.jpg?x=1") == b"JPEG"
    assert site.asked == {"/a%20b.jpg?x=1": 2}
    [agent] = site.agents
    assert agent.startswith(f"moodfuse/{__version__} ")


def test_what_is_not_there_is_told_and_not_asked_for_again(site: Site, fetcher: Fetcher) -> None:
    for _ in range(3):
        assert reason(fetcher.read(f"{site.root}/none.jpg")) == "404 Not Found"
    assert site.asked["/none.jpg"] == 1


def test_redirects_are_followed_five_times(site: Site, fetcher: Fetcher) -> None:
    site.pages["/end"] = b"JPEG"
    site.redirects |= {f"/{i}": f"/{i - 1}" for i in range(1, 9)} | {"/0": f"{site.root}/end"}
    assert fetcher.read(f"{site.root}/4") == b"JPEG"
    assert reason(fetcher.read(f"{site.root}/5")) == "more than 5 redirects"
    site.redirects["/file"] = "file:///etc/passwd"
    assert "file" in reason(fetcher.read(f"{site.root}/file"))


REFUSING = b"User-agent: *\nDisallow: /private/\nAllow: /\n\nUser-agent: Other\nDisallow: /\n"


def test_what_the_robots_of_a_host_refuse_is_not_asked_for(site: Site, fetcher: Fetcher) -> None:
    site.pages |= {"/a.jpg": b"JPEG", "/private/b.jpg": b"JPEG"}
    site.robots = (200, REFUSING, "")
    assert reason(fetcher.read(f"{site.root}/private/b.jpg")) == "robots.txt of 127.0.0.1 refuses"
    assert fetcher.read(f"{site.root}/a.jpg") == b"JPEG"
    assert site.asked == {"/a.jpg": 1}
    assert site.robots_asked == 1
    site.redirects["/to"] = "/private/b.jpg"
    assert reason(fetcher.read(f"{site.root}/to")) == "robots.txt of 127.0.0.1 refuses"


def test_robots_that_name_us_are_heard(site: Site, fetcher: Fetcher) -> None:
    site.pages["/a.jpg"] = b"JPEG"
    site.robots = (200, b"\xef\xbb\xbfUser-agent: MoodFuse\nDisallow: /\n\nUser-agent: *\nDisallow:\n", "")
    assert reason(fetcher.read(f"{site.root}/a.jpg")) == "robots.txt of 127.0.0.1 refuses"
    assert not site.asked


@pytest.mark.parametrize(
    "answer",
    [(404, b"", ""), (403, b"go away", ""), (200, b"<html>hello</html>", ""), (200, b"\xff\0", ""),
     (302, b"", "/rules"), (302, b"", "/none"), (200, b"User-agent: *\nDisallow: //[\n", "")],
)  # fmt: skip
def test_a_host_without_readable_robots_allows_everything(
    answer: tuple[int, bytes, str], site: Site, fetcher: Fetcher
) -> None:
    site.pages |= {"/a.jpg": b"JPEG", "/rules": b"User-agent: *\nDisallow: /b\n"}
    site.robots = answer
    for _ in range(2):
        assert fetcher.read(f"{site.root}/a.jpg") == b"JPEG"
    assert site.robots_asked == 1


def test_robots_elsewhere_are_followed_and_those_that_fail_are_asked_for_again(site: Site, fetcher: Fetcher) -> None:
    site.pages |= {"/a.jpg": b"JPEG", "/rules": b"User-agent: *\nDisallow: /b\n"}
    site.robots = (503, b"", "")
    assert reason(fetcher.read(f"{site.root}/a.jpg")) == "503 for its robots.txt"
    site.robots = (302, b"", "/rules")
    assert reason(fetcher.read(f"{site.root}/b.jpg")) == "robots.txt of 127.0.0.1 refuses"
    site.robots = (302, b"", "file:///etc/passwd")  # not asked for again
    assert "refuses" in reason(fetcher.read(f"{site.root}/b2.jpg"))
    other = Fetcher(Path("/nowhere"), allow_private=True)
    assert "file" in reason(other.read(f"{site.root}/a.jpg"))


def test_many_images_at_once_ask_for_robots_once(site: Site, fetcher: Fetcher) -> None:
    site.delay = 0.05
    site.robots = (200, REFUSING, "")
    urls = [f"{site.root}/{i}" for i in range(20)]
    site.pages |= {f"/{i}": b"JPEG" for i in range(20)}
    fetcher.fetch_ahead(urls)
    assert [fetcher.read(url) for url in urls] == [b"JPEG"] * 20
    assert site.robots_asked == 1


def test_rules_of_few_hosts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots, "_HOSTS", 2)
    asked: list[str] = []

    def read(url: str) -> bytes:
        asked.append(url)
        return b"User-agent: *\nDisallow: /x"

    rules = robots.Robots(read)
    for host in ("a", "A", "b", "c", "a"):
        assert rules.allows(f"https://me:secret@{host}:8/y")
        assert not rules.allows(f"https://{host}:8/x")
    assert asked == [f"https://{host}:8/robots.txt" for host in "abca"]


@pytest.mark.parametrize("url", ["http://[bad/a.jpg", "http://a.example:x/", "http://a%5B/"])
def test_what_is_no_address_is_told(url: str, fetcher: Fetcher) -> None:
    assert reason(fetcher.read(url))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.0.0.7", "169.254.169.254", "[fe80::1]", "[::ffff:127.0.0.1]",
     "2130706433"],
)  # fmt: skip
def test_addresses_of_this_machine_and_its_networks_are_refused(host: str, tmp_path: Path) -> None:
    found = reason(Fetcher(tmp_path).read(f"http://{host}:1/a.jpg"))
    assert "refused" in found or "known" in found or "Name" in found  # a machine without IPv6 knows no such host


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("192.168.1.1", False), ("100.64.0.1", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::7f00:1", False), ("64:ff9b::808:808", True), ("2002:7f00:1::", False),
        ("fc00::1", False), ("fe80::1%eth0", False), ("224.0.0.1", False), ("0.0.0.0", False), ("::", False),
    ],
)  # fmt: skip
def test_which_addresses_everybody_reaches(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_redirect_to_this_machine_is_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stands for one of the world; what it redirects to is looked at anew."""
    site.redirects["/a"] = f"http://localhost:{site.root.rpartition(':')[2]}/b"
    site.pages["/b"] = b"secret"
    monkeypatch.setattr(connecting, "is_public", lambda address: False)
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(connecting, "is_public", lambda address: set(asked) == {"world.example"})
    monkeypatch.setattr(socket, "create_connection", _straight)
    found = reason(Fetcher(tmp_path).read(f"http://world.example:{site.root.rpartition(':')[2]}/a"))
    assert "localhost is an address of this machine" in found
    assert asked == ["world.example", "world.example", "localhost"]  # the first for its robots.txt
    assert site.asked == {"/a": 1}


def _straight(address: tuple[str, int], timeout: float) -> socket.socket:
    """Connect to a number, which is not to be looked up again."""
    assert address[0] == "127.0.0.1"
    plain = socket.socket()
    plain.settimeout(timeout)
    plain.connect(address)
    return plain


def test_a_host_that_drips_or_hangs_is_cut_off(site: Site, fetcher: Fetcher) -> None:
    start = time.monotonic()
    assert "too long" in reason(fetcher.read(f"{site.root}/drip"))
    site.delay = 30
    assert reason(fetcher.read(f"{site.root}/hang"))
    assert time.monotonic() - start < 6


def test_what_is_too_large_or_breaks_off_is_told(site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_FETCHED == 32 * 2**20
    monkeypatch.setattr(fetching, "MAX_FETCHED", 1000)
    site.pages["/large"] = bytes(1001)
    assert fetcher.read(f"{site.root}/large") == Unread(Status.IMAGE_TOO_LARGE)
    assert reason(fetcher.read(f"{site.root}/broken"))


def test_a_host_that_never_answers_is_left_alone(fetcher: Fetcher) -> None:
    with silent_port() as port:
        found = [reason(fetcher.read(f"http://127.0.0.1:{port}/{i}")) for i in range(10)]
    assert "efused" in found[0]
    assert found[-1] == "127.0.0.1 did not answer 8 times in a row"


def test_a_host_is_asked_at_a_pace(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "A_HOST_A_SECOND", 20.0)
    slow = Fetcher(tmp_path, allow_private=True)
    start = time.monotonic()
    for i in range(9):
        slow.read(f"{site.root}/{i}")
    assert time.monotonic() - start > 0.38


def test_fetching_ahead_asks_for_many_at_once(site: Site, fetcher: Fetcher) -> None:
    site.delay = 0.2
    urls = [f"{site.root}/{i}" for i in range(32)]
    site.pages |= {f"/{i}": b"%d" % i for i in range(32)}
    fetcher.fetch_ahead(urls + urls)
    assert [fetcher.read(url) for url in urls] == [b"%d" % i for i in range(32)]
    assert site.most > 4
    assert set(site.asked.values()) == {1}


def test_what_nobody_will_read_is_given_up(site: Site, fetcher: Fetcher) -> None:
    site.delay = 0.1
    fetcher.fetch_ahead(f"{site.root}/{i}" for i in range(500))
    fetcher.forget_ahead()
    assert reason(fetcher.read(f"{site.root}/499")) == "404 Not Found"  # and nobody waits for ever
    assert len(site.asked) < 100
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "moodfuse-fetch")


def test_the_cache_has_a_cap(tmp_path: Path) -> None:
    cache = FetchCache(tmp_path, cap_bytes=2500)
    for i in range(5):
        cache.put(f"https://example.org/{i}", bytes(1000))
        time.sleep(0.01)
    FetchCache(tmp_path, cap_bytes=2500).put("https://example.org/5", bytes(1000))
    assert [cache.holds(f"https://example.org/{i}") for i in range(6)] == [False] * 4 + [True] * 2


def test_a_cache_that_others_trim_too_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "00" / "gone"
    part = tmp_path / "00" / ".half.part"
    part.parent.mkdir()
    part.write_bytes(bytes(5000))
    listed = [part]

    def glob(folder: Path, _pattern: str) -> list[Path]:
        found = [path for path in folder.iterdir() if path.is_dir()]
        return [gone, *listed, *(path for below in found for path in below.iterdir() if path != part)]

    monkeypatch.setattr(Path, "glob", glob)
    cache = FetchCache(tmp_path, cap_bytes=2500)
    cache.put("https://example.org/0", bytes(1000))
    cache.put("https://example.org/1", bytes(1000))
    assert cache.holds("https://example.org/0")
    assert cache.holds("https://example.org/1")
    assert part.exists()


def test_what_a_killed_process_left_in_the_cache_goes(tmp_path: Path) -> None:
    left, written = tmp_path / "00" / ".left.part", tmp_path / "00" / ".written.part"
    left.parent.mkdir()
    for path in (left, written):
        path.write_bytes(b"half")
    os.utime(left, (0, 0))
    FetchCache(tmp_path).put("https://example.org/0", b"whole")
    assert (left.exists(), written.exists()) == (False, True)


def test_a_cache_that_cannot_be_written_to_stops_nothing(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    site.pages["/a"] = b"JPEG"
    assert Fetcher(tmp_path / "file" / "cache", allow_private=True).read(f"{site.root}/a") == b"JPEG"


# As a reader of posts meets them


def test_addresses_are_followed_only_if_asked(
    site: Site, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "fetcher", lambda: fetcher)
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "PNG")
    site.pages |= {"/a.png": buffer.getvalue(), "/page": b"<html>log in</html>"}
    path = tmp_path / "posts.csv"
    path.write_text(f"text,image\na,{site.root}/a.png\nb,{site.root}/page\nc,{site.root}/gone\n")
    stay = [look(post.image) for post in stream_posts(path) if post.image is not None]
    assert [one.status for one in stay] == [(Status.IMAGE_NOT_FETCHED,)] * 3
    assert not site.asked
    found = [look(post.image) for post in stream_posts(path, remote=True) if post.image is not None]
    assert found[0].image is not None
    assert [(*one.status, one.detail) for one in found] == [
        ("",), ("image_format_unknown", "web page (HTML)"), ("image_not_fetched", "404 Not Found")
    ]  # fmt: skip


def test_a_store_that_nobody_knows_is_told() -> None:
    pytest.importorskip("pyarrow")
    found = look(ImageUri(b"", "nosuch://store/a.jpg", follow=True))
    assert found.status == (Status.IMAGE_NOT_FETCHED,)
    assert found.detail
