"""Tiny random checkpoints in a Hugging Face cache of the tests' own, so that a hub id resolves without a network."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from moodfuse.config import DataConfig, Modality
from moodfuse.learn.encoders import EncoderSource, find_encoder

CORPUS = [
    "so happy with this view",
    "what a terrible day",
    "Nothing to say about it, really.",
    "#love @friends 2 :)",
] * 3
_WIDTHS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
_VOCABULARY = 320
_REVISION = "0" * 40


def _word_pieces(first: str, last: str, pad: str) -> Tokenizer:
    """BERT's and MPNet's kind."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = [first, pad, last, "[UNK]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=_VOCABULARY, special_tokens=specials))
    return _with_ends(tokenizer, first, last)


def _bytes(specials: list[str]) -> Tokenizer:
    """RoBERTa's, CLIP's and (nearly) SigLIP's kind, with room for two tokens more."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=_VOCABULARY - 2, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def _with_ends(tokenizer: Tokenizer, first: str, last: str) -> Tokenizer:
    """Put `first` (nothing, where empty) and `last` around every text."""
    tokenizer.add_special_tokens([token for token in (first, last) if token])
    ends = [(token, tokenizer.token_to_id(token)) for token in (first, last) if token]
    tokenizer.post_processor = processors.TemplateProcessing(f"{first} $A {last}".strip(), special_tokens=ends)
    return tokenizer


def _save_tokenizer(folder: Path, tokenizer: Tokenizer, pad: str) -> None:
    hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad).save_pretrained(folder)


def _save(model: hf.PreTrainedModel, folder: Path, **saving: object) -> None:
    for parameter in model.parameters():  # fresh norms and biases are all ones and zeros: no two would differ
        parameter.data += 0.1 * torch.randn(parameter.shape)
    model.save_pretrained(folder, **saving)


def _bert(folder: Path, kind: type = hf.BertModel, **saving: object) -> None:
    widths = {**_WIDTHS, "num_hidden_layers": 2}
    config = hf.BertConfig(**widths, vocab_size=_VOCABULARY, max_position_embeddings=40, pad_token_id=1)
    _save(kind(config), folder, **saving)
    _save_tokenizer(folder, _word_pieces("[CLS]", "[SEP]", "[PAD]"), "[PAD]")


def _roberta(folder: Path) -> None:
    config = hf.RobertaConfig(**_WIDTHS, vocab_size=_VOCABULARY, max_position_embeddings=42, pad_token_id=1)
    _save(hf.RobertaForMaskedLM(config), folder)
    _save_tokenizer(folder, _with_ends(_bytes(["<s>", "<pad>", "</s>", "<unk>"]), "<s>", "</s>"), "<pad>")


def _mpnet(folder: Path) -> None:
    config = hf.MPNetConfig(**_WIDTHS, vocab_size=_VOCABULARY, max_position_embeddings=42)
    _save(hf.MPNetModel(config), folder)
    _save_tokenizer(folder, _word_pieces("<s>", "</s>", "<pad>"), "<pad>")


def _resnet(folder: Path) -> None:
    config = hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    _save(hf.ResNetForImageClassification(config), folder)
    hf.ConvNextImageProcessorPil(size={"shortest_edge": 37}, crop_pct=0.875).save_pretrained(folder)


def _convnext(folder: Path) -> None:
    _save(hf.ConvNextModel(hf.ConvNextConfig(hidden_sizes=[8, 12, 16, 24], depths=[1] * 4)), folder)
    hf.ConvNextImageProcessorPil(size={"shortest_edge": 224}, crop_pct=0.95).save_pretrained(folder)


def _regnet(folder: Path) -> None:
    config = hf.RegNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=4)
    _save(hf.RegNetModel(config), folder)
    hf.ConvNextImageProcessorPil(size={"shortest_edge": 37}, crop_pct=0.875).save_pretrained(folder)


def _efficientnet(folder: Path, **processing: bool) -> None:
    blocks = {"kernel_sizes": [3, 3], "in_channels": [32, 16], "out_channels": [16, 24], "strides": [1, 2]}
    blocks |= {"depthwise_padding": [], "num_block_repeats": [1, 1], "expand_ratios": [1, 2]}
    config = hf.EfficientNetConfig(
        **blocks, image_size=48, width_coefficient=0.5, depth_coefficient=1.0, hidden_dim=640
    )
    _save(hf.EfficientNetModel(config), folder)
    hf.EfficientNetImageProcessorPil(size={"height": 48, "width": 48}, **processing).save_pretrained(folder)


def _vit(folder: Path) -> None:
    _save(hf.ViTForImageClassification(hf.ViTConfig(**_WIDTHS, image_size=32, patch_size=8)), folder)
    hf.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def _dinov2(folder: Path) -> None:
    # As the real one: its positions are learnt for larger images than its processor makes.
    _save(hf.Dinov2Model(hf.Dinov2Config(**_WIDTHS, image_size=70, patch_size=7)), folder)
    hf.BitImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 35, "width": 35}).save_pretrained(folder)


def _registers(folder: Path) -> None:
    config = hf.Dinov2WithRegistersConfig(**_WIDTHS, image_size=28, patch_size=7, num_register_tokens=4)
    _save(hf.Dinov2WithRegistersModel(config), folder)
    hf.ViTImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(folder)


def _swin(folder: Path) -> None:
    config = hf.SwinConfig(image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4)
    _save(hf.SwinModel(config), folder)
    hf.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def _clip(folder: Path, eos_token_id: int = 2) -> None:
    # OpenAI's own checkpoints say 2, which ends no text: CLIPTextModel takes the highest id for the end then.
    tokenizer = _with_ends(_bytes(["<unk>"]), "<|startoftext|>", "<|endoftext|>")
    assert tokenizer.token_to_id("<|endoftext|>") == _VOCABULARY - 1
    text = {"vocab_size": _VOCABULARY, "max_position_embeddings": 20, "eos_token_id": eos_token_id, "bos_token_id": 0}
    config = hf.CLIPConfig(
        text_config={**_WIDTHS, **text},
        vision_config={**_WIDTHS, "hidden_size": 20, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    _save(hf.CLIPModel(config), folder)
    processor = hf.CLIPImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    _save_tokenizer(folder, tokenizer, "<|endoftext|>")


def _siglip(folder: Path) -> None:
    text = {"vocab_size": _VOCABULARY, "max_position_embeddings": 24, "eos_token_id": 1, "bos_token_id": 0}
    config = hf.SiglipConfig(
        text_config={**_WIDTHS, **text},
        vision_config={**_WIDTHS, "image_size": 32, "patch_size": 8},
    )
    _save(hf.SiglipModel(config), folder)
    hf.SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    _save_tokenizer(folder, _with_ends(_bytes(["<unk>", "</s>", "<pad>"]), "", "</s>"), "<pad>")


def _siglip2(folder: Path) -> None:
    """The kind whose image half takes patches of any number, which an `ImageSpec` cannot say."""
    text = {"vocab_size": _VOCABULARY, "max_position_embeddings": 24, "eos_token_id": 1, "bos_token_id": 0}
    vision = {**_WIDTHS, "num_patches": 16, "patch_size": 8}
    _save(hf.Siglip2Model(hf.Siglip2Config(text_config={**_WIDTHS, **text}, vision_config=vision)), folder)
    hf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)
    # Gemma's tokenizer, as files of the Hub have it: the lower-casing is in transformers' class alone.
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    lowered = [text.lower() for text in CORPUS]
    tokenizer.train_from_iterator(lowered, trainers.BpeTrainer(vocab_size=_VOCABULARY, special_tokens=specials))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "GemmaTokenizer", "pad_token": "<pad>", "padding_side": "right"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


CHECKPOINTS: dict[str, tuple[tuple[Modality, ...], Callable[[Path], None]]] = {
    "tiny/bert": (("text",), _bert),
    "tiny/bert-mlm": (("text",), lambda folder: _bert(folder, hf.BertForMaskedLM)),
    "tiny/bert-shards": (("text",), lambda folder: _bert(folder, max_shard_size="8KB")),
    "tiny/roberta": (("text",), _roberta),
    "tiny/mpnet": (("text",), _mpnet),
    "tiny/resnet": (("image",), _resnet),
    "tiny/regnet": (("image",), _regnet),
    "tiny/efficientnet": (("image",), _efficientnet),
    "tiny/efficientnet-offset": (("image",), lambda folder: _efficientnet(folder, rescale_offset=True)),
    "tiny/convnext": (("image",), _convnext),
    "tiny/vit": (("image",), _vit),
    "tiny/dinov2": (("image",), _dinov2),
    "tiny/registers": (("image",), _registers),
    "tiny/swin": (("image",), _swin),
    "tiny/clip": (("text", "image"), _clip),
    "tiny/clip-new": (("text", "image"), lambda folder: _clip(folder, _VOCABULARY - 1)),
    "tiny/siglip": (("text", "image"), _siglip),
    "tiny/siglip2": (("text",), _siglip2),
}
CASES: list[tuple[str, Modality]] = [(name, kind) for name, (kinds, _) in CHECKPOINTS.items() for kind in kinds]
TEXT = [name for name, kind in CASES if kind == "text"]
IMAGE = [name for name, kind in CASES if kind == "image"]
#: Not exported, which takes seconds each: what they vary is seen without.
_VARIANTS = {
    "tiny/efficientnet",
    "tiny/efficientnet-offset",
    "tiny/regnet",
    "tiny/bert-mlm",
    "tiny/bert-shards",
    "tiny/registers",
    "tiny/swin",
    "tiny/clip-new",
}
EXPORTED = [(name, kind) for name, kind in CASES if name not in _VARIANTS]


@cache
def checkpoint(name: str) -> Path:
    """The snapshot folder of a checkpoint, in the layout of the Hugging Face cache."""
    repository = _cache() / f"models--{name.replace('/', '--')}"
    folder = repository / "snapshots" / _REVISION
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(_REVISION)
    torch.manual_seed(sum(name.encode()))
    CHECKPOINTS[name][1](folder)
    return folder


#: The encoders of the course reports, each as a tiny checkpoint of its architecture.
REPORTED = {
    "bert-base-uncased": "tiny/bert",
    "bert-base-multilingual-cased": "tiny/bert",
    "bert-base-chinese": "tiny/bert",
    "roberta-base": "tiny/roberta",
    "microsoft/resnet-50": "tiny/resnet",
    "facebook/convnext-base-224": "tiny/convnext",
}


@contextmanager
def reported_encoders() -> Iterator[None]:
    """Have the ids of the reports' encoders stand for tiny checkpoints of their architectures."""
    with hub_cache() as cache:
        for name, tiny in REPORTED.items():
            link = cache / f"models--{name.replace('/', '--')}"
            if not link.exists():
                link.symlink_to(checkpoint(tiny).parents[1], target_is_directory=True)
        yield


@cache
def _keep() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="moodfuse-hub-")


def _cache() -> Path:
    return Path(_keep().name)


@contextmanager
def hub_cache() -> Iterator[Path]:
    """Make the tests' cache the one that a hub id is looked up in, and no network to be had."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(_cache()))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield _cache()


def load(name: str, modality: Modality, **data: int) -> EncoderSource:
    """The source of a checkpoint, found by its hub id."""
    checkpoint(name)
    with hub_cache():
        return find_encoder(name, modality, DataConfig(**data))
