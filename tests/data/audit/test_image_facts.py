from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from moodfuse.data.audit.image_facts import ImageFacts, examine_image, examine_images
from moodfuse.data.duplicates import group_duplicates
from moodfuse.data.posts import ImageRef, Post, Posts, Status


def image(seed: int, mode: str = "RGB", kind: str = "png") -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((60, 40), Image.Resampling.BICUBIC).convert(mode).save(file, kind)
    return file.getvalue()


def test_an_image_is_told_as_its_file_has_it(tmp_path: Path) -> None:
    data = image(0, "L", "jpeg")
    (tmp_path / "a.png").write_bytes(data)
    facts = examine_image(ImageRef(tmp_path / "a.png"))
    assert (facts.format, facts.mode, facts.width, facts.height) == ("JPEG", "L", 60, 40)
    assert (facts.size, facts.status, facts.readable) == (len(data), (), True)
    same = examine_image(ImageRef(data)).fingerprint
    assert same is not None
    assert facts.fingerprint is not None
    assert same.digest == facts.fingerprint.digest


def test_what_is_no_image_has_a_status(tmp_path: Path) -> None:
    gone, folder, nothing = ImageRef(tmp_path / "gone"), ImageRef(tmp_path), ImageRef(b"")
    looked = f"looked for {tmp_path / 'gone'}"
    assert examine_image(gone) == ImageFacts((Status.IMAGE_NOT_FOUND,), detail=looked, ref=gone)
    assert examine_image(folder) == ImageFacts((Status.IMAGE_UNREADABLE,), detail="not a file", ref=folder)
    assert examine_image(nothing) == ImageFacts((Status.IMAGE_UNREADABLE,), 0, detail="empty", ref=nothing)


def test_an_image_is_seen_though_its_metadata_are_broken() -> None:
    data = image(0)
    text = b"iTXt" + b"x" * 4
    broken = data[:33] + len(text[4:]).to_bytes(4) + text + bytes(4) + data[33:]
    facts = examine_image(ImageRef(broken))
    assert (facts.status, facts.format, facts.mode, facts.readable) == ((), "PNG", "RGB", True)


def test_what_is_cut_or_too_large_says_what_it_is() -> None:
    bomb = bytearray(image(0))
    bomb[16:24] = (20_000).to_bytes(4) * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4)
    facts = examine_image(ImageRef(bytes(bomb)))
    assert (facts.status, facts.format, facts.width, facts.height) == (
        (Status.IMAGE_TOO_LARGE,), "PNG", 20_000, 20_000
    )  # fmt: skip
    facts = examine_image(ImageRef(image(0)[:60]))
    assert (facts.status, facts.format, facts.width) == ((Status.IMAGE_UNREADABLE,), "PNG", 60)


def test_groups_from_the_facts_are_those_from_the_files() -> None:
    sources = [image(0), image(1), image(0, kind="jpeg"), image(1), b"broken", None]
    posts = Posts(Post(str(i), None, None if data is None else ImageRef(data)) for i, data in enumerate(sources))
    seen: list[tuple[int, int]] = []
    facts = examine_images(posts, lambda _what, done, total: seen.append((done, total)))
    fingerprints = {id: [one.fingerprint for one in found if one.fingerprint] for id, found in facts.items()}
    groups = group_duplicates(posts, fingerprints=fingerprints)
    assert groups == group_duplicates(posts)
    assert groups.by_image == {"0": 0, "1": 1, "2": 0, "3": 1}
    assert list(facts) == ["0", "1", "2", "3", "4"]
    assert seen[-1] == (5, 5)
