"""Posts as batches of tensors: the features of a frozen encoder, or the inputs of an encoder that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from moodfuse.data.corpora import Pool
from moodfuse.learn.augmentation import Draw
from moodfuse.learn.encoders import Encoded, Features
from moodfuse.learn.model import Batch, Inputs
from moodfuse.runtime.collation import pad_sequences

_SORTED_BATCHES = 50  # batches whose posts are sorted by length together: more would save little and shuffle less


class ModalityData(Protocol):
    """A modality of N posts, ready to be batched."""

    present: np.ndarray
    lengths: Sequence[int] | None

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> Inputs:
        """Return these posts' encodings, or the inputs of their encoder; `random` turns augmentation on."""


class FrozenData:
    """Features of a frozen encoder."""

    def __init__(self, features: Features, *, tokens: bool) -> None:
        self.present = features.present
        self.lengths: Sequence[int] | None = None
        if tokens:
            self.lengths = [1 if row is None else len(row["tokens"]) for row in features.rows]
        self._features = features
        blank = np.zeros(features.width, np.float32)
        self._pooled = torch.from_numpy(
            np.stack([blank if row is None else row["pooled"] for row in features.rows])
        )  # (N, D)
        self._tokens = tokens

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> Encoded:
        pooled = self._pooled[list(indices)]  # (B, D)
        if not self._tokens:
            return Encoded(pooled)
        rows = [self._features.rows[i] for i in indices]
        tokens, mask = pad_sequences([None if row is None else row["tokens"] for row in rows], self._features.width)
        return Encoded(pooled, torch.from_numpy(tokens), torch.from_numpy(mask))


class PostBatches(Dataset[int]):
    """The posts of a part of the split; `load` collates rows into a `Batch`.

    The posts of `also`, pools of which an epoch draws a share, come behind the part's own `count` posts. The fit loop
    sets `random`, which turns augmentation on.
    """

    def __init__(
        self,
        text: ModalityData | None,
        image: ModalityData | None,
        targets: Sequence[int],
        rows: Sequence[int],
        also: Sequence[Pool] = (),
    ) -> None:
        self.text = text
        self.image = image
        self.targets = torch.tensor(list(targets), dtype=torch.long)
        self.rows = [*rows, *(row for pool in also for row in pool.rows)]
        self.count = len(rows)
        self.random: Draw | None = None
        self._shares = [pool.share for pool in also]
        self._sizes = [len(pool.rows) for pool in also]

    @property
    def pools(self) -> list[Pool]:
        """The pools, as positions in this part."""
        ends = np.cumsum([self.count, *self._sizes]).tolist()
        return [Pool(range(start, end), s) for start, end, s in zip(ends, ends[1:], self._shares, strict=False)]

    @property
    def seen(self) -> torch.Tensor:
        """How often an epoch sees each position (N,), on average."""
        seen = torch.ones(len(self.rows))
        for pool in self.pools:
            seen[pool.rows.start : pool.rows.stop] = pool.share
        return seen

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> int:
        return self.rows[position]

    @property
    def lengths(self) -> list[int] | None:
        """The number of tokens of each post's text; `None` if batches need not be sorted by length."""
        if self.text is None or self.text.lengths is None:
            return None
        return [self.text.lengths[row] for row in self.rows]

    def load(self, rows: Sequence[int]) -> Batch:
        """Collate posts, by row, into tensors."""
        rows = list(rows)
        absent = torch.zeros(len(rows), dtype=torch.bool)
        return Batch(
            text=None if self.text is None else self.text.batch(rows, self.random),
            image=None if self.image is None else self.image.batch(rows, self.random),
            text_present=absent if self.text is None else torch.from_numpy(self.text.present[rows]),
            image_present=absent if self.image is None else torch.from_numpy(self.image.present[rows]),
            targets=self.targets[rows],
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """The posts that train a model, and the posts that choose its best epoch: empty if `train.monitor` is none."""

    train: PostBatches
    validation: PostBatches


@dataclass(frozen=True, slots=True)
class Share:
    """The rank of this process among `count` processes; each takes its share of every batch."""

    rank: int = 0
    count: int = 1


WHOLE = Share()


class LengthBatches(Sampler[list[int]]):
    """Batches of positions; if lengths are given, posts of similar length share a batch.

    The order is a function of (seed, epoch) alone, so that a resumed run continues like an uninterrupted run. `epoch`
    is called at the start of each pass; `None` keeps the order fixed. `share` takes the positions rank, rank + count
    and so on of every batch. No batch holds a single post, nor does a share of a batch. Of each of `pools`, whose
    positions come after the first `size`, a pass draws `drawn` anew.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        lengths: Sequence[int] | None = None,
        seed: int = 0,
        epoch: Callable[[], int] | None = None,
        share: Share = WHOLE,
        pools: Sequence[Pool] = (),
    ) -> None:
        self.share = share
        self.own = size
        self.pools = pools
        self.size = size + sum(pool.drawn for pool in pools)
        self.batch_size = batch_size
        self.lengths = lengths
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(self.size, self.batch_size)
        return max(1, full + (rest >= 2 * self.share.count))

    def __iter__(self) -> Iterator[list[int]]:
        order = list(range(self.own))
        random = np.random.default_rng([self.seed, self.epoch()]) if self.epoch else None
        for pool in self.pools:
            order += random.choice(pool.rows, pool.drawn, replace=False).tolist() if random else pool.rows[: pool.drawn]
        if random:
            random.shuffle(order)
        if self.lengths is not None:
            span = self.batch_size * _SORTED_BATCHES if random else max(1, self.size)
            order = [
                position
                for start in range(0, self.size, span)
                for position in sorted(order[start : start + span], key=self.lengths.__getitem__)
            ]
        batches = [order[start : start + self.batch_size] for start in range(0, self.size, self.batch_size)]
        if len(batches) > 1 and len(batches[-1]) < 2 * self.share.count:
            few = batches.pop()
            batches[-1] += few
        if random:
            random.shuffle(batches)
        yield from (batch[self.share.rank :: self.share.count] for batch in batches)


def loader(part: PostBatches, batches: LengthBatches) -> DataLoader[Batch]:
    """Return a data loader that yields `Batch`."""
    return DataLoader(part, batch_sampler=batches, collate_fn=part.load, num_workers=0)  # type: ignore[arg-type]
