"""Pairs of texts, and of perceptual hashes, that are nearly the same: every such pair, without comparing all.

What differs in at most d places, and is cut into more than d parts, has a part in which nothing differs. So things that
share a part at a like place are found by sorting, and only those are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moodfuse.errors import MissingExtraError

try:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist, cpdist
except ImportError as error:
    raise MissingExtraError(
        f"finding near-duplicates needs {error.name}, which is not installed; pip install 'moodfuse[eval]'"
    ) from error

#: From this many texts of one length on, shared parts are looked up: fewer are compared more quickly with all.
MANY = 250
_BLOCK = 256  # texts that are compared with all of a window at a time
_ROWS, _PAIRS = 8_192, 1 << 25  # texts that are looked up at a time, and pairs that these may make
_BANDS = 6  # of a hash's 64 bits: four that differ leave two whole
_GAIN = 8  # a shared segment costs about as much as so many comparisons
_ROUNDING = 1e-6
Pairs = Iterator[tuple[int, int]]


def near_texts(texts: Sequence[str], similarity: float, *, many: int = MANY) -> Pairs:
    """Yield the places of every two texts whose Levenshtein similarity, 1 - distance / longer length, is that or more.

    Texts of one length are met with those a little longer: all of them, or from `many` on, those that share a segment
    (Li, Deng, Wang and Feng, 2011, "Pass-Join: A Partition-based Method for Similarity Joins").
    """
    order = np.array(sorted(range(len(texts)), key=lambda i: len(texts[i])), dtype=np.int64)
    in_order = [texts[i] for i in order]
    lengths = np.array([len(text) for text in in_order], dtype=np.int64)
    segments: _Segments | None = None
    for length in np.unique(lengths):
        start, end = map(int, np.searchsorted(lengths, [length, length + 1]))
        last = int(np.searchsorted(lengths, length / similarity + 1, side="right"))
        if end - start < many:
            found = _compared(in_order, slice(start, end), slice(start, last), similarity)
        else:
            segments = segments or _Segments(in_order, lengths)
            blocks = [slice(first, min(end, first + _ROWS)) for first in range(start, end, _ROWS)]
            found = chain.from_iterable(_sharing(in_order, segments, rows, last, similarity) for rows in blocks)
        for a, b in found:
            yield int(order[a]), int(order[b])


def near_hashes(bits: NDArray[np.bool_], distance: int = 4) -> Pairs:
    """Yield the places of every two of N hashes, (N, 64), that differ in at most `distance` bits, of 4.

    A pair may come more than once.
    """
    if distance > _BANDS - 2:
        raise ValueError(f"distance: expected at most {_BANDS - 2}, found {distance}")
    values = np.packbits(bits, axis=1).view(np.uint64).ravel()
    bands = [np.packbits(np.isin(np.arange(64), band)).view(np.uint64)[0] for band in np.array_split(range(64), _BANDS)]
    for one, other in combinations(bands, 2):
        keys = values & (one | other)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        step, runs = 1, np.arange(len(keys))
        while True:  # each with the next of its run, then with the one after it
            runs = runs[runs + step < len(keys)]
            runs = runs[keys[runs] == keys[runs + step]]
            if not len(runs):
                break
            a, b = order[runs], order[runs + step]
            near = np.bitwise_count(values[a] ^ values[b]) <= distance
            yield from zip(a[near].tolist(), b[near].tolist(), strict=True)
            step += 1


def _compared(texts: Sequence[str], rows: slice, columns: slice, similarity: float) -> Pairs:
    """Compare each text of `rows` with those of `columns` that come after it."""
    for first in range(rows.start, rows.stop, _BLOCK):
        some = texts[first : min(rows.stop, first + _BLOCK)]
        start = max(first, columns.start)
        alike = cdist(
            some,
            texts[start : columns.stop],
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=similarity,
            dtype=np.float32,
            workers=-1,
        )  # (rows, columns), 0 below the cutoff
        for row, column in np.argwhere(np.triu(alike, k=first - start + 1)):
            yield first + int(row), start + int(column)


class _Segments:
    """The hash of every part of every text, from sums that are made once; `texts` in the order of their `lengths`."""

    def __init__(self, texts: Sequence[str], lengths: NDArray[np.int64]) -> None:
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        self._lengths, self._starts = lengths, np.concatenate([[0], np.cumsum(lengths)])
        base = np.full(int(lengths[-1]) + 1, 0x9E3779B1, np.uint32)  # odd, so it has an inverse modulo 2 ** 32
        base[0] = 1
        powers = np.multiply.accumulate(base, dtype=np.uint32)
        base[1:] = pow(0x9E3779B1, -1, 2**32)
        self._inverse = np.multiply.accumulate(base, dtype=np.uint32)
        places = np.arange(len(codes)) - np.repeat(self._starts[:-1], lengths)
        sums = np.cumsum(codes * powers[places], dtype=np.uint32)
        self._sums = np.concatenate([np.zeros(1, np.uint32), sums])

    def end(self, length: int) -> int:
        """Return the place behind the last text of this length or less."""
        return int(np.searchsorted(self._lengths, length, side="right"))

    def hashes(self, texts: slice, places: NDArray[np.int64], width: int) -> NDArray[np.uint32]:
        """Return the hash of `width` characters from each place on of each text, (texts, places)."""
        starts = self._starts[texts][:, None] + places
        found: NDArray[np.uint32] = (self._sums[starts + width] - self._sums[starts]) * self._inverse[places]
        return found


class _Segment(NamedTuple):
    """A part of the shorter of two texts, and where it may stand in the longer one."""

    at: int
    width: int
    places: NDArray[np.int64]


def _sharing(texts: Sequence[str], segments: _Segments, rows: slice, last: int, similarity: float) -> Pairs:
    """Compare each text of `rows`, which are of one length, with those up to `last` that share a segment with it."""
    start, length = rows.start, len(texts[rows.start])
    while start < last:
        longer = len(texts[start])
        columns = slice(start, segments.end(longer))
        pairs = _candidates(segments, rows, columns, _parts(length, longer, similarity))
        if pairs is None:
            yield from _compared(texts, rows, columns, similarity)
        else:
            yield from _alike(texts, pairs, similarity)
        start = columns.stop


def _parts(length: int, longer: int, similarity: float) -> Iterator[_Segment]:
    """Yield the segments of a text, one of which stands in every near text of `longer` characters.

    One more than may differ; the `i`-th is shifted by what was put in and left out before it, and not after it.
    """
    differ = int((1 - similarity) * longer + _ROUNDING)
    cuts = np.arange(differ + 2) * length // (differ + 1)
    for i in range(differ + 1):
        at, width = int(cuts[i]), int(cuts[i + 1] - cuts[i])
        more = longer - length
        first = max(at - i, at + more - (differ - i), 0)
        last = min(at + i, at + more + (differ - i), longer - width)
        if first <= last:
            yield _Segment(at, width, np.arange(first, last + 1))


def _candidates(
    segments: _Segments, rows: slice, columns: slice, parts: Iterator[_Segment]
) -> NDArray[np.int64] | None:
    """Return the pairs of a row and a column that share a segment, (N, 2); `None` where too many do."""
    wide = columns.stop - columns.start
    most = min((rows.stop - rows.start) * wide // _GAIN, _PAIRS)
    found = [np.zeros(0, np.int64)]
    for part in parts:
        if not part.width:
            return None  # more may differ than there are characters
        own = segments.hashes(rows, np.array([part.at]), part.width)[:, 0]
        order = np.argsort(own)
        theirs = segments.hashes(columns, part.places, part.width)  # (columns, places)
        first = np.searchsorted(own, theirs, side="left", sorter=order)
        counts = np.searchsorted(own, theirs, side="right", sorter=order) - first
        most -= int(counts.sum())
        if most < 0:
            return None
        places = np.argwhere(counts)
        counts, first = counts[counts > 0], first[counts > 0]
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        a, b = order[np.repeat(first, counts) + steps], np.repeat(places[:, 0], counts)
        found.append(a * wide + b)
    codes = np.unique(np.concatenate(found))
    pairs = np.stack([rows.start + codes // wide, columns.start + codes % wide], axis=1)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def _alike(texts: Sequence[str], pairs: NDArray[np.int64], similarity: float) -> Pairs:
    """Yield those of the pairs that are nearly the same."""
    alike = cpdist(
        [texts[i] for i in pairs[:, 0]],
        [texts[i] for i in pairs[:, 1]],
        scorer=Levenshtein.normalized_similarity,
        score_cutoff=similarity,
        dtype=np.float32,
        workers=-1,
    )
    a, b = pairs[np.flatnonzero(alike)].T.tolist()
    yield from zip(a, b, strict=True)
