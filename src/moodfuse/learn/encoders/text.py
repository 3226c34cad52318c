"""Text encoders: any Hugging Face text model in a local folder, MiniLM among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from moodfuse.config import Cleaning
from moodfuse.data.text import TextSpec
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders.base import Encoded, Encoder, TextSource

WEIGHTS = "model.safetensors"


class HuggingFaceText(Encoder):
    """A transformer over token ids; `pooled` is the mean over real tokens, or the first token's vector."""

    inputs = (("input_ids", ("batch", "tokens")), ("attention_mask", ("batch", "tokens")))

    def __init__(self, transformer: nn.Module, *, dim: int, pooling: str) -> None:
        super().__init__()
        self.transformer = transformer
        self.dim = dim
        self.pooling = pooling
        # 3 x 7: sizes of 0 and 1 would be taken for constants when the graph is traced
        self.example = (torch.ones(3, 7, dtype=torch.long), torch.ones(3, 7, dtype=torch.long))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Encoded:
        """Encode `input_ids` and `attention_mask`, both (B, T) integers."""
        tokens = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, T, D)
        if self.pooling == "cls":
            return Encoded(tokens[:, 0], tokens, attention_mask.bool())
        weights = attention_mask.unsqueeze(-1).to(tokens.dtype)  # (B, T, 1)
        pooled = (tokens * weights).sum(1) / weights.sum(1).clamp(min=1)  # (B, D)
        return Encoded(pooled, tokens, attention_mask.bool())


class TextFolder(TextSource):
    """A Hugging Face text model in a local folder: `config.json`, `model.safetensors`, `tokenizer.json`."""

    def __init__(self, folder: Path, *, name: str, cleaning: Cleaning, max_tokens: int, summary: str = "") -> None:
        self.folder = folder
        self.name = name
        self.summary = summary or f"text model in {folder}"
        self._config = _read_json(folder / "config.json", folder)
        if not (folder / "tokenizer.json").is_file():
            raise ConfigError(
                f"{folder}: no tokenizer.json; moodfuse needs a fast tokenizer "
                "(save one with AutoTokenizer.from_pretrained(...).save_pretrained(folder))"
            )
        if not (folder / WEIGHTS).is_file():
            raise ConfigError(
                f"{folder}: no {WEIGHTS}; weights are read from safetensors only, since other formats can run code "
                "(save the model with save_pretrained(folder))"
            )
        longest = self._config.get("max_position_embeddings", max_tokens)
        self._spec = TextSpec(cleaning=cleaning, max_tokens=min(max_tokens, longest), pad_id=self._pad_id())

    @property
    def spec(self) -> TextSpec:
        return self._spec

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def tokenizer_json(self) -> str:
        return (self.folder / "tokenizer.json").read_text("utf-8")

    @property
    def pooling(self) -> str:
        """`mean`, or `cls` where a sentence-transformers pooling file asks for it."""
        path = self.folder / "1_Pooling" / "config.json"
        if path.is_file() and _read_json(path, self.folder).get("pooling_mode_cls_token"):
            return "cls"
        return "mean"

    def load(self) -> HuggingFaceText:
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            transformer, found = AutoModel.from_pretrained(
                str(self.folder),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                dtype=torch.float32,
                attn_implementation="sdpa",
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ConfigError(f"{self.folder}: no text model can be loaded ({str(error).splitlines()[0]})") from None
        # The pooler is not used, and many checkpoints rightly lack one.
        missing = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))
        missing += sorted(str(key) for key in found["mismatched_keys"])
        if missing:
            raise ConfigError(
                f"{self.folder}: {WEIGHTS} lacks {len(missing)} of the model's weights ({missing[0]}, ...); "
                "a pretrained encoder with random weights would be of no use"
            )
        if hasattr(transformer, "pooler"):
            transformer.pooler = None
        return HuggingFaceText(transformer.eval(), dim=transformer.config.hidden_size, pooling=self.pooling)

    def _preparation(self) -> str:
        return super()._preparation() + json.dumps(self._config, sort_keys=True) + self.pooling

    def _pad_id(self) -> int:
        if isinstance(pad_id := self._config.get("pad_token_id"), int):
            return pad_id
        return Tokenizer.from_str(self.tokenizer_json).token_to_id("[PAD]") or 0


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        raise ConfigError(f"{folder}: holds no Hugging Face model ({path.name} is missing or no JSON)") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value
