"""Encoders: pretrained means that the weights are the file's; masks hold; ONNX computes the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel

from moodfuse.config import DataConfig
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders import find_encoder
from moodfuse.learn.encoders.image import regions
from moodfuse.runtime.graphs import open_session


@pytest.fixture
def tiny_bert(tmp_path: Path) -> Path:
    """A random two-layer BERT in a folder, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    folder = tmp_path / "tiny"
    BertModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_minilm_has_the_weights_of_its_file() -> None:
    source = find_encoder("minilm", "text", DataConfig())
    encoder = source.load()
    stored = load_file(source.weights[0])
    for name, tensor in encoder.transformer.state_dict().items():
        if name in stored:
            torch.testing.assert_close(tensor, stored[name], atol=0, rtol=0)
    compared = set(stored) & set(encoder.transformer.state_dict())
    assert len(compared) > 100


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite2"])
def test_a_packaged_efficientnet_has_the_weights_of_its_file(name: str) -> None:
    source = find_encoder(name, "image", DataConfig())
    stored = torch.load(source.weights[0], weights_only=True)
    loaded = source.load().network.state_dict()
    assert set(stored) - set(loaded) == {"_fc.weight", "_fc.bias"}
    for name, tensor in loaded.items():
        torch.testing.assert_close(tensor, stored[name], atol=0, rtol=0)


@pytest.mark.parametrize("name", ["minilm", "efficientnet-lite0", "efficientnet-lite2"])
def test_the_onnx_graph_computes_what_the_encoder_does_at_any_size(name: str) -> None:
    modality = "text" if name == "minilm" else "image"
    source = find_encoder(name, modality, DataConfig())  # type: ignore[arg-type]
    encoder, session = source.load(), open_session(source.graph())
    for size in (1, 3):
        if modality == "text":
            ids = torch.randint(1000, 2000, (size, 11))
            mask = torch.ones_like(ids)
            mask[-1, 6:] = 0
            inputs = (ids, mask)
        else:
            inputs = (torch.randn(size, 3, source.spec.size, source.spec.size),)
        with torch.no_grad():
            expected = encoder(*inputs)
        feed = {key: value.numpy() for (key, _), value in zip(encoder.inputs, inputs, strict=True)}
        pooled, tokens = session.run(["pooled", "tokens"], feed)
        np.testing.assert_allclose(pooled, expected.pooled.numpy(), atol=1e-4)
        np.testing.assert_allclose(tokens, expected.tokens.numpy(), atol=2e-4)
        assert tokens.shape[1] == (11 if modality == "text" else 9)


def test_padding_does_not_move_a_text(tiny_bert: Path) -> None:
    encoder = find_encoder(str(tiny_bert), "text", DataConfig()).load()
    short = encoder(torch.tensor([[2, 3]]), torch.tensor([[1, 1]])).pooled
    padded = encoder(torch.tensor([[2, 3, 1, 1]]), torch.tensor([[1, 1, 0, 0]])).pooled
    torch.testing.assert_close(short, padded, atol=1e-5, rtol=0)


def test_a_checkpoint_that_lacks_a_weight_is_refused(tiny_bert: Path) -> None:
    weights = load_file(tiny_bert / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, tiny_bert / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 of the model's weights.*encoder\.layer\.1\.output\.dense"):
        find_encoder(str(tiny_bert), "text", DataConfig()).load()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("model.safetensors", "safetensors"),
        ("tokenizer.json", "fast tokenizer"),
        ("config.json", "no Hugging Face model"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused_by_name(tiny_bert: Path, missing: str, message: str) -> None:
    (tiny_bert / missing).unlink()
    with pytest.raises(ConfigError, match=message):
        find_encoder(str(tiny_bert), "text", DataConfig())


def test_lite2_regions_cover_its_map() -> None:
    encoder = find_encoder("efficientnet-lite2", "image", DataConfig()).load()
    with torch.no_grad():
        features = encoder.network.extract_features(torch.randn(1, 3, 260, 260))
        assert features.shape == (1, 1280, 9, 9)
        tokens = regions(features)
    assert tokens.shape == (1, 9, 1280)
    torch.testing.assert_close(tokens.mean(1), features.mean((2, 3)), atol=1e-5, rtol=1e-4)  # 3 x 3 windows of 3 x 3


@pytest.mark.parametrize("side", [1, 2, 3, 7, 8, 14, 16])
def test_regions_of_a_map_of_any_size_see_all_of_it(side: int) -> None:
    features = torch.zeros(1, 1, side, side)
    features[..., -1, -1] = 1.0  # the corner that a window too short would miss
    tokens = regions(features)
    assert tokens.shape[1] == min(side, 3) ** 2
    assert tokens[0, -1, 0] > 0
    assert tokens[0, 0, 0] == (1.0 if side == 1 else 0.0)


def test_altered_image_weights_are_refused(tmp_path: Path) -> None:
    source = find_encoder("efficientnet-lite0", "image", DataConfig())
    copy = tmp_path / "w.pth"
    shutil.copy(source.weights[0], copy)
    with copy.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x00\x01\x02")
    source._weights = copy
    with pytest.raises(ConfigError, match="SHA-256"):
        source.load()


def test_the_fingerprint_follows_weights_tokenizer_and_length(tiny_bert: Path) -> None:
    before = find_encoder(str(tiny_bert), "text", DataConfig()).fingerprint()
    assert find_encoder(str(tiny_bert), "text", DataConfig()).fingerprint() == before
    assert find_encoder(str(tiny_bert), "text", DataConfig(max_tokens=32)).fingerprint() != before
    tokenizer = json.loads((tiny_bert / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["bad"] = 4
    (tiny_bert / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert find_encoder(str(tiny_bert), "text", DataConfig()).fingerprint() != before


def test_an_encoder_of_the_other_modality_or_of_no_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="encoder of image"):
        find_encoder("efficientnet-lite0", "text", DataConfig())
    with pytest.raises(ConfigError, match="did you mean minilm"):
        find_encoder("minilmm", "text", DataConfig())
