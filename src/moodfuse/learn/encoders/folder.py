"""A Hugging Face model in a folder: its configuration and its complete weights."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from moodfuse.config import Modality
from moodfuse.errors import ConfigError, in_a_line

WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"


class ModelFolder:
    """`config.json` and safetensors, as `save_pretrained` writes them; `load` loads the weights.

    Errors call the model `name`. Raises `ConfigError` if the folder holds no model that encodes `modality`, or no
    safetensors.
    """

    def __init__(self, path: Path, *, name: str, modality: Modality) -> None:
        self.path = path
        self.name = name
        self.modality: Modality = modality
        self.settings = read_json(path / "config.json", name)
        self.config = self._read_config()
        self._check_modality()
        self.weights = self._find_weights()

    @property
    def towers(self) -> bool:
        """Whether text and image each have their own tower, as in CLIP."""
        return all(hasattr(self._class, f"get_{modality}_features") for modality in ("text", "image"))

    @cached_property
    def skeleton(self) -> nn.Module:
        """The model without weights: its modules show what the settings do not say."""
        with torch.device("meta"):
            return cast(nn.Module, self._class(self.config))

    def load(self) -> nn.Module:
        """Load the model, in eval mode and float32; from a model with two towers, the tower for `modality`.

        Raises `ConfigError` if a weight that is used is missing or of another shape: no weight is ever random.
        """
        try:
            model, found = self._class.from_pretrained(
                str(self.path),
                config=self.config,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
                attn_implementation="sdpa" if self._class._supports_sdpa else "eager",
                ignore_mismatched_sizes=True,  # they are reported, and refused below
            )
        except MemoryError:
            raise
        except Exception as error:  # the errors of damaged files share no base class
            raise ConfigError(f"{self.name}: the model cannot be loaded ({in_a_line(error)})") from None
        unused = self._cut(model)
        keys = [*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])]
        missing = sorted(key for key in keys if key.partition(".")[0] not in unused)
        if missing:
            raise ConfigError(
                f"{self.name}: {self.weights[0].name} lacks {len(missing)} of the model's weights ({missing[0]}, ...); "
                "a pretrained encoder with random weights would be of no use"
            )
        return cast(nn.Module, model.eval())

    @cached_property
    def _class(self) -> Any:
        from transformers import MODEL_MAPPING

        found = MODEL_MAPPING[type(self.config)]
        return found[0] if isinstance(found, tuple) else found  # Funnel has a smaller variant too

    def _read_config(self) -> Any:
        from transformers import AutoConfig
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            return AutoConfig.from_pretrained(str(self.path), local_files_only=True, trust_remote_code=False)
        except Exception as error:  # bad values raise errors of any class
            raise ConfigError(
                f"{self.name}: holds no Hugging Face model that transformers knows ({in_a_line(error)})"
            ) from None

    def _check_modality(self) -> None:
        kind = self.config.model_type
        try:
            reads = self._class.input_modalities
        except (KeyError, AttributeError):
            raise ConfigError(f"{self.name}: {kind} is no model that encodes text or images") from None
        reads = (reads,) if isinstance(reads, str) else tuple(reads)
        if reads == ("text",) and self._class.main_input_name == "pixel_values":
            reads = ("image",)  # transformers' default is text, also for some models of images, such as RegNet
        if self.modality not in reads:
            raise ConfigError(f"{self.name}: holds a model of {' and '.join(reads)} ({kind}), expected {self.modality}")
        if len(reads) > 1 and not self.towers:
            raise ConfigError(
                f"{self.name}: {kind} reads {' and '.join(reads)} together; expected a model of {self.modality} alone, "
                "or a model with a tower for each, as CLIP and SigLIP"
            )
        if self.config.is_encoder_decoder:
            raise ConfigError(f"{self.name}: {kind} is an encoder with a decoder; expected an encoder alone, as BERT")

    def _find_weights(self) -> tuple[Path, ...]:
        """Return the files of the weights: a single file, or the shards that the index names."""
        names = [WEIGHTS]
        if not (self.path / WEIGHTS).is_file() and (self.path / _INDEX).is_file():
            shards = read_json(self.path / _INDEX, self.name).get("weight_map")
            names = sorted(set(shards.values())) if isinstance(shards, dict) else []
        if not names or any(Path(name).name != name for name in names):
            raise ConfigError(f"{self.name}: {_INDEX} does not name the files of the weights")
        for name in names:
            if not (self.path / name).is_file():
                raise ConfigError(
                    f"{self.name}: no {name}; weights are read from safetensors only, since other formats can run code "
                    "(load the model where it can be trusted and save it with save_pretrained(folder))"
                )
        return tuple(self.path / name for name in names)

    def _cut(self, model: Any) -> list[str]:
        """Remove the modules that the encoder does not use; return their names."""
        unused = ["logit_scale", "logit_bias"]
        if self.towers:
            unused += {"text": ["vision_model", "visual_projection"], "image": ["text_model", "text_projection"]}[
                self.modality
            ]
        elif any(True for _ in getattr(model, "pooler", nn.Identity()).parameters()):
            unused.append("pooler")  # a layer over the first token, which many checkpoints rightly lack
        unused = [name for name in unused if hasattr(model, name)]
        for name in unused:
            setattr(model, name, None)
        return unused


def read_json(path: Path, name: str) -> dict[str, Any]:
    """Read a JSON object that belongs to the model `name`. Raises `ConfigError` if there is none."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ConfigError(f"{name}: holds no Hugging Face model ({path.name} is missing or no JSON)") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value
