"""What is no encoder is refused in one line that says what was expected, what was found and what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from moodfuse.config import DataConfig, Modality
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders import EncoderSource, find_encoder
from tiny_checkpoints import CHECKPOINTS, checkpoint, load


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """A checkpoint's folder to damage."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(checkpoint(f"tiny/{name}"), tmp_path / name))

    return make


def _open(folder: Path, modality: Modality) -> EncoderSource:
    return find_encoder(str(folder), modality, DataConfig())


def _settings(folder: Path, file: str = "config.json", **changes: object) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


ALONE = [name for name, (kinds, _) in CHECKPOINTS.items() if len(kinds) == 1 and name != "tiny/siglip2"]


@pytest.mark.parametrize("name", ALONE)
def test_a_model_of_the_other_modality_is_refused(name: str) -> None:
    found = CHECKPOINTS[name][0][0]
    expected: Modality = "image" if found == "text" else "text"
    with pytest.raises(ConfigError, match=rf"^{name}: holds a model of {found} \([\w-]+\), expected {expected}$"):
        load(name, expected)


@pytest.mark.parametrize(
    ("name", "modality", "missing", "message"),
    [
        ("bert", "text", "config.json", "holds no Hugging Face model"),
        ("vit", "image", "config.json", "holds no Hugging Face model"),
        ("bert", "text", "model.safetensors", r"no model\.safetensors; weights are read from safetensors only"),
        ("vit", "image", "model.safetensors", "safetensors only"),
        ("bert-shards", "text", "model-00002-of-00004.safetensors", r"no model-00002-of-00004\.safetensors"),
        ("bert", "text", "tokenizer.json", "needs a fast tokenizer"),
        ("clip", "text", "tokenizer.json", "needs a fast tokenizer"),
        ("clip", "image", "preprocessor_config.json", r"no preprocessor_config\.json"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused(
    copy: Callable[[str], Path], name: str, modality: Modality, missing: str, message: str
) -> None:
    folder = copy(name)
    (folder / missing).unlink()
    with pytest.raises(ConfigError, match=message):
        _open(folder, modality)


def test_weights_in_pickle_only_are_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("vit")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="other formats can run code"):
        _open(folder, "image")


@pytest.mark.parametrize(
    ("name", "modality", "weight"),
    [
        ("bert", "text", "encoder.layer.1.output.dense.weight"),
        ("resnet", "image", "resnet.encoder.stages.1.layers.0.layer.0.convolution.weight"),
        ("vit", "image", "vit.layernorm.weight"),
        ("clip", "image", "visual_projection.weight"),
        ("siglip", "text", "text_model.head.weight"),
    ],
)
def test_a_missing_weight_is_never_a_random_one(
    copy: Callable[[str], Path], name: str, modality: Modality, weight: str
) -> None:
    folder = copy(name)
    stored = load_file(folder / "model.safetensors")
    key = next(key for key in stored if key.endswith(weight))
    for change in ("taken out", "of another shape"):
        weights = {**stored, key: torch.zeros(3, 3)} if change == "of another shape" else stored.copy()
        if change == "taken out":
            weights.pop(key)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ConfigError, match=r"model\.safetensors lacks 1 of the model's weights"):
            _open(folder, modality).load()


def test_what_only_the_other_tower_needs_may_be_missing(copy: Callable[[str], Path]) -> None:
    folder = copy("clip")
    weights = {key: value for key, value in load_file(folder / "model.safetensors").items() if "visi" not in key}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert _open(folder, "text").load().dim == 12
    with pytest.raises(ConfigError, match="lacks"):
        _open(folder, "image").load()


def test_damaged_files_are_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="the model cannot be loaded"):
        _open(folder, "text").load()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer\.json cannot be read"):
        _open(folder, "text")
    _settings(folder, model_type="bertt")
    with pytest.raises(ConfigError, match="holds no Hugging Face model that transformers knows"):
        _open(folder, "text")
    (folder / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match="expected a JSON object, found list"):
        _open(folder, "text")


def test_shards_are_looked_for_in_the_folder_alone(copy: Callable[[str], Path]) -> None:
    folder = copy("bert-shards")
    _settings(folder, "model.safetensors.index.json", weight_map={"a": "../elsewhere.safetensors"})
    with pytest.raises(ConfigError, match="does not name the files of the weights"):
        _open(folder, "text")


def test_a_model_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    hf.T5Config(d_model=8, num_layers=1, num_heads=2, d_kv=4, d_ff=8, vocab_size=9).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="t5 is an encoder with a decoder"):
        _open(tmp_path, "text")
    hf.ViltConfig(hidden_size=8, num_attention_heads=2).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="vilt reads image and text together"):
        _open(tmp_path, "text")


def test_an_image_half_that_takes_patches_of_any_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="tiny/siglip2: moodfuse cannot do its image pre"):
        load("tiny/siglip2", "image")


def test_a_model_without_a_limit_of_positions_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    hf.XLNetModel(hf.XLNetConfig(vocab_size=320, d_model=16, n_layer=1, n_head=2, d_inner=24)).save_pretrained(folder)
    with pytest.raises(ConfigError, match=r"xlnet sets no limit to a text's positions.*cannot be exported to ONNX"):
        _open(folder, "text")


def test_a_model_that_padding_moves_is_refused(copy: Callable[[str], Path]) -> None:
    # FNet mixes all places of a batch and knows no attention mask
    folder = copy("bert")
    config = hf.FNetConfig(hidden_size=16, num_hidden_layers=1, intermediate_size=24, vocab_size=320)
    hf.FNetModel(config).save_pretrained(folder)
    with pytest.raises(ConfigError, match="padding changes a text's vector"):
        _open(folder, "text").load()


def test_a_tower_that_pools_at_its_padding_is_refused(copy: Callable[[str], Path]) -> None:
    # Where its configuration says 2, CLIP takes the highest id for the end of a text: here that is the padding's
    folder = copy("clip")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"]["special_tokens"]["<|endoftext|>"]["ids"] = [5]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ConfigError, match="padding changes a text's vector"):
        _open(folder, "text").load()


def test_a_model_that_answers_at_random_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("vit")
    config = hf.ViTMAEConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
                             image_size=32, patch_size=8)  # fmt: skip
    hf.ViTMAEModel(config).save_pretrained(folder)
    with pytest.raises(ConfigError, match="another answer each time"):
        _open(folder, "image").load()


def test_images_of_a_size_that_the_model_does_not_take_are_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("vit")
    _settings(folder, "preprocessor_config.json", size={"height": 48, "width": 48})
    with pytest.raises(ConfigError, match="cannot encode images of 48 x 48 pixels"):
        _open(folder, "image").load()
