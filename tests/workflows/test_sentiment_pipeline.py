"""The one-liner: its shapes are those of the pipeline of transformers, which stands beside it here."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast, TextClassificationPipeline

import moodfuse
from moodfuse.errors import DataError
from moodfuse.workflows.sentiment_pipeline import SentimentPipeline

TEXTS = ["a lovely day", "what a mess", "the train leaves at nine"]


@pytest.fixture(scope="module")
def pipe() -> SentimentPipeline:
    return moodfuse.pipeline()


@pytest.fixture(scope="module")
def theirs(tiny_bert: Path) -> TextClassificationPipeline:
    model = BertForSequenceClassification.from_pretrained(tiny_bert, num_labels=3)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tiny_bert / "tokenizer.json"), pad_token="[PAD]")
    return TextClassificationPipeline(model=model, tokenizer=tokenizer)


def shape(answer: Any) -> Any:
    """Return an answer with its labels and numbers left out."""
    if isinstance(answer, dict):
        return {key: type(value).__name__ for key, value in answer.items()}
    return [shape(one) for one in answer]


@pytest.mark.parametrize("how", [{}, {"top_k": 1}, {"top_k": 2}, {"top_k": None}], ids=str)
@pytest.mark.parametrize(
    "inputs", [TEXTS[0], TEXTS, TEXTS[:1], {"text": TEXTS[0]}, [{"text": TEXTS[0]}, {"text": TEXTS[1]}]], ids=str
)
def test_the_shapes_of_hugging_face(
    pipe: SentimentPipeline, theirs: TextClassificationPipeline, inputs: Any, how: dict[str, Any]
) -> None:
    assert shape(pipe(inputs, **how)) == shape(theirs(inputs, **how))


def test_a_generator_is_answered_one_by_one(pipe: SentimentPipeline) -> None:
    def texts() -> Iterator[str]:
        yield from TEXTS

    answers = pipe(texts())
    assert isinstance(answers, Iterator)
    assert list(answers) == pipe(TEXTS)


def test_the_answers_are_those_of_the_predictor(pipe: SentimentPipeline, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "orange").save(tmp_path / "a.png")
    expected = moodfuse.load().predict(TEXTS[0], tmp_path / "a.png")
    [answer] = pipe(TEXTS[0], image=str(tmp_path / "a.png"))
    assert answer == {"label": expected.label, "score": expected.confidence}
    assert pipe(TEXTS[0], image=(tmp_path / "a.png").read_bytes()) == [answer]
    with Image.open(tmp_path / "a.png") as opened:
        assert pipe({"text": TEXTS[0], "image": opened}) == answer
    assert pipe(TEXTS[0]) != [answer]
    alone = {one["label"]: one["score"] for one in pipe(image=tmp_path / "a.png", top_k=None)}
    assert alone == moodfuse.load().predict(None, tmp_path / "a.png").probabilities
    with_image, without = pipe(TEXTS[:2], image=[tmp_path / "a.png", None])
    assert with_image["score"] == pytest.approx(answer["score"], abs=1e-6)
    assert without["score"] == pytest.approx(pipe(TEXTS[1])[0]["score"], abs=1e-6)
    frame = pd.DataFrame({"tweet": TEXTS[:1], "photo": [str(tmp_path / "a.png")]})
    assert pipe(frame) == [answer]


def test_images_that_are_too_few_are_told(pipe: SentimentPipeline) -> None:
    with pytest.raises(DataError, match="as many images as texts"):
        pipe(TEXTS, image=[io.BytesIO().getvalue()])


def test_what_was_not_read_is_warned_of(pipe: SentimentPipeline, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "moodfuse.pipeline"):
        pipe(TEXTS)
        assert caplog.messages == []
        assert len(pipe([*TEXTS, None, "ᚠᚢᚦᚨᚱᚲᚷᚹᚺᚾᛁᛃᛇᛈᛉᛊᛏᛒ"])) == 5
    [message] = caplog.messages
    assert message.startswith("2 of the posts could not be read")
