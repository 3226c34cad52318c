"""What is wrong with the texts of a data set, and what they are like."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from moodfuse.data.audit.findings import Finding, Severity, are, out_of, quantiles
from moodfuse.data.languages import BARE, METHOD, identify_language
from moodfuse.data.posts import Post, Posts
from moodfuse.data.text import MAX_CHARS, clean

_WORD = re.compile(r"[^\W_]")  # a letter or a digit, of any script
_RETWEET = re.compile(r"\s*RT\b\s*@?", re.ASCII)
_LOST = re.compile(r"[^\W\d_]\?+[^\W\d_]")  # what a careless export makes of the ç in Fenerbahçe
_UTF8 = frozenset({None, "ascii", "utf-8"})  # None: the source held text, not bytes
#: What the languages of texts that tell none are counted as.
UNDECIDED = "undecided"
_FEW = 0.05  # share of texts in other languages from which on a data set is mixed


def check_texts(posts: Posts) -> tuple[dict[str, Any], list[Finding]]:
    """Return facts of the texts, ready for JSON, and what is wrong with them."""
    written = [post for post in posts if post.text is not None and post.text.strip()]
    bare = {post.id: clean(post.text or "", BARE) for post in written}
    languages = {id: identify_language(text) for id, text in bare.items()}
    facts = {
        "posts": len(posts),
        "missing": sum(post.text is None for post in posts),
        "empty": sum(post.text is not None and not post.text.strip() for post in posts),
        "encodings": dict(Counter(post.encoding or "text" for post in written).most_common()),
        "lossy": sum(post.lossy for post in written),
        "characters": quantiles([len(post.text or "") for post in written]),
        "words": quantiles([len((post.text or "").split()) for post in written]),
        "languages": dict(Counter(code or UNDECIDED for code in languages.values()).most_common()),
        "languages_by": METHOD,
    }
    findings = [
        *_absent(posts),
        *_encodings(written),
        *_lost(written, bare),
        *_contents(written, bare),
        *_languages(languages),
    ]
    return facts, findings


def _absent(posts: Posts) -> Iterator[Finding]:
    if missing := tuple(post.id for post in posts if post.text is None):
        none = f"none of {len(posts):,} posts has a text" if len(missing) == len(posts) else ""
        yield Finding(
            "text_missing",
            Severity.WARNING,
            len(missing),
            len(posts),
            none or f"{out_of(len(missing), len(posts), 'posts')} {are(len(missing), 'has', 'have')} no text",
            "the model sees their image only; if they should have one, check the files' names or the column",
            missing,
        )
    if empty := tuple(post.id for post in posts if post.text is not None and not post.text.strip()):
        yield Finding(
            "text_empty",
            Severity.WARNING,
            len(empty),
            len(posts),
            f"{out_of(len(empty), len(posts), 'posts')} {are(len(empty), 'has', 'have')} an empty text",
            "they count as posts without a text; if something was lost on export, export again",
            empty,
        )


def _encodings(written: list[Post]) -> Iterator[Finding]:
    other = [post for post in written if post.encoding not in _UTF8]
    if other:
        kinds = Counter(str(post.encoding) for post in other).most_common()
        yield Finding(
            "text_not_utf8",
            Severity.NOTE,
            len(other),
            len(written),
            f"{out_of(len(other), len(written), 'texts')} {are(len(other))} not UTF-8: "
            + ", ".join(f"{name} {count:,}" for name, count in kinds),
            "moodfuse decodes them; a tool that takes UTF-8 for granted drops characters here. "
            "`moodfuse convert` writes the set as UTF-8",
            tuple(post.id for post in other),
        )
    if lossy := tuple(post.id for post in written if post.lossy):
        yield Finding(
            "text_decoded_lossy",
            Severity.WARNING,
            len(lossy),
            len(written),
            f"{out_of(len(lossy), len(written), 'texts')} {are(len(lossy), 'fits', 'fit')} no known encoding: "
            "characters had to be replaced",
            "look at them; export them again as UTF-8",
            lossy,
        )


def _lost(written: list[Post], bare: dict[str, str]) -> Iterator[Finding]:
    """Yield texts that lost characters before they came here."""
    signed = tuple(post.id for post in written if not post.lossy and "\ufffd" in (post.text or ""))
    marked = tuple(id for id, text in bare.items() if _LOST.search(text))
    advice = "nothing here can bring them back: export the texts again from where they were whole"
    kinds = {
        "text_replacement_characters": (signed, Severity.WARNING, "U+FFFD, which stands for lost characters"),
        "text_question_marks": (marked, Severity.NOTE, "a question mark within a word, where a letter was likely lost"),
    }
    for check, (ids, severity, what) in kinds.items():
        if ids:
            line = f"{out_of(len(ids), len(written), 'texts')} {are(len(ids), 'holds', 'hold')} {what}"
            yield Finding(check, severity, len(ids), len(written), line, advice, ids)


def _contents(written: list[Post], bare: dict[str, str]) -> Iterator[Finding]:
    if wordless := tuple(id for id, text in bare.items() if not _WORD.search(text)):
        yield Finding(
            "text_no_words",
            Severity.WARNING if len(wordless) >= _FEW * len(written) else Severity.NOTE,
            len(wordless),
            len(written),
            f"{out_of(len(wordless), len(written), 'texts')} {are(len(wordless), 'has', 'have')} no word left once "
            "URLs, RT, mentions and hashtags are gone",
            "a text encoder has little to go by there; keep the hashtags (data.cleaning.hashtags=keep or strip)",
            wordless,
        )
    if retweets := tuple(post.id for post in written if _RETWEET.match(post.text or "")):
        yield Finding(
            "text_retweets",
            Severity.NOTE,
            len(retweets),
            len(written),
            f"{out_of(len(retweets), len(written), 'texts')} {are(len(retweets), 'is a retweet', 'are retweets')} "
            "(RT at the start)",
            "data.cleaning.retweets=true takes the mark off; see text_templates for retweets of one post",
            retweets,
        )
    if long := tuple(post.id for post in written if len(post.text or "") > MAX_CHARS):
        yield Finding(
            "text_too_long",
            Severity.WARNING,
            len(long),
            len(written),
            f"{out_of(len(long), len(written), 'texts')} {are(len(long))} longer than {MAX_CHARS:,} characters",
            "what comes after is cut off, and an encoder reads far less still: cut them to what matters",
            long,
        )


def _languages(languages: dict[str, str | None]) -> Iterator[Finding]:
    told = {id: code for id, code in languages.items() if code is not None}
    if not told:
        return
    counts = Counter(told.values())
    main = counts.most_common(1)[0][0]
    others = tuple(id for id, code in told.items() if code != main)
    if len(others) >= _FEW * len(told):
        rest = ", ".join(f"{code} {count:,}" for code, count in counts.most_common(6)[1:])
        yield Finding(
            "languages_mixed",
            Severity.NOTE,
            len(others),
            len(told),
            f"{out_of(len(others), len(told), 'texts')} {are(len(others))} in another language than {main}: {rest} "
            f"(by {METHOD}, where it is sure)",
            "an encoder of one language understands little of the others; a multilingual one may pay",
            others,
        )
