"""Models of the Hugging Face Hub: which names are ids, and the local folder of an id."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from moodfuse.config import Modality
from moodfuse.errors import ConfigError, in_a_line, suggest
from moodfuse.runtime.hub import downloads_are_off

#: The only files that are downloaded: settings, weights as safetensors (whole or sharded), the fast tokenizer. No code.
FILES = (
    "config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",  # names the padding token
    "1_Pooling/config.json",
    "preprocessor_config.json",
    "processor_config.json",  # where newer checkpoints keep the image processor's settings
)

_MODEL = (("config.json",), ("model.safetensors", "model.safetensors.index.json"))
_NEEDED: dict[Modality, tuple[tuple[str, ...], ...]] = {
    "text": (*_MODEL, ("tokenizer.json",)),
    "image": (*_MODEL, ("preprocessor_config.json", "processor_config.json")),
}

#: `organisation/model`. Anything else with a slash is a path.
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubModel(NamedTuple):
    """A model of the Hub that moodfuse knows by name."""

    modalities: tuple[Modality, ...]
    summary: str


#: Known ids, for `moodfuse encoders` and to distinguish an id without an organisation from a misspelt name.
HUB_MODELS: dict[str, HubModel] = {
    "bert-base-uncased": HubModel(("text",), "BERT base, English: 12 layers, 768 wide"),
    "bert-base-multilingual-cased": HubModel(("text",), "mBERT, 104 languages: 12 layers, 768 wide"),
    "bert-base-chinese": HubModel(("text",), "BERT base, Chinese: 12 layers, 768 wide"),
    "roberta-base": HubModel(("text",), "RoBERTa base, English: 12 layers, 768 wide"),
    "sentence-transformers/all-mpnet-base-v2": HubModel(("text",), "MPNet, sentences: 12 layers, 768 wide"),
    "vinai/bertweet-base": HubModel(("text",), "BERTweet, English tweets: 12 layers, 768 wide"),
    "intfloat/multilingual-e5-base": HubModel(("text",), "E5 base, 100 languages: 12 layers, 768 wide"),
    "microsoft/resnet-50": HubModel(("image",), "ResNet-50: 224 x 224, 2048 wide"),
    "facebook/convnext-base-224": HubModel(("image",), "ConvNeXt base: 224 x 224, 1024 wide"),
    "google/vit-base-patch16-224-in21k": HubModel(("image",), "ViT base: 224 x 224, 768 wide"),
    "facebook/dinov2-base": HubModel(("image",), "DINOv2 base: 224 x 224, 768 wide"),
    "openai/clip-vit-base-patch32": HubModel(("text", "image"), "CLIP, both towers: 512 wide"),
    "google/siglip-base-patch16-224": HubModel(("text", "image"), "SigLIP, both towers: 768 wide"),
    "google/siglip2-base-patch16-224": HubModel(("text", "image"), "SigLIP 2, both towers, many languages: 768 wide"),
}


def is_hub_id(name: str) -> bool:
    """Return whether `name` is an id of the Hub: a known id, or `organisation/model`."""
    return name in HUB_MODELS or _ID.fullmatch(name) is not None


def hub_folder(name: str, modality: Modality) -> Path:
    """Return the local folder of the model `name`; the first time, download it into the Hugging Face cache.

    A model in the cache is used without network access, so that a run does not change when the Hub does. Raises
    `ConfigError` if a file that `modality` needs is missing and cannot be downloaded.
    """
    cached = _cached(name)
    if cached is not None and _holds(cached, _NEEDED[modality]):
        return cached
    try:
        return _download(name)
    except ConfigError:
        # Other missing files may not be on the Hub either: the reader of the folder reports them.
        if cached is not None and _holds(cached, _MODEL):
            return cached
        raise


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES), local_files_only=True))
    except LocalEntryNotFoundError:  # not in the cache, or an earlier download was interrupted
        return None


def _holds(folder: Path, needed: Iterable[Iterable[str]]) -> bool:
    # Other programs keep parts of a model in the cache: a tokenizer alone, or weights of another format.
    return all(any((folder / file).is_file() for file in files) for files in needed)


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    elsewhere = f"download it where there is a network (hf download {name} --local-dir FOLDER) and give the folder"
    if downloads_are_off():
        raise ConfigError(
            f"{name}: not in the Hugging Face cache, and downloads are off (--offline, HF_HUB_OFFLINE); {elsewhere}"
        )
    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except GatedRepoError:
        raise ConfigError(f"{name}: its authors ask you to accept their terms on huggingface.co first") from None
    except (RepositoryNotFoundError, HFValidationError):
        what = "encoder: there is no folder and, as far as you may read, no model of the Hugging Face Hub named"
        raise ConfigError(suggest(name, HUB_MODELS, what=what)) from None
    except (OSError, HfHubHTTPError) as error:  # no network, no room, or the Hub is down
        raise ConfigError(
            f"{name}: cannot be downloaded from the Hugging Face Hub ({in_a_line(error)}); {elsewhere}"
        ) from None
