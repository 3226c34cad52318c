"""Text encoders in a folder: any Hugging Face text model, and the text towers of CLIP and SigLIP."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, normalizers
from torch import Tensor, nn

from moodfuse.config import DataConfig
from moodfuse.data.text import TextSpec
from moodfuse.errors import ConfigError, in_a_line
from moodfuse.learn.encoders.base import TOKEN_INPUTS, Encoded, Encoder
from moodfuse.learn.encoders.folder import ModelFolder, read_json
from moodfuse.learn.encoders.text import TokenSource
from moodfuse.runtime.tokenizer import load_tokenizer

#: Model types whose text tower was trained on texts padded to its full length, without an attention mask.
_PADDED = frozenset({"siglip", "siglip2"})
#: Model types whose texts are lower-cased before their `tokenizer.json`, which does not say so (transformers does it).
_LOWERED = frozenset({"siglip2"})


_MOVED = 1e-3  # padding that changes a vector by more than this was not masked; float noise is a hundredth of it


class HuggingFaceText(Encoder):
    """A transformer over token ids; `pooled` is the mean over real tokens, or the first token's vector."""

    inputs = TOKEN_INPUTS
    # 3 x 7: sizes of 0 and 1 would be taken for constants when the graph is traced
    example = (torch.ones(3, 7, dtype=torch.long), torch.ones(3, 7, dtype=torch.long))

    def __init__(self, transformer: nn.Module, *, pooling: str) -> None:
        super().__init__()
        self.transformer = transformer
        self.pooling = pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Encoded:
        """Encode `input_ids` and `attention_mask`, both (B, T) integers."""
        tokens = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, T, D)
        if self.pooling == "cls":
            return Encoded(tokens[:, 0], tokens, attention_mask.bool())
        weights = attention_mask.unsqueeze(-1).to(tokens.dtype)  # (B, T, 1)
        pooled = (tokens * weights).sum(1) / weights.sum(1).clamp(min=1)  # (B, D)
        return Encoded(pooled, tokens, attention_mask.bool())


class TextTower(Encoder):
    """The text half of a model with two towers: `pooled` is the embedding that the model compares with images.

    CLIP (Radford et al., 2021) pools at the end-of-text token; `tokens` go through the same projection. SigLIP (Zhai
    et al., 2023) pools at the last of 64 positions, padding or not: it was trained on texts padded to that length
    without an attention mask, so texts are padded here, to the same length in every batch, and not masked.
    """

    inputs = TOKEN_INPUTS
    example = HuggingFaceText.example

    def __init__(self, model: Any, *, padded: tuple[int, int] | None = None) -> None:
        """`padded` is (length, padding token id) if texts are padded rather than masked."""
        super().__init__()
        self.model = model
        self.padded = padded

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Encoded:
        """Encode `input_ids` and `attention_mask`, both (B, T) integers."""
        mask = attention_mask.bool()
        if self.padded is None:
            output = self.model.get_text_features(input_ids=input_ids, attention_mask=attention_mask)
            tokens = output.last_hidden_state  # (B, T, hidden)
        else:
            length, pad_id = self.padded
            filled = input_ids.masked_fill(~mask, pad_id)
            padding = filled.new_full((filled.shape[0], length), pad_id)
            output = self.model.get_text_features(input_ids=torch.cat([filled, padding], 1)[:, :length])  # (B, length)
            tokens = output.last_hidden_state[:, : input_ids.shape[1]]  # (B, T, hidden)
        if (projection := getattr(self.model, "text_projection", None)) is not None:
            tokens = projection(tokens)  # (B, T, D)
        return Encoded(output.pooler_output, tokens, mask)


class TextFolder(TokenSource):
    """A Hugging Face text model in a folder: `config.json`, safetensors, `tokenizer.json`.

    Raises `ConfigError` if a file is missing or the model encodes no text.
    """

    def __init__(self, folder: Path, data: DataConfig, *, name: str, summary: str = "") -> None:
        self.name = name
        self._model = ModelFolder(folder, name=name, modality="text")
        self.summary = summary or f"{self._model.config.model_type} from {folder}"
        if not (folder / "tokenizer.json").is_file():
            raise ConfigError(
                f"{name}: no tokenizer.json; moodfuse needs a fast tokenizer "
                "(save it with AutoTokenizer.from_pretrained(...).save_pretrained(folder))"
            )
        longest = self._positions(data.max_tokens)
        self._spec = TextSpec(cleaning=data.cleaning, max_tokens=min(data.max_tokens, longest), pad_id=self._pad_id())

    @property
    def spec(self) -> TextSpec:
        return self._spec

    @property
    def weights(self) -> tuple[Path, ...]:
        return self._model.weights

    @cached_property
    def tokenizer_json(self) -> str:
        content = (self._model.path / "tokenizer.json").read_text("utf-8")
        if self._model.config.model_type not in _LOWERED:
            return content
        tokenizer = self._tokenizer(content)
        own = tokenizer.normalizer
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *([] if own is None else [own])])
        return str(tokenizer.to_str())

    @property
    def pooling(self) -> str:
        """`mean`, or `cls` if a sentence-transformers pooling file asks for it; a tower pools in its own way."""
        path = self._model.path / "1_Pooling" / "config.json"
        if path.is_file() and read_json(path, self.name).get("pooling_mode_cls_token"):
            return "cls"
        return "mean"

    def load(self) -> HuggingFaceText | TextTower:
        transformer = self._model.load()
        encoder: HuggingFaceText | TextTower = (
            self._tower(transformer) if self._model.towers else HuggingFaceText(transformer, pooling=self.pooling)
        )
        encoder.eval()
        try:
            with torch.no_grad():
                encoded = encoder(*encoder.example)
                alone, beside = encoder(*self._text(0)), encoder(*self._text(2))
        except (ValueError, RuntimeError, AttributeError, TypeError) as error:
            raise ConfigError(f"{self.name}: cannot encode a text by itself ({in_a_line(error)})") from None
        encoder.dim = encoded.pooled.shape[-1]
        if (width := encoded.tokens.shape[-1]) != encoder.dim:
            raise ConfigError(f"{self.name}: its tokens are {width} wide, its texts {encoder.dim}: expected one width")
        if not torch.allclose(alone.pooled, beside.pooled, atol=_MOVED, rtol=_MOVED):
            raise ConfigError(f"{self.name}: padding changes a text's vector, and so would other texts in its batch")
        return encoder

    def _text(self, padding: int) -> tuple[Tensor, Tensor]:
        """Return ids and mask, (1, T) each, of a short text, with `padding` places after it as a longer text makes."""
        ids = load_tokenizer(self.tokenizer_json, max_tokens=self._spec.max_tokens).encode("a").ids
        tokens = torch.tensor([ids or [self._spec.pad_id]])
        mask = torch.ones_like(tokens)
        return nn.functional.pad(tokens, (0, padding), value=self._spec.pad_id), nn.functional.pad(mask, (0, padding))

    def _tower(self, model: nn.Module) -> TextTower:
        if self._model.config.model_type not in _PADDED:
            return TextTower(model)
        return TextTower(model, padded=(self._text_config.max_position_embeddings, self._spec.pad_id))

    def identity(self) -> tuple[str | int | None, ...]:
        return (*super().identity(), json.dumps(self._model.settings, sort_keys=True), self.pooling)

    @property
    def _text_config(self) -> Any:
        return self._model.config.get_text_config()

    def _positions(self, wanted: int) -> int:
        """Return how many tokens the model has positions for, or `wanted` if its configuration does not say.

        Models that count positions from their padding token's id + 1, as RoBERTa, have that many fewer positions than
        `max_position_embeddings` says; their table of positions holds the padding id.
        """
        longest = getattr(self._text_config, "max_position_embeddings", None) or wanted
        if longest < 1:  # XLNet says -1
            raise ConfigError(
                f"{self.name}: {self._model.config.model_type} sets no limit to a text's positions; the model of "
                "transformers cannot be exported to ONNX, so name another encoder"
            )
        for path, module in self._model.skeleton.named_modules():
            name = path.rpartition(".")[2]
            if name == "position_embeddings" and isinstance(module, nn.Embedding) and module.padding_idx is not None:
                longest = min(longest, module.num_embeddings - module.padding_idx - 1)
        return int(longest)

    def _tokenizer(self, content: str) -> Tokenizer:
        try:
            return Tokenizer.from_str(content)
        except Exception as error:  # the binding raises bare Exception
            raise ConfigError(f"{self.name}: tokenizer.json cannot be read ({in_a_line(error)})") from None

    def _pad_id(self) -> int:
        """Return the id of the padding token: the tokenizer's, since it made the model's inputs, else the model's."""
        tokenizer = self._tokenizer(self.tokenizer_json)
        token = None
        if (path := self._model.path / "tokenizer_config.json").is_file():
            token = read_json(path, self.name).get("pad_token")
        if isinstance(token, dict):
            token = token.get("content")
        named = tokenizer.token_to_id(token) if isinstance(token, str) else None
        candidates = (named, getattr(self._text_config, "pad_token_id", None), tokenizer.token_to_id("[PAD]"))
        return next((candidate for candidate in candidates if candidate is not None), 0)
