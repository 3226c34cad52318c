"""The texts that the text encoder learns from: read, parted, stripped of what the posts hold, taught more.

`write_corpora` writes texts.csv and split.csv, which `moodfuse train texts.csv --split split.csv` takes. Held out of
training: 2,500 tweets of 2016, the validation part of the seven languages, a tenth of the Weibo posts and of the
emotions; a tenth of that chooses the epoch. A sample of the training texts, beside.csv, trains along with the posts
afterwards.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from moodfuse.data.duplicates import group_duplicates
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Post, Posts

from .teaching import Emoji, respelled, sentences

SEED = 0
HELD_OUT_TWEETS = 2_500
# Share of the training texts that come a second time, written otherwise; in the seven languages there are fewest.
RESPELLED, RESPELLED_LANGUAGES = 0.2, 1.0
SENTENCES, EMOJI_ALONE = 15_000, 3_000
THINGS, DENIALS = 1_000, 12_000
BESIDE, BESIDE_ENGLISH = 1_500, 6_000  # texts of a language or kind that train along with the posts
_PARTS = ("train", "validation", "test")
_MOODS = {
    **dict.fromkeys(("happy", "joy", "optimism"), "positive"),
    **dict.fromkeys(("angry", "sad", "fear", "anger", "sadness"), "negative"),
    "neutral": "neutral",
}
_OF_MOODS = (("weibo", "chinese_weibo.csv", "mood"), ("emotions", "english_emotions.csv", "emotion"))
# "@user" and "http" stand for what the corpora replaced; names and addresses are taken out of what is predicted, too.
_REPLACED = re.compile(r"@user\b|\bhttp\b(?!:)")


class Text(NamedTuple):
    """A labelled text: where it comes from, and what it is for."""

    id: str
    text: str
    label: str
    language: str
    corpus: str
    part: str


def write_corpora(source: Path, posts: Path, out: Path) -> None:
    """Read the corpora in `source` and write `texts.csv`, `split.csv` and, last, `beside.csv` to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    texts = list(corpora(source))
    kept = without_duplicates(texts, posts)
    print(f"{len(texts):,} texts, {len(texts) - len(kept):,} of them near-duplicates of a post or of a held-out text")
    rows = without_duplicates([*kept, *more(kept)], posts)  # again: what was written otherwise may be like another
    columns = ["id", "text", "label", "language", "corpus"]
    _write(out / "texts.csv", columns, [row[:5] for row in rows])
    _write(out / "split.csv", ["id", "split"], [(row.id, row.part) for row in rows])
    _write(out / "beside.csv", columns, [row[:5] for row in (*sample(rows), *things(), *denials())])
    for (corpus, part), count in sorted(Counter((row.corpus, row.part) for row in rows).items()):
        print(f"{corpus:12} {part:10} {count:7,}")


def corpora(folder: Path) -> Iterator[Text]:
    """Yield the texts of all corpora with their parts."""
    random = np.random.default_rng(SEED)
    english = _rows(folder / "english_tweets.csv")
    late = [number for number, row in enumerate(english) if row["year"] == "2016"]
    tweets = set(random.choice(late, HELD_OUT_TWEETS, replace=False).tolist())
    for number, row in enumerate(english):
        yield _text("english", number, row, row["label"], held_out=number in tweets)
    for number, row in enumerate(_rows(folder / "tweets_7_languages.csv")):
        yield _text("languages", number, row, row["label"], held_out=row["part"] != "train")
    for corpus, file, column in _OF_MOODS:
        for number, row in enumerate(_rows(folder / file)):
            yield _text(corpus, number, row, _MOODS[row[column]], held_out=bool(random.random() < 0.1))


def without_duplicates(texts: list[Text], posts: Path) -> list[Text]:
    """Leave out what is nearly the text of a labelled post, or one of a later part: train, validation, test."""
    others = [Post(f"post-{post.id}", post.text) for post in read_posts(posts)]
    groups = group_duplicates(Posts([*others, *(Post(text.id, text.text) for text in texts)])).group_of
    last = {groups[post.id]: len(_PARTS) for post in others}
    for text in texts:
        last[groups[text.id]] = max(last.get(groups[text.id], 0), _PARTS.index(text.part))
    return [text for text in texts if _PARTS.index(text.part) == last[groups[text.id]]]


def more(texts: list[Text]) -> Iterator[Text]:
    """Yield what the corpora lack, for training: texts written otherwise, emoji alone, sentences from templates."""
    random = np.random.default_rng(SEED + 1)
    emoji = Emoji(random)
    for text in texts:
        share = RESPELLED_LANGUAGES if text.corpus == "languages" else RESPELLED
        if text.part == "train" and random.random() < share:
            other = respelled(text.text, text.label, emoji, random)
            yield text._replace(id=f"{text.id}-again", text=other, corpus="respelled")
    for number, (words, label, language) in enumerate(sentences(SENTENCES, random)):
        if random.random() < 0.15:
            words = respelled(words, label, emoji, random)
        yield Text(f"sentence-{number}", words, label, language, "sentences", "train")
    for number in range(EMOJI_ALONE):
        sign, label = emoji.alone()
        yield Text(f"emoji-{number}", sign * int(random.choice([1, 1, 2, 3])), label, "", "emoji", "train")


def sample(rows: list[Text]) -> list[Text]:
    """Return some of the training texts, `BESIDE` of each language or kind at most."""
    random = np.random.default_rng(SEED + 2)
    places: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if row.part == "train":
            places.setdefault((row.corpus, row.language), []).append(place)
    chosen = [
        random.permutation(found)[: BESIDE_ENGLISH if corpus == "english" else BESIDE]
        for (corpus, _), found in places.items()
    ]
    return [rows[place] for place in sorted(np.concatenate(chosen).tolist())]


def things() -> Iterator[Text]:
    """Yield emoji of things alone, most of them unknown to the encoder: that says nothing."""
    random = np.random.default_rng(SEED + 3)
    for number, sign in enumerate(random.choice(Emoji(random).things(), THINGS)):
        yield Text(f"thing-{number}", str(sign) * int(random.choice([1, 1, 2, 3])), "neutral", "", "things", "train")


def denials() -> Iterator[Text]:
    """Yield denials from templates: what is not bad is taken for bad after the first stage."""
    random = np.random.default_rng(SEED + 4)
    for number, (words, label, language) in enumerate(sentences(DENIALS, random, denials=True)):
        yield Text(f"denial-{number}", words, label, language, "denials", "train")


def _text(corpus: str, number: int, row: dict[str, str], label: str, *, held_out: bool) -> Text:
    words = " ".join(_REPLACED.sub(" ", row["text"]).split())
    part = ("validation" if number % 10 == 0 else "test") if held_out else "train"
    return Text(f"{corpus}-{number}", words, label, row["language"], corpus, part)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, header: list[str], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
