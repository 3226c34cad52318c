"""Which words speak for a label: log-odds with an informative prior (Monroe, Colaresi, Quinn 2008, Fightin' Words)."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Words of a post, and different words of all posts, that are counted; later ones that are new are rare by then.
MOST_A_POST, MOST_WORDS = 60, 300_000
#: Posts of a group whose words are counted, evenly spaced over it: more change no word's place.
MOST_POSTS = 20_000
_SHOWN, _LEAST_POSTS, _LEAST_Z = 8, 3, 1.96
#: What the prior weighs at the most, in words, and of the words that are compared: as a few dozen short posts.
_PRIOR, _PRIOR_SHARE = 500.0, 0.1
_CHARACTERS = 2_000
_NOISE = re.compile(r"https?://\S+|www\.\S+|@\w+")
_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"#\w+|[{_HAN}]+|[^\W\d_{_HAN}][^\W_{_HAN}]*(?:['’][^\W\d_]+)?")
_WRITTEN_APART = re.compile(rf"[^{_HAN}]")
HASHTAG = re.compile(r"#(\w+)")


@dataclass(frozen=True, slots=True)
class SpeakingWord:
    """A word that speaks for a label: its z-score, and how many of the label's posts hold it."""

    text: str
    z: float
    posts: int


class Words:
    """Collects which words each post holds, once each; of Chinese and Japanese, pairs of signs stand for words."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._numbers, self._ends = array("i"), array("q", [0])

    def add(self, text: str | None) -> None:
        """Take the next post's text."""
        if text:
            known = self._number
            for word in _words(text):
                number = known.get(word)
                if number is None:
                    if len(known) >= MOST_WORDS:
                        continue
                    number = known[word] = len(known)
                self._numbers.append(number)
        self._ends.append(len(self._numbers))

    def finish(self) -> CountedWords:
        """Return the words of all posts."""
        return CountedWords(
            list(self._number),
            np.frombuffer(self._numbers, dtype=np.int32) if self._numbers else np.empty(0, np.int32),
            np.frombuffer(self._ends, dtype=np.int64),
        )


@dataclass(frozen=True, slots=True)
class CountedWords:
    """The words of N posts: those of post i are `numbers[ends[i]:ends[i + 1]]`."""

    words: list[str]
    numbers: NDArray[np.int32]
    ends: NDArray[np.int64]

    def counts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many of the posts `rows` hold each word."""
        starts, lengths = self.ends[rows], self.ends[rows + 1] - self.ends[rows]
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        places = np.repeat(starts, lengths) + np.arange(int(lengths.sum())) - before
        return np.bincount(self.numbers[places], minlength=len(self.words))

    def speaking(self, rows: NDArray[np.int64], predicted: NDArray[np.int64], labels: int) -> list[list[SpeakingWord]]:
        """Return the words that speak for each label among the posts `rows`, against their other labels.

        `predicted` are the labels' ids of all posts, (N,). The prior is how often each word is in these posts.
        """
        rows = rows[:: max(1, -(-len(rows) // MOST_POSTS))]
        by_label = np.array([self.counts(rows[predicted[rows] == label]) for label in range(labels)], dtype=np.float64)
        everywhere = by_label.sum(0)  # (V,)
        kept = np.flatnonzero(everywhere >= _LEAST_POSTS)
        by_label, everywhere = by_label[:, kept], everywhere[kept]
        if not len(kept):
            return [[] for _ in range(labels)]
        prior = min(_PRIOR, _PRIOR_SHARE * everywhere.sum()) * everywhere / everywhere.sum()
        result = []
        for counts in by_label:
            z = _log_odds(counts, everywhere - counts, prior)
            best = [at for at in np.argsort(-z, kind="stable")[:_SHOWN] if z[at] > _LEAST_Z and counts[at] > 1]
            result.append([SpeakingWord(self.words[kept[at]], float(z[at]), int(counts[at])) for at in best])
        return result


def _log_odds(one: NDArray[np.float64], other: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the z-score of each word's log-odds ratio: equations 16, 20 and 22 of the paper."""
    a, b = one + prior, other + prior
    # Of a single word there are no others: its odds are not infinite, but not to be told.
    odds_a, odds_b = (part / np.maximum(part.sum() - part, 1e-9) for part in (a, b))
    difference = np.log(odds_a) - np.log(odds_b)
    return np.asarray(difference / np.sqrt(1 / a + 1 / b))


def _words(text: str) -> list[str]:
    found: dict[str, None] = {}
    for word in _WORD.findall(_NOISE.sub(" ", text[:_CHARACTERS].lower())):
        if _WRITTEN_APART.match(word) or len(word) <= 2:
            found[word] = None
        else:
            found.update(dict.fromkeys(word[i : i + 2] for i in range(len(word) - 1)))
    return list(found)[:MOST_A_POST]
