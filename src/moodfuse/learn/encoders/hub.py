"""Models of the Hugging Face Hub: which names are ids, and the folder that an id stands for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from moodfuse.config import Modality
from moodfuse.errors import ConfigError, suggest

#: All that is ever downloaded: settings, weights as safetensors (whole or sharded), the fast tokenizer. No code.
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


#: Known ids, for `moodfuse encoders` and to tell an id without an organisation from a misspelt name.
HUB_MODELS: dict[str, HubModel] = {
    "bert-base-uncased": HubModel(("text",), "BERT base, English: 12 layers, 768 wide"),
    "bert-base-multilingual-cased": HubModel(("text",), "mBERT, 104 languages: 12 layers, 768 wide"),
    "bert-base-chinese": HubModel(("text",), "BERT base, Chinese: 12 layers, 768 wide"),
    "roberta-base": HubModel(("text",), "RoBERTa base, English: 12 layers, 768 wide"),
    "sentence-transformers/all-mpnet-base-v2": HubModel(("text",), "MPNet, sentences: 12 layers, 768 wide"),
    "vinai/bertweet-base": HubModel(("text",), "BERTweet, English tweets: 12 layers, 768 wide"),
    "microsoft/resnet-50": HubModel(("image",), "ResNet-50: 224 x 224, 2048 wide"),
    "facebook/convnext-base-224": HubModel(("image",), "ConvNeXt base: 224 x 224, 1024 wide"),
    "google/vit-base-patch16-224-in21k": HubModel(("image",), "ViT base: 224 x 224, 768 wide"),
    "facebook/dinov2-base": HubModel(("image",), "DINOv2 base: 224 x 224, 768 wide"),
    "openai/clip-vit-base-patch32": HubModel(("text", "image"), "CLIP, both towers: 512 wide"),
    "google/siglip-base-patch16-224": HubModel(("text", "image"), "SigLIP, both towers: 768 wide"),
}


def is_hub_id(name: str) -> bool:
    """Say whether `name` is an id of the Hub: a known one, or `organisation/model`."""
    return name in HUB_MODELS or _ID.fullmatch(name) is not None


def hub_folder(name: str, modality: Modality) -> Path:
    """Return the local folder of the model `name`, downloading it the first time into the Hugging Face cache.

    What is in the cache already is taken from there without a look at the network, so that a run does not change when
    the Hub does. Raises `ConfigError` where something that `modality` needs is not there and cannot be had.
    """
    cached = _cached(name)
    if cached is not None and _holds(cached, _NEEDED[modality]):
        return cached
    try:
        return _download(name)
    except ConfigError:
        # What else is missing there may not be on the Hub either: the reader of the folder says what it is.
        if cached is not None and _holds(cached, _MODEL):
            return cached
        raise


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES), local_files_only=True))
    except LocalEntryNotFoundError:  # not there, or a download of ours was cut short
        return None


def _holds(folder: Path, needed: Iterable[Iterable[str]]) -> bool:
    # Other programs keep parts of a model in the cache: a tokenizer alone, or weights of another format.
    return all(any((folder / file).is_file() for file in files) for files in needed)


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    elsewhere = f"download it where there is a network (hf download {name} --local-dir FOLDER) and give the folder"
    if _offline():
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
        reason = str(error).splitlines()[0][:160]
        raise ConfigError(f"{name}: cannot be downloaded from the Hugging Face Hub ({reason}); {elsewhere}") from None


def _offline() -> bool:
    from huggingface_hub import constants

    # The library looks at the variable only once, when it is imported.
    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
