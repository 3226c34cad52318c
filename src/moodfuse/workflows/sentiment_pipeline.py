"""A pipeline as that of Hugging Face for text classification: posts in, labels and scores out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moodfuse.data.posts import UNREAD
from moodfuse.errors import DataError
from moodfuse.runtime.devices import CPU
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.workflows.samples import Samples, stream_samples

LOG = logging.getLogger("moodfuse.pipeline")

_ONE_ANSWER = object()  # no `top_k` was given, which is not the same as 1: the answer is then in no list of its own


class SentimentPipeline:
    """Answers in the shapes of Hugging Face's text classification: `{"label": ..., "score": ...}`.

    `bundle` is the folder of a bundle or a run; `None` is the model that moodfuse brings. `device` is as for `load`.
    """

    def __init__(self, bundle: str | Path | None = None, *, device: str = CPU) -> None:
        self.predictor = Predictor.load(bundle, device=device)

    def __call__(self, inputs: Samples = None, *, image: Any = None, top_k: Any = _ONE_ANSWER) -> Any:
        """Answer one post or many.

        A text or an image gives a list of one answer, a mapping with the keys text and image an answer, a list or any
        other `Samples` a list of answers, a generator a generator. `image` belongs to the text; to a list of texts, a
        list of as many. With `top_k` the answer to a post is a list of its best ones, with `None` of all.

        The shape has no place for what `moodfuse.load().predict` says of a post that could not be read, or not well:
        a warning is logged that counts them.
        """
        if isinstance(inputs, Mapping):
            return next(self._answers([inputs], top_k))
        if inputs is None or isinstance(inputs, str):
            answers = list(self._answers([(inputs, image)], top_k))
            return answers if top_k is _ONE_ANSWER else answers[0]
        if image is not None:
            inputs = _paired(inputs, image)
        answered = self._answers(inputs, top_k)
        return answered if isinstance(inputs, Iterator) else list(answered)

    def _answers(self, inputs: Samples, top_k: Any) -> Iterator[Any]:
        unread = 0
        for prediction in self.predictor.stream(stream_samples(inputs, self.predictor.labels)):
            unread += not UNREAD.isdisjoint(prediction.status)
            answers = _ranked(prediction)
            yield answers[0] if top_k is _ONE_ANSWER else answers[:top_k]
        if unread:
            LOG.warning(
                "%d of the posts could not be read, or are in a language that the model was not taught: do not trust "
                "their answers; moodfuse.load().predict says which and why",
                unread,
            )


def _ranked(prediction: Prediction) -> list[dict[str, Any]]:
    answers = [{"label": label, "score": score} for label, score in prediction.probabilities.items()]
    return sorted(answers, key=lambda answer: answer["score"], reverse=True)


def _paired(texts: Any, images: Any) -> list[tuple[Any, Any]]:
    if not isinstance(texts, list | tuple) or not isinstance(images, list | tuple) or len(texts) != len(images):
        raise DataError("expected as many images as texts: image=[...] with a path, bytes or None for each text")
    return list(zip(texts, images, strict=True))
