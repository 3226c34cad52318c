"""The architectures of docs/encoders.md, each with a tiny random checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import transformers as hf

import tiny_checkpoints as tiny
from moodfuse.config import Modality

_WORDS = {"vocab_size": tiny._VOCABULARY, "max_position_embeddings": 40, "pad_token_id": 1}
_PATCHES = {**tiny._WIDTHS, "image_size": 32, "patch_size": 8}


def _bert_like(config: hf.PretrainedConfig) -> Callable[[Path], None]:
    """A model over BERT's kind of tokenizer."""

    def write(folder: Path) -> None:
        tiny._save(hf.AutoModel.from_config(config), folder)
        tiny._save_tokenizer(folder, tiny._word_pieces("[CLS]", "[SEP]", "[PAD]"), "[PAD]")

    return write


def _bytes_like(config: hf.PretrainedConfig, first: str = "<s>") -> Callable[[Path], None]:
    """A model over RoBERTa's kind of tokenizer."""

    def write(folder: Path) -> None:
        tiny._save(hf.AutoModel.from_config(config), folder)
        tokenizer = tiny._bytes(["<s>", "<pad>", "</s>", "<unk>"])
        tiny._save_tokenizer(folder, tiny._with_ends(tokenizer, first, "</s>"), "<pad>")

    return write


def _image(config: hf.PretrainedConfig, processor: Callable[[], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        tiny._save(hf.AutoModel.from_config(config), folder)
        processor().save_pretrained(folder)  # type: ignore[attr-defined]

    return write


_SQUARE = {"height": 32, "width": 32}
_DISTIL = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24}
#: Written here; the others are tiny checkpoints that the contracts know.
_MORE: dict[str, tuple[tuple[Modality, ...], Callable[[Path], None]]] = {
    "tiny/distilbert": (("text",), _bert_like(hf.DistilBertConfig(**_DISTIL, **_WORDS))),
    "tiny/albert": (("text",), _bert_like(hf.AlbertConfig(**tiny._WIDTHS, embedding_size=8, **_WORDS))),
    "tiny/deberta-v2": (
        ("text",),
        _bert_like(hf.DebertaV2Config(**tiny._WIDTHS, **_WORDS, relative_attention=True, pos_att_type=["p2c", "c2p"])),
    ),
    "tiny/electra": (("text",), _bert_like(hf.ElectraConfig(**tiny._WIDTHS, embedding_size=8, **_WORDS))),
    "tiny/modernbert": (("text",), _bert_like(hf.ModernBertConfig(**tiny._WIDTHS, **_WORDS))),
    "tiny/ernie": (("text",), _bert_like(hf.ErnieConfig(**tiny._WIDTHS, **_WORDS))),
    "tiny/xlm-roberta": (
        ("text",),
        _bytes_like(hf.XLMRobertaConfig(**tiny._WIDTHS, **{**_WORDS, "max_position_embeddings": 42})),
    ),
    "tiny/gpt2": (
        ("text",),
        _bytes_like(
            hf.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=40, vocab_size=tiny._VOCABULARY), first=""
        ),
    ),
    "tiny/convnextv2": (
        ("image",),
        _image(
            hf.ConvNextV2Config(hidden_sizes=[8, 12, 16, 24], depths=[1] * 4),
            lambda: hf.ConvNextImageProcessorPil(size={"shortest_edge": 224}, crop_pct=0.95),
        ),
    ),
    "tiny/deit": (
        ("image",),
        _image(hf.DeiTConfig(**_PATCHES), lambda: hf.DeiTImageProcessorPil(size=_SQUARE, crop_size=_SQUARE)),
    ),
    "tiny/beit": (
        ("image",),
        _image(hf.BeitConfig(**_PATCHES), lambda: hf.BeitImageProcessorPil(size=_SQUARE, do_center_crop=False)),
    ),
    "tiny/mobilenet_v2": (
        ("image",),
        _image(
            hf.MobileNetV2Config(image_size=32, depth_multiplier=0.35),
            lambda: hf.MobileNetV2ImageProcessorPil(size={"shortest_edge": 36}, crop_size=_SQUARE),
        ),
    ),
}
tiny.CHECKPOINTS.update(_MORE)

_TEXT = "bert roberta distilbert albert xlm-roberta deberta-v2 mpnet electra modernbert gpt2 ernie clip siglip siglip2"
_IMAGE = "clip siglip resnet convnext convnextv2 vit deit swin dinov2 beit mobilenet_v2 efficientnet regnet"
#: Every architecture and what it encodes, in the order of the page.
ARCHITECTURES: list[tuple[str, Modality]] = [
    *((name, "text") for name in _TEXT.split()),
    *((name, "image") for name in _IMAGE.split()),
]
