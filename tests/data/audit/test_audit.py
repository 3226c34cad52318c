"""Each fault is planted in otherwise clean posts, and found with the right count; clean posts have no findings."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.hostile_images import progressive

from moodfuse.data.audit.audit import Audit, audit_posts
from moodfuse.data.audit.findings import Severity
from moodfuse.data.audit.inventory import Inventory, take_inventory
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.data.synthetic import compose
from moodfuse.errors import DataError
from moodfuse.labels import SENTIMENT, Labels


def picture(seed: int, *, size: tuple[int, int] = (120, 100), kind: str = "jpeg", quality: int = 90) -> bytes:
    """An encoded image of random soft shapes; the same seed is the same picture at any size and quality."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return encoded(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), kind, quality=quality)


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of some hundred bytes whose header says 40,000 x 40,000 pixels."""
    data = encoded(Image.new("L", (8, 8)), "png")
    header = b"IHDR" + struct.pack(">II", 40_000, 40_000) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def text(seed: int) -> str:
    return compose(seed % 3, seed // 3 % 3, np.random.default_rng([7, seed]))


@pytest.fixture(scope="module")
def clean() -> list[Post]:
    return [Post(f"p{i}", text(i), ImageRef(picture(i)), SENTIMENT.names[i % 3]) for i in range(120)]


@pytest.fixture
def audited(clean: list[Post]) -> Callable[..., Audit]:
    """Audit the clean posts with some changed, by place, and others behind them."""

    def run(
        changed: dict[int, dict[str, object]] | None = None, more: tuple[Post, ...] = (), **options: object
    ) -> Audit:
        posts = [replace(post, **(changed or {}).get(i, {})) for i, post in enumerate(clean)]
        return audit_posts(take_inventory(Posts([*posts, *more])), **options)  # type: ignore[arg-type]

    return run


DOCUMENTED = (Path(__file__).parents[3] / "docs" / "audit.md").read_text("utf-8")


def checks(audit: Audit) -> dict[str, int]:
    """How many posts each check found; every check stands in the documentation."""
    assert [one.check for one in audit.findings if f"`{one.check}`" not in DOCUMENTED] == []
    return {one.check: one.count for one in audit.findings}


def test_clean_posts_have_no_findings(audited: Callable[..., Audit]) -> None:
    audit = audited()
    assert audit.findings == ()
    assert audit.worst is None
    assert audit.classes == {"negative": 40, "neutral": 40, "positive": 40}
    assert audit.texts["languages"] == {"en": 120}
    assert audit.images["formats"] == {"JPEG": 120}
    assert audit.images["width"]["median"] == 120


TEXT_FAULTS: dict[str, dict[str, object]] = {
    "text_missing": {"text": None},
    "text_empty": {"text": "  \n"},
    "text_not_utf8": {"encoding": "gb18030"},
    "text_decoded_lossy": {"encoding": "windows-1252", "lossy": True},
    "text_replacement_characters": {"text": "such a caf\ufffd in the old town"},
    "text_question_marks": {"text": "all that we saw of Fenerbah?e was a bus"},
    "text_no_words": {"text": "RT @a: @b #one http://t.co/x !!"},
    "text_retweets": {"text": "RT @someone: what a fine morning this was"},
    "text_too_long": {"text": "word " * 4_001},
}


@pytest.mark.parametrize("check", TEXT_FAULTS)
def test_a_fault_of_texts_is_found(check: str, audited: Callable[..., Audit]) -> None:
    fault = TEXT_FAULTS[check]
    # Each text its own, so that no duplicates are planted on the way.
    audit = audited(
        {
            i: fault | ({"text": f"{fault['text']} {'x' * i}"} if len(str(fault.get("text"))) > 40 else {})
            for i in (5, 9)
        }
    )
    finding = audit.finding(check)
    assert finding is not None
    assert (finding.count, finding.ids) == (2, ("p5", "p9"))
    assert finding.what.startswith("2 of 1")
    assert finding.advice


def images() -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    whole = encoded(Image.fromarray(noise), "jpeg", quality=90)
    return {
        "image_unreadable": b"\xff\xd8\xff and no more",
        "image_format_unknown": b"<html>404</html>",
        "image_truncated": whole[: len(whole) * 2 // 3],
        "image_too_large": bomb(),
        "image_too_costly": progressive(80, 101),
        "image_tiny": picture(900, size=(60, 90)),
        "image_huge": picture(901, size=(4_000, 4_000)),
        "image_long": picture(902, size=(400, 100)),
        "image_mode": encoded(Image.open(io.BytesIO(picture(903))).convert("CMYK"), "jpeg"),
        "image_flat": encoded(Image.new("RGB", (90, 90), "navy"), "png"),
    }


@pytest.mark.parametrize("check", images())
def test_a_fault_of_images_is_found(check: str, audited: Callable[..., Audit]) -> None:
    audit = audited({3: {"image": ImageRef(images()[check])}})
    assert checks(audit) == {check: 1}
    assert audit.findings[0].ids == ("p3",)
    assert audit.findings[0].what.startswith("1 of 120 images (0.8 %) ")


def test_missing_and_empty_files_and_files_of_another_format_are_found(
    audited: Callable[..., Audit], tmp_path: Path
) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "named.jpg").write_bytes(picture(950, kind="png"))
    audit = audited(
        {
            1: {"image": None},
            2: {"image": ImageRef(tmp_path / "gone.jpg")},
            3: {"image": ImageRef(tmp_path / "empty.jpg")},
            4: {"image": ImageRef(tmp_path / "named.jpg")},
            5: {"image": None, "text": " "},
        }
    )
    assert checks(audit) == {
        "image_missing": 2, "image_not_found": 1, "image_unreadable": 1, "image_misnamed": 1,
        "text_empty": 1, "nothing_to_read": 1,
    }  # fmt: skip
    unreadable, missing = audit.finding("image_unreadable"), audit.finding("image_missing")
    assert unreadable is not None
    assert unreadable.what.endswith("1 of them empty file")
    assert missing is not None
    assert missing.ids == ("p1", "p5")


def test_a_set_whose_images_all_fail_is_an_error_and_one_without_any_a_warning(clean: list[Post]) -> None:
    broken = audit_posts(take_inventory(Posts(replace(post, image=ImageRef(b"x")) for post in clean)))
    without = audit_posts(take_inventory(Posts(replace(post, image=None) for post in clean)))
    assert (broken.worst, checks(broken)) == (Severity.ERROR, {"image_unreadable": 120})
    assert (without.worst, checks(without)) == (Severity.WARNING, {"image_missing": 120})
    assert without.findings[0].what == "none of 120 posts has an image"


def test_duplicates_and_their_conflicting_labels_are_found(audited: Callable[..., Audit]) -> None:
    more = (
        Post("copy", text(0), ImageRef(picture(0)), "positive"),  # p0 whole, which is negative
        Post("text", text(1), ImageRef(picture(500)), "neutral"),  # the text of p1, with its label
        Post("retweet", f"RT @you: {text(2).upper()}", ImageRef(picture(501)), "negative"),  # of p2, which is positive
        Post("typo", text(4).replace("with", "wiith"), ImageRef(picture(502)), "neutral"),  # of p4, which is neutral
        Post("small", text(503), ImageRef(picture(5, size=(90, 75), quality=60)), "neutral"),  # of p5: positive
    )
    audit = audited(more=more)
    assert checks(audit) == {
        "duplicate_posts": 2, "duplicate_text": 4, "duplicate_image": 2,
        "text_templates": 2, "near_duplicate_text": 2, "near_duplicate_image": 2, "text_retweets": 1,
        "conflicting_labels_post": 1, "conflicting_labels_text": 1, "conflicting_labels_image": 1,
        "conflicting_labels_near_text": 1, "conflicting_labels_near_image": 1,
    }  # fmt: skip
    groups = {one.check: one.groups for one in audit.findings}
    assert groups["duplicate_posts"] == groups["conflicting_labels_post"] == (("p0", "copy"),)
    assert set(groups["duplicate_text"]) == {("p0", "copy"), ("p1", "text")}
    assert groups["text_templates"] == groups["conflicting_labels_near_text"] == (("p2", "retweet"),)
    assert groups["near_duplicate_text"] == (("p4", "typo"),)
    assert groups["near_duplicate_image"] == (("p5", "small"),)
    assert audit.duplicates["same_text_posts"] == 4
    assert audit.duplicates["same_post_groups"] == 1


def test_unlabelled_posts_among_the_labelled_ones_are_found(audited: Callable[..., Audit]) -> None:
    audit = audited(
        more=(
            Post("u1", text(0), ImageRef(picture(600))),
            Post("u2", text(0), ImageRef(picture(601))),
            Post("u3", text(602), ImageRef(picture(1))),
            Post("u4", text(2), ImageRef(picture(2))),
            Post("u5", text(3) + "s", ImageRef(picture(603))),
            Post("u6", text(604), ImageRef(picture(604))),
        )
    )
    assert checks(audit) == {
        "unlabelled_near_among_labelled": 5, "unlabelled_text_among_labelled": 3,
        "unlabelled_image_among_labelled": 2, "unlabelled_post_among_labelled": 1,
    }  # fmt: skip
    finding = audit.finding("unlabelled_text_among_labelled")
    assert finding is not None
    assert finding.groups == (("p0", "u1", "u2"), ("p2", "u4"))
    assert finding.what == "3 of 6 unlabelled posts (50.0 %) have exactly the text of a labelled one"


def test_duplicates_across_a_given_split_are_an_error(audited: Callable[..., Audit], tmp_path: Path) -> None:
    parts = {f"p{i}": ("train", "validation", "test")[i % 3] for i in range(120)} | {"copy": "test"}
    (tmp_path / "split.json").write_text(json.dumps(parts))
    copy = Post("copy", text(0), ImageRef(picture(700)), "negative")  # p0 trains
    audit = audited(more=(copy,), split_file=tmp_path / "split.json")
    assert audit.worst is Severity.ERROR
    assert audit.findings[0].check == "split_parts_duplicates"
    assert audit.findings[0].groups == (("p0", "copy"),)
    (tmp_path / "split.json").write_text(json.dumps(parts | {"copy": "train"}))
    assert audited(more=(copy,), split_file=tmp_path / "split.json").worst is Severity.NOTE


def test_a_split_of_unlabelled_posts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no post has a label"):
        audit_posts(take_inventory(Posts([Post("a", "b")])), split_file=tmp_path / "split.json")


def test_thousands_of_copies_of_one_post_are_one_group(clean: list[Post]) -> None:
    copies = [Post(f"c{i}", text(0), ImageRef(picture(0)), "negative") for i in range(2_000)]
    audit = audit_posts(take_inventory(Posts([*clean, *copies])))
    finding = audit.finding("duplicate_posts")
    assert finding is not None
    assert (finding.count, len(finding.groups)) == (2_001, 1)
    assert finding.what.endswith("1 group, the largest of 2,001")
    assert len(audit.to_json()["findings"][0]["ids"]) == audit.findings[0].count


def test_classes_that_are_missing_rare_or_uneven_are_found(clean: list[Post]) -> None:
    negative = [post for post in clean if post.label == "negative"]
    rare = [post for post in clean if post.label == "neutral"][:2]
    audit = audit_posts(take_inventory(Posts([*negative, *rare])))
    assert [(one.check, one.count) for one in audit.findings if one.severity is Severity.ERROR] == [
        ("class_too_rare", 2),
        ("class_too_rare", 0),
    ]
    uneven, few = audit.finding("classes_uneven"), audit.finding("labels_few")
    assert uneven is not None
    assert "negative is 20.0 times as frequent as neutral" in uneven.what
    assert few is not None
    assert few.count == 42
    ten = audit_posts(take_inventory(Posts([*clean[:110:3], *clean[1:110:3], *clean[2:31:3]])))
    assert checks(ten) == {"labels_few": 84, "class_rare": 10, "classes_uneven": 10}


def test_copies_do_not_make_a_class_large_enough(clean: list[Post]) -> None:
    copies = [Post(f"c{i}", text(801), ImageRef(picture(801)), "mixed") for i in range(40)]
    audit = audit_posts(take_inventory(Posts([*clean, *copies])), labels=Labels((*SENTIMENT.names, "mixed")))
    finding = audit.finding("class_too_rare")
    assert finding is not None
    assert (
        "'mixed' has 40 of 160 posts (25.0 %), all of them near-duplicates in 1 group; training needs 3" in finding.what
    )


def test_posts_without_labels_get_an_audit_that_says_so(clean: list[Post]) -> None:
    audit = audit_posts(take_inventory(Posts(replace(post, label=None) for post in clean)))
    assert checks(audit) == {"labels_none": 120}
    assert audit.worst is Severity.NOTE
    assert audit.duplicates["posts"] == 120


def test_languages_are_told_where_they_mix(audited: Callable[..., Audit]) -> None:
    audit = audited({i: {"text": "今天的天气真好 " + "啊" * i} for i in range(12)})
    finding = audit.finding("languages_mixed")
    assert finding is not None
    assert finding.count == 12
    assert "another language than en: zh 12" in finding.what
    assert "py3langid" in finding.what


def test_ids_that_repeat_are_an_error_and_what_the_format_drops_a_note(clean: list[Post]) -> None:
    inventory = Inventory(Posts(clean), {"p1": 3, "p2": 2}, ("p2",), ("p3",), {"annotators who do not agree": 30})
    audit = audit_posts(inventory)
    assert checks(audit) == {"ids_repeated": 2, "ids_in_both_lists": 1, "dropped_by_format": 30}
    assert (
        audit.findings[0].what == "2 of 120 ids (1.7 %) stand for more than one post (5 posts; 1 with different labels)"
    )
    assert "30 of 150 posts (20.0 %)" in audit.findings[2].what


def test_json_holds_all_ids_and_no_texts(audited: Callable[..., Audit]) -> None:
    content = json.loads(json.dumps(audited({i: {"text": None} for i in range(100)}).to_json(), allow_nan=False))
    assert len(content["findings"][0]["ids"]) == 100
    assert content["labelled"] == 120
    assert content["label_errors"] is None
    assert text(110)[:40] not in json.dumps(content)
