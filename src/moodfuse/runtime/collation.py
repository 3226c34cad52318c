"""Posts of unlike length, and with a modality or without, as the arrays that a graph takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def length_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Cut positions, shortest first, into batches of at most `budget` padded tokens."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and (len(batches[-1]) + 1) * lengths[i] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def pad_tokens(token_ids: Sequence[Sequence[int]], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and attention mask, both (B, T) int64, T the longest text's."""
    longest = max(len(ids) for ids in token_ids)
    padded = np.full((len(token_ids), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(padded)
    for row, ids in enumerate(token_ids):
        padded[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return padded, mask


def head_feed(
    names: Sequence[str], encodings: Mapping[str, Sequence[Mapping[str, np.ndarray] | None]], widths: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Collate encodings into the head's inputs, by name; `None` stands for a modality that is absent.

    `text_pooled` (B, D), `text_tokens` (B, T, D), `text_mask` (B, T), `text_present` (B,), and the same for the
    image; or `image_pixels` (B, 3, S, S), where `widths` holds S. What an absent modality's rows hold does not
    matter: the head puts its learned token there.
    """
    feed: dict[str, np.ndarray] = {}
    for name in names:
        modality, _, kind = name.partition("_")
        rows, width = encodings[modality], widths[modality]
        if kind == "present":
            feed[name] = np.array([row is not None for row in rows])
        elif kind in {"pooled", "pixels"}:
            blank = np.zeros(width if kind == "pooled" else (3, width, width), np.float32)
            feed[name] = np.stack([blank if row is None else row[kind] for row in rows])
        else:
            tokens, mask = pad_sequences([None if row is None else row["tokens"] for row in rows], width)
            feed[name] = tokens if kind == "tokens" else mask
    return feed


def pad_sequences(sequences: Sequence[np.ndarray | None], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pad (T_i, D) sequences to (B, T, D) and return their mask (B, T) too; `None` is one blank, visible place."""
    longest = max([1] + [len(sequence) for sequence in sequences if sequence is not None])
    padded = np.zeros((len(sequences), longest, width), np.float32)
    mask = np.zeros((len(sequences), longest), bool)
    for row, sequence in enumerate(sequences):
        length = 1 if sequence is None else len(sequence)
        mask[row, :length] = True
        if sequence is not None:
            padded[row, :length] = sequence
    return padded, mask
