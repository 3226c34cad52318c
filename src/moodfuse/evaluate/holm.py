"""P-values corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence

from moodfuse.errors import ConfigError


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number, in the same order (Holm 1979).

    Raises `ConfigError` for a number outside 0..1.
    """
    if bad := [p for p in p_values if not 0 <= p <= 1]:
        raise ConfigError(f"p-values: expected numbers from 0 to 1, found {bad[0]}")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        corrected[i] = largest
    return corrected
