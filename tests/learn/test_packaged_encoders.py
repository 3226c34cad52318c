"""Packaged encoders: pretrained means that the weights are the file's; regions; fingerprints."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from moodfuse import files
from moodfuse.config import DataConfig
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders import e5, find_encoder
from moodfuse.learn.encoders.image import regions
from moodfuse.runtime.tokenizer import load_tokenizer


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


def test_the_fingerprint_follows_tokenizer_and_length(tiny_bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "tiny"))
    before = find_encoder(str(folder), "text", DataConfig()).fingerprint()
    assert find_encoder(str(folder), "text", DataConfig()).fingerprint() == before
    assert find_encoder(str(folder), "text", DataConfig(max_tokens=32)).fingerprint() != before
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["good"] = 50
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert find_encoder(str(folder), "text", DataConfig()).fingerprint() != before


def test_weights_are_read_for_the_fingerprint_once_and_again_when_they_change(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    sha256 = files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path) or sha256(path))
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "tiny"))
    before = find_encoder(str(folder), "text", DataConfig()).fingerprint()
    assert find_encoder(str(folder), "text", DataConfig(max_tokens=32)).fingerprint() != before
    assert len(read) == 1
    with (folder / "model.safetensors").open("r+b") as file:  # as many bytes as before
        file.seek(-1, 2)
        file.write(b"\x01")
    assert find_encoder(str(folder), "text", DataConfig()).fingerprint() != before
    assert len(read) == 2


def test_a_misspelt_encoder_gets_the_near_name() -> None:
    with pytest.raises(ConfigError, match="did you mean minilm"):
        find_encoder("minilmm", "text", DataConfig())


def test_e5_reads_every_script_and_puts_what_means_the_same_together() -> None:
    source = find_encoder("multilingual-e5-small", "text", DataConfig())
    encoder, tokenizer = source.load(), load_tokenizer(source.tokenizer_json, max_tokens=32)
    texts = [
        "the weather is lovely today",
        "heute ist das Wetter schön",
        "今天天气很好",
        "die Steuererklärung ist fällig",
    ]
    vectors = []
    for text in texts:
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            vectors.append(encoder(ids, torch.ones_like(ids)).pooled[0])
    weather, german, chinese, taxes = torch.nn.functional.normalize(torch.stack(vectors), dim=-1)
    assert weather @ german > weather @ taxes + 0.03
    assert weather @ chinese > weather @ taxes + 0.03
    unknown = tokenizer.token_to_id("<unk>")
    for text in ("😡", "不好吃", "прекрасно", "बेकार", "رائع", "สวย"):
        assert unknown not in tokenizer.encode(text).ids
    assert tokenizer.encode("I love this😡").tokens == ["<s>", "▁I", "▁love", "▁this", "😡", "</s>"]


def test_another_file_than_the_pinned_one_is_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e5-small-q4.bin").write_bytes(b"E5S1 and something else")
    monkeypatch.setattr(e5, "package_folder", lambda package: tmp_path)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(ConfigError, match="expected sha256"):
        find_encoder("multilingual-e5-small", "text", DataConfig())
