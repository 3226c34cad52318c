"""What a bundle reads of a text through a lexicon: scores in the place of a graph's vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moodfuse.data.lexicon import SCORES, lexicon_package, lexicon_scores, lexicon_sha256, scored_part
from moodfuse.data.text import TextSpec
from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import ViewSpec
from moodfuse.runtime.graphs import Encoding


class LexiconReader:
    """Scores of a lexicon in the place of a graph: `pooled` (4,).

    Raises `BundleError` where the lexicon that is installed is not the one that `view` tells of, and
    `MissingExtraError` where none is.
    """

    dim = len(SCORES)

    def __init__(self, view: ViewSpec, spec: TextSpec) -> None:
        self.spec = spec
        if lexicon_sha256() != view.sha256:
            raise BundleError(
                f"the bundle was trained with the lexicon of {view.package}, and {lexicon_package()} here scores "
                f"differently (its SHA-256 differs); pip install --force-reinstall {view.package}"
            )

    def tokenize(self, texts: Sequence[str]) -> list[tuple[np.ndarray, bool]]:
        """Return each text's scores (4,), and whether its end was not looked at."""
        return [(lexicon_scores(text), scored_part(text) != " ".join(text.split())) for text in texts]

    def unread(self, text: str, scores: np.ndarray) -> float | None:
        """Return 0 for a text with a word of the lexicon; of any other nobody can tell whether it was understood."""
        negative, _, positive, _ = scores
        return 0.0 if negative or positive else None

    def encode(self, inputs: Sequence[np.ndarray], outputs: Sequence[str] = ("pooled",)) -> list[Encoding]:
        """Return the scores as encodings."""
        return [dict.fromkeys(outputs, scores) for scores in inputs]
