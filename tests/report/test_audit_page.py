"""The page: what it shows, that it stays small, and that a hostile post stays text."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moodfuse.data.audit.audit import Audit, LabelErrors, LabelIssue, audit_posts
from moodfuse.data.audit.inventory import take_inventory
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.report.audit import MOST_THUMBNAILS, audit_page
from moodfuse.workflows.auditing import write_audit_page

#: 60 words that are nothing alike.
WORDS = ["".join(np.random.default_rng(i).choice(list("abcdefghijklmnopqrstuvwxyz"), 20)) for i in range(60)]


def picture(seed: int) -> ImageRef:
    file = io.BytesIO()
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize((90, 70), Image.Resampling.BICUBIC).save(file, "jpeg")
    return ImageRef(file.getvalue())


def audit(*posts: Post) -> Audit:
    return audit_posts(take_inventory(Posts(posts, source="some/folder")))


def pairs(count: int) -> list[Post]:
    """Posts that stand twice, with one label and with another."""
    return [
        Post(
            f"{'ab'[turn]}{i}",
            f"the very same words {WORDS[i]} {WORDS[-i]}",
            picture(i),
            ("positive", "negative")[turn],
        )
        for i in range(count)
        for turn in (0, 1)
    ]


def test_groups_stand_side_by_side_with_thumbnails_and_labels() -> None:
    page = audit_page(audit(*pairs(2), Post("u", f"the very same words {WORDS[1]} {WORDS[-1]}", picture(1))))
    conflicts = page[page.index('<section id="conflicts"') : page.index('<section id="leaks"')]
    assert conflicts.count('<article class="side">') == 2
    assert conflicts.count("data:image/jpeg;base64,") == 4
    assert re.findall(r">(positive|negative)</span>", conflicts) == ["positive", "negative"] * 2
    assert conflicts.count(f"the very same words {WORDS[0]}") == 1  # of both: told once
    assert "no label" in page[page.index('<section id="leaks"') :]


def test_findings_come_first_in_order_of_weight() -> None:
    page = audit_page(audit(*pairs(2)))
    badges = re.findall(r'class="badge (\w+)"', page)
    assert badges == sorted(badges, key=["error", "warning", "note"].index)
    assert badges[0] == "error"  # neutral has no posts
    assert page.index('id="findings"') < page.index('id="holds"') < page.index('id="conflicts"')


def test_thumbnails_are_bounded_and_the_rest_is_told() -> None:
    found = audit(*pairs(60), *(Post(f"u{i}", None, picture(i)) for i in range(60)))
    issues = tuple(LabelIssue(f"a{i}", "positive", "neutral", 0.9, 0.05) for i in range(50))
    page = audit_page(found.adding(label_errors=LabelErrors(0.7, 0.1, issues, "a method")))
    assert 30 < page.count("data:image/jpeg;base64,") <= MOST_THUMBNAILS
    assert "50 more such groups" in page
    assert "30 more: see the JSON" in page
    assert len(page) < 1_000_000


def test_a_large_group_shows_every_label_and_counts_the_rest() -> None:
    copies = [Post(f"c{i}", "the same words again and again", picture(0), "positive") for i in range(50)]
    page = audit_page(audit(*copies, Post("other", "the same words again and again", picture(0), "negative")))
    side = page[page.index('<article class="side">') :]
    assert "47 more posts" in side
    assert ">other<" in side


def test_a_hostile_post_stays_text() -> None:
    script = "<script>alert(1)</script> is all that there is"
    posts = [Post(f"<b>{i}</b>\u202e", script, None, label) for i, label in enumerate(("positive", "negative"))]
    page = audit_page(audit(*posts, Post("bad", None, ImageRef(b"<svg onload=alert(1)>"), "neutral")))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "<svg" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_files_that_cannot_be_read_are_listed() -> None:
    page = audit_page(audit(Post("broken", "words enough to read", ImageRef(b"x"), "positive"), Post("blind")))
    unreadable = page[page.index('<section id="unreadable"') :]
    assert "broken" in unreadable
    assert "blind" in unreadable


def test_posts_without_labels_and_posts_without_faults_have_a_page(tmp_path: Path) -> None:
    unlabelled = audit_page(audit(Post("a", "words enough to read", picture(0))))
    assert "No post has a label" in unlabelled
    assert 'id="conflicts"' not in unlabelled
    write_audit_page(audit(Post("a", "words enough to read", picture(0))), tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_text("utf-8") == unlabelled


@pytest.mark.parametrize("name", ["", "/", "\udcff", "a\nb"])
def test_any_source_can_be_a_title(name: str) -> None:
    page = audit_page(audit_posts(take_inventory(Posts([Post("a", "b")], source=name))))
    assert page.encode("utf-8")
