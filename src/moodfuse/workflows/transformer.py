"""MoodTransformer: the vectors of a bundle's encoders, for any estimator of scikit-learn. Needs no PyTorch."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse import files
from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import MANIFEST, PIXELS
from moodfuse.runtime.graphs import Encoding
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.samples import Samples, stream_samples
from moodfuse.workflows.scikit_learn import BaseEstimator, Tags, TransformerMixin, check_is_fitted, tag_posts


class MoodTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns posts into the vectors that a bundle's encoders make of them: that of the text, then that of the image.

    `bundle` is the folder of a bundle or a run; `None` is the model that moodfuse brings. `X` is what `Samples` says.
    What a post lacks, or what of it cannot be read, is a vector of zeros: the token that a trained head has learned
    for it belongs to that head alone. Several images of a post are the mean of their vectors. A pickle names the
    bundle, and does not hold it.
    """

    def __init__(self, bundle: str | Path | None = None) -> None:
        self.bundle = bundle

    def fit(self, X: Samples = None, y: Any = None) -> MoodTransformer:
        """Open the bundle; nothing is learned from `X` or `y`. Raises `BundleError` for one that gives no vectors."""
        predictor = Predictor.load(self.bundle)
        if PIXELS in predictor.manifest.head_inputs:
            raise BundleError(
                f"{predictor.bundle.folder}: its model reads pixels, and has no vectors of images to give"
            )
        self._predictor = predictor
        self.bundle_sha256_ = _sha256(predictor)
        self._widths = {modality: predictor.widths[modality] for modality in predictor.manifest.modalities}
        return self

    def transform(self, X: Samples) -> np.ndarray:
        """Return a vector of every sample, (N, D) in float32, in order. Raises `BundleError` for another bundle."""
        predictor = self._opened()
        rows: list[np.ndarray] = []
        with closing(predictor.prepare_ahead(stream_samples(X, predictor.labels))) as windows:
            for prepared in windows:
                encoded = dict(zip(("text", "image"), predictor.encode_pooled(prepared), strict=True))
                parts = [_stack(encoded[modality], width) for modality, width in self._widths.items()]
                rows.append(np.concatenate(parts, axis=1))
        return np.concatenate(rows) if rows else np.zeros((0, sum(self._widths.values())), dtype=np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the D columns: text_0, text_1 ... image_0, image_1 ..."""
        self._opened()
        names = [f"{modality}_{at}" for modality, width in self._widths.items() for at in range(width)]
        return np.array(names, dtype=object)

    def _opened(self) -> Predictor:
        check_is_fitted(self)
        if not hasattr(self, "_predictor"):
            predictor = Predictor.load(self.bundle)
            if _sha256(predictor) != self.bundle_sha256_:
                raise BundleError(
                    f"{predictor.bundle.folder}: holds another model than the one that this MoodTransformer was fitted "
                    "with, whose vectors differ; name that one, or fit again, and with it whatever stands behind it"
                )
            self._predictor = predictor
        found: Predictor = self._predictor
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_predictor"}

    def __sklearn_tags__(self) -> Tags:
        tags = tag_posts(super().__sklearn_tags__())
        tags.transformer_tags.preserves_dtype = []
        return tags


def _sha256(predictor: Predictor) -> str:
    return files.sha256(predictor.bundle.path(MANIFEST))


def _stack(encodings: list[Encoding | None], width: int) -> np.ndarray:
    """Return the pooled vectors (B, `width`); zeros where there is none."""
    nothing = np.zeros(width, dtype=np.float32)
    return np.stack([nothing if one is None else one["pooled"].astype(np.float32) for one in encodings])
