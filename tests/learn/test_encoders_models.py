"""Every Hugging Face architecture, found by a hub id: our path gives what Hugging Face's own gives."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import load_file

from moodfuse.config import Modality
from moodfuse.data.images import pixels
from moodfuse.learn.encoders import Encoder, TokenSource
from moodfuse.runtime.graphs import EncoderSession, ImageGraph, TextGraph
from moodfuse.runtime.tokenizer import load_tokenizer
from tiny_checkpoints import CASES, EXPORTED, TEXT, checkpoint, load

POSTS = [
    "So HAPPY with this view, really!",
    "x",
    "what a terrible day \u4f60\u597d \U0001f622 #love @friends caf\u00e9",
    "nothing to say, nothing at all, " * 20,
]


@cache
def _encoder(name: str, modality: Modality) -> Encoder:
    return load(name, modality).load()


def _pictures() -> list[Image.Image]:
    random = np.random.default_rng(1)
    return [
        Image.fromarray(random.integers(0, 256, (*side, 3), dtype=np.uint8)) for side in ((40, 90), (75, 50), (8, 8))
    ]


@torch.no_grad()
def _text_reference(folder: Path, source: TokenSource) -> list[np.ndarray]:
    """Each text's vector as Hugging Face's tokenizer and model give it, one text at a time."""
    model = hf.AutoModel.from_pretrained(folder).eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    result = []
    for text in POSTS:
        padding = "max_length" if model.config.model_type.startswith("siglip") else False  # as its documentation has it
        ids = tokenizer(
            text, truncation=True, padding=padding, max_length=source.spec.max_tokens, return_tensors="pt",
            return_attention_mask=not padding, return_token_type_ids=False,
        )  # fmt: skip
        if hasattr(model, "get_text_features"):
            result.append(model.get_text_features(**ids).pooler_output[0].numpy())
        else:
            result.append(model(**ids).last_hidden_state[0].mean(0).numpy())
    return result


@torch.no_grad()
def _image_reference(folder: Path) -> list[np.ndarray]:
    model = hf.AutoModel.from_pretrained(folder).eval()
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    result = []
    for picture in _pictures():
        inputs = processor(picture, return_tensors="pt")
        if hasattr(model, "get_image_features"):
            result.append(model.get_image_features(**inputs).pooler_output[0].numpy())
            continue
        output = model(**inputs)
        hidden = output.last_hidden_state
        result.append((output.pooler_output.flatten(1) if hidden.ndim == 4 else hidden[:, 0])[0].numpy())
    return result


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_the_weights_are_those_of_the_files(name: str, modality: Modality) -> None:
    source = load(name, modality)
    stored = {key: value for path in source.weights for key, value in load_file(path).items()}
    parameters = dict(_encoder(name, modality).named_parameters())
    assert parameters
    for path, parameter in parameters.items():  # by value: transformers gives some old names new ones
        assert any(torch.equal(parameter.data, value) for value in stored.values()), f"{path} is none of the file's"


@pytest.mark.parametrize(("name", "modality"), EXPORTED)
def test_the_bundles_path_gives_what_hugging_face_gives(name: str, modality: Modality) -> None:
    """Tokenizer or pixels, ONNX graph, batches of any size: all of it against Hugging Face's own, post by post."""
    source = load(name, modality)
    session = EncoderSession(source.graph())
    if isinstance(source, TokenSource):
        expected = _text_reference(checkpoint(name), source)
        graph = TextGraph(
            session, load_tokenizer(source.tokenizer_json, max_tokens=source.spec.max_tokens), source.spec
        )
        lengths = [len(ids) for ids, _ in graph.tokenize(POSTS)]
        assert lengths[-1] == source.spec.max_tokens  # as long as the model can read
        got = graph.encode([ids for ids, _ in graph.tokenize(POSTS)], ("pooled", "tokens"))
    else:
        expected = _image_reference(checkpoint(name))
        images = ImageGraph(session, source.spec)  # type: ignore[arg-type]
        got = images.encode([pixels(picture, source.spec, exact=True) for picture in _pictures()], ("pooled", "tokens"))  # type: ignore[arg-type]
        lengths = [9] * len(got)
    for row, vector, length in zip(got, expected, lengths, strict=True):
        np.testing.assert_allclose(row["pooled"], vector, atol=1e-4)
        assert row["tokens"].shape == (length, _encoder(name, modality).dim)


@pytest.mark.parametrize("name", ["tiny/efficientnet", "tiny/efficientnet-offset", "tiny/regnet"])
def test_images_that_were_refused_are_prepared_as_hugging_face_does(name: str) -> None:
    """EfficientNet's processor normalises twice; RegNet is told to be a model of text."""
    source = load(name, "image")
    inputs = torch.from_numpy(np.stack([pixels(picture, source.spec, exact=True) for picture in _pictures()]))  # type: ignore[arg-type]
    with torch.no_grad():
        got = _encoder(name, "image")(inputs).pooled
    for vector, expected in zip(got, _image_reference(checkpoint(name)), strict=True):
        np.testing.assert_allclose(vector, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "lead", "class_token"),
    [("resnet", 0, False), ("vit", 1, True), ("registers", 5, True), ("swin", 0, False), ("siglip", 0, False)],
)
def test_what_stands_before_the_patches_is_no_region(name: str, lead: int, class_token: bool) -> None:
    encoder = _encoder(f"tiny/{name}", "image")
    assert (encoder.lead, encoder.has_class_token) == (lead, class_token)


@pytest.mark.parametrize("name", TEXT)
def test_token_ids_equal_the_hugging_face_tokenizers(name: str) -> None:
    source = load(name, "text")
    theirs = hf.AutoTokenizer.from_pretrained(checkpoint(name))
    for limit in (8, source.spec.max_tokens):  # type: ignore[union-attr]
        ours = load_tokenizer(source.tokenizer_json, max_tokens=limit)  # type: ignore[union-attr]
        for text in [*POSTS, "", "[MASK] <s> </s>"]:
            assert ours.encode(text).ids == theirs(text, truncation=True, max_length=limit)["input_ids"]
    assert source.spec.pad_id == theirs.pad_token_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "positions"), [("bert", 40), ("roberta", 40), ("mpnet", 40), ("clip", 20), ("siglip", 24)]
)
def test_texts_are_cut_where_the_models_positions_end(name: str, positions: int) -> None:
    # RoBERTa's and MPNet's tables have 42 rows, two of which no token ever gets
    assert load(f"tiny/{name}", "text").spec.max_tokens == positions  # type: ignore[union-attr]
    assert load(f"tiny/{name}", "text", max_tokens=12).spec.max_tokens == 12  # type: ignore[union-attr]


def test_shards_all_count_in_the_fingerprint() -> None:
    whole, shards = load("tiny/bert", "text"), load("tiny/bert-shards", "text")
    assert len(whole.weights) == 1
    assert len(shards.weights) > 2
    prints = {load(name, "text").fingerprint() for name in TEXT}
    assert len(prints) == len(TEXT)
