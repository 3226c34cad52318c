"""How far people agree who label the same posts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Return Krippendorff's alpha of labels without an order: 1 is full agreement, 0 what chance would give.

    Each unit holds the labels that people gave to one post, in any number and order; units with fewer than two are
    left out, so that nobody needs to have labelled everything. `None` where there is no such unit, or but one label in
    all of them: then chance alone agrees, too. Source: Krippendorff (2011), Computing Krippendorff's
    alpha-reliability.
    """
    totals = Counter[Hashable]()
    differing = 0.0  # pairs of labels that differ, each unit's over what each of its labels is compared with
    for unit in units:
        if len(unit) > 1:
            counts = Counter(unit)
            totals += counts
            differing += (len(unit) ** 2 - sum(n * n for n in counts.values())) / (len(unit) - 1)
    count = totals.total()
    by_chance = count * count - sum(n * n for n in totals.values())
    return 1 - (count - 1) * differing / by_chance if by_chance else None
