"""Random encoders of a few kilobytes, as `save_pretrained` writes them: what is trained on in a second."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, ViTConfig, ViTImageProcessorPil, ViTModel

_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def write_encoders(folder: Path) -> tuple[Path, Path]:
    """Write an encoder of texts and one of images, and return their folders."""
    torch.manual_seed(0)
    text, image = folder / "text", folder / "image"
    BertModel(BertConfig(vocab_size=60, max_position_embeddings=64, **_SIZES)).save_pretrained(text)
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz.,!'"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(text / "tokenizer.json"))
    ViTModel(ViTConfig(**_SIZES, image_size=32, patch_size=8)).save_pretrained(image)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(image)
    return text, image
