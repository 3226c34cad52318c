"""The configuration of a run: frozen models that reject unknown keys, and are written as YAML.

Each field's description is its help text; `moodfuse config show` prints them all.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from moodfuse.labels import SENTIMENT

Modality = Literal["text", "image"]
#: The modality that is left where this one is withheld.
OTHER: dict[Modality, Modality] = {"text": "image", "image": "text"}
Weights = Literal["fp32", "fp16", "int8"]
Precision = Literal[Weights, "int8_dynamic"]
Augmentation = Literal["crop", "flip", "rotation", "rotation90", "noise", "blur", "grid"]


class Section(BaseModel):
    """A part of the configuration: frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


class Cleaning(Section):
    """What is removed from a text before it is tokenised."""

    retweets: bool = Field(False, description="remove `RT @user:`")
    mentions: bool = Field(False, description="remove `@user`")
    urls: bool = Field(True, description="remove web addresses")
    hashtags: Literal["keep", "strip", "drop", "split"] = Field(
        "keep", description="keep `#SoHappy`, strip its `#`, drop the hashtag, or split it into `#So Happy`"
    )
    lower: bool = Field(False, description="convert to lower case (an uncased tokeniser does it anyway)")
    capitals: bool = Field(False, description="convert to lower case what is written mostly in capitals")


class Corpus(Section):
    """Labelled posts that only ever train."""

    path: str = Field(min_length=1, description="a source of posts, as DATA is")
    share: float = Field(1.0, gt=0, le=1, description="share of its posts that an epoch draws")


def _corpus(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class DataConfig(Section):
    cleaning: Cleaning = Cleaning()
    max_tokens: int = Field(128, ge=8, le=512, description="tokens of a text that the encoder reads")
    also_train: tuple[Annotated[Corpus, BeforeValidator(_corpus)], ...] = Field(
        (),
        description="labelled posts that train along, never validated or tested on: files, or {path: FILE, share: 0.1}",
    )


class SplitConfig(Section):
    folds: int = Field(10, ge=3, le=100, description="folds; fold 0 tests, fold 1 validates, the rest train")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the fold assignment, separate from the training seed")
    hold_out: bool = Field(
        True, description="false: train on every labelled post; the scores are the recipe's, cross-validated"
    )
    repeats: int = Field(1, ge=1, le=20, description="hold_out=false: seeds of the cross-validation")
    validation: float = Field(
        0.0,
        ge=0,
        description="share (0.2) or number (500) of the posts that validate, none tests: the scores are then of the "
        "posts that chose the epoch, and too good (0: folds)",
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> SplitConfig:
        if self.validation >= 1 and self.validation != int(self.validation):
            raise ValueError(f"split.validation: expected a share below 1 or a whole number, found {self.validation}")
        if self.validation and not self.hold_out:
            raise ValueError("split.hold_out=false leaves no post to validate on: leave split.validation out")
        return self


def _encoder_names(value: Any) -> Any:
    """Return a single name as a string, also from a list, and several names as a tuple."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"expected a name or a list of names, found {value!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"expected each encoder once, found {', '.join(names)}")
    return names[0] if len(names) == 1 else tuple(names)


#: An encoder, or several encoders whose vectors are joined in this order.
Encoders = Annotated[str | tuple[str, ...], BeforeValidator(_encoder_names)]


class ModelConfig(Section):
    fusion: str = Field("concat", description="see `moodfuse fusions`")
    options: dict[str, Any] = Field({}, description="options of the fusion; each fusion validates its own")
    text: Encoders = Field("minilm", description="text encoder, or several: see `moodfuse encoders`, or a folder")
    image: Encoders = Field("efficientnet-lite0", description="image encoder, or several; see `moodfuse encoders`")
    auxiliary: float = Field(
        0.0, ge=0, le=10, description="weight of the auxiliary text-only and image-only losses (0: no such heads)"
    )
    one_modality: Literal["fusion", "auxiliary"] = Field(
        "fusion",
        description="what answers a post of one modality: the fusion with a token for the other, or its auxiliary head",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout on each modality's pooled vector and tokens")
    modality_dropout: float = Field(
        0.1, ge=0, le=0.5, description="share of training posts that lose their text; the same share lose their image"
    )

    @model_validator(mode="after")
    def _has_heads(self) -> ModelConfig:
        if self.one_modality == "auxiliary" and not self.auxiliary:
            raise ValueError("model.one_modality=auxiliary needs auxiliary heads: set model.auxiliary above 0")
        return self

    def encoders(self, modality: Modality) -> tuple[str, ...]:
        """Return the names of a modality's encoders, in order."""
        names = self.text if modality == "text" else self.image
        return (names,) if isinstance(names, str) else names


class OptimConfig(Section):
    lr: float = Field(1e-3, gt=0, le=10, description="AdamW learning rate of fusion and heads")
    encoder_lr: float = Field(5e-5, gt=0, le=1, description="AdamW learning rate of encoders that train")
    text_lr: float | None = Field(
        None, gt=0, le=1, description="rate of the text encoder, in its own stage of its head too (null: encoder_lr)"
    )
    image_lr: float | None = Field(
        None, gt=0, le=1, description="rate of the image encoder, in its own stage of its head too (null: encoder_lr)"
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="encoder_lr of each encoder layer, as a share of the rate of the layer above"
    )
    weight_decay: float = Field(0.01, ge=0, le=10, description="decoupled weight decay (AdamW)")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps in which the learning rates rise from 0")
    l2: float = Field(0.0, ge=0, le=10, description="factor of the squared weights of fusion and heads in the loss")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="learning rates after the warm-up")
    clip: float = Field(1.0, ge=0, description="largest norm of the gradient (0: not clipped)")

    def own_lr(self, modality: Modality) -> float | None:
        """Return the learning rate that a modality's encoder has for itself, `None` if it takes `encoder_lr`."""
        return self.text_lr if modality == "text" else self.image_lr


class TrainConfig(Section):
    regime: Literal["frozen", "end_to_end", "two_stage"] = Field(
        "frozen",
        description="frozen: no encoder trains; end_to_end: those in `tune` train; two_stage: alone first, then frozen",
    )
    tune: tuple[Modality, ...] = Field(("text",), description="encoders that train, unless the regime is frozen")
    freeze: int = Field(
        0,
        ge=0,
        description="lowest parts of a tuned encoder that stay fixed: 1 the embeddings, 2 also the first layer ...",
    )
    lora: int = Field(
        0, ge=0, le=1_024, description="rank of the low-rank updates of encoders that train (0: train all weights)"
    )
    average: float = Field(
        0.0, ge=0, lt=1, description="decay of a moving average of the weights, which is then kept (0: no average)"
    )
    members: int = Field(
        1,
        ge=1,
        le=20,
        description="trainings from the same start, in other order and dropout, whose weights are averaged",
    )
    stage_epochs: int = Field(4, ge=1, le=1_000, description="two_stage: epochs of each encoder's own stage")
    text_epochs: int | None = Field(
        None, ge=1, le=1_000, description="two_stage: epochs of the text encoder's stage (null: stage_epochs)"
    )
    image_epochs: int | None = Field(
        None, ge=1, le=1_000, description="two_stage: epochs of the image encoder's stage (null: stage_epochs)"
    )
    stage_batch_size: int = Field(16, ge=2, le=65_536, description="two_stage: batch size of that stage")
    epochs: int = Field(30, ge=1, le=10_000, description="most epochs")
    batch_size: int = Field(64, ge=2, le=65_536, description="posts per step")
    patience: int = Field(8, ge=0, description="epochs without a better `monitor` before stopping (0: never stop)")
    monitor: Literal["macro_f1", "accuracy", "loss", "none"] = Field(
        "macro_f1", description="validation score by which the best state is kept (none: keep the last state)"
    )
    class_weights: Literal["none", "balanced", "sqrt"] = Field(
        "none", description="loss weights: n / (k n_c) for balanced, its square root for sqrt"
    )
    loss: Literal["cross_entropy", "focal", "generalized"] = Field(
        "cross_entropy",
        description="focal: hard posts count more; generalized: posts with an unlikely label count less",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target that is spread over all classes")
    augment: tuple[Augmentation, ...] = Field(
        (),
        description="changes to training images, if the image encoder trains: " + ", ".join(get_args(Augmentation)),
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="auto: bf16 mixed precision if the processor has it and the model has over a million weights",
    )
    device: Literal["auto", "cpu", "gpu", "mps"] = Field("auto", description="where training runs")
    devices: int = Field(1, ge=1, le=1_024, description="GPUs, or processes on a CPU, that train together")

    @model_validator(mode="after")
    def _settings_agree(self) -> TrainConfig:
        if self.monitor == "none" and self.patience:
            raise ValueError("train.monitor=none has no score to wait for: set train.patience=0")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError(f"train.label_smoothing goes with train.loss=cross_entropy, found {self.loss}")
        for name in ("batch_size", "stage_batch_size") if self.regime == "two_stage" else ("batch_size",):
            if (size := getattr(self, name)) < 2 * self.devices:
                raise ValueError(f"train.{name}={size} leaves fewer than two posts for each of {self.devices} devices")
        if self.lora and self.regime == "frozen":
            raise ValueError("train.lora updates encoders that train: set train.regime=end_to_end (or two_stage)")
        if self.regime != "frozen" and not self.tune:
            raise ValueError(f"{self.regime} needs at least one encoder in train.tune (text, image)")
        return self

    def own_epochs(self, modality: Modality) -> int:
        """Return the epochs of the stage of a modality's encoder."""
        return (self.text_epochs if modality == "text" else self.image_epochs) or self.stage_epochs

    @property
    def tuned(self) -> tuple[Modality, ...]:
        """The modalities whose encoders train with the fusion."""
        return self.tune if self.regime == "end_to_end" else ()


class ExportConfig(Section):
    """How the weights of a bundle's graphs are stored; `learn/precision.py` says how they are used."""

    text: Precision = Field(
        "fp32",
        description="text encoder: fp32; fp16; int8 in blocks of 32 with a scale each; int8_dynamic: activations too",
    )
    image: Weights = Field(
        "fp32",
        description="image encoder; int8: a scale a channel and, of a frozen one, activations in int8 too",
    )
    head: Weights = Field("fp32", description="the head: everything after the encoders")


class Config(Section):
    """All settings that determine what a run computes."""

    seed: int = Field(0, ge=0, lt=2**31, description="initial weights, order of posts, dropout")
    labels: tuple[str, ...] = Field(SENTIMENT.names, description="label names, in order")
    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    export: ExportConfig = ExportConfig()

    def to_yaml(self) -> str:
        """Return the configuration as YAML, including every default."""
        import yaml  # here, because prediction does not need it and it takes a hundredth of a second

        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def idle_settings(train: TrainConfig) -> tuple[str, ...]:
    """Return the dotted keys of the settings that do nothing with a training's regime and `tune`, whatever their value.

    A fusion that reads pixels takes `train.augment` even so.
    """
    trains = () if train.regime == "frozen" else train.tune
    idle: tuple[str, ...] = () if trains else ("train.freeze", "optim.layer_decay")
    idle += () if "text" in trains else ("optim.text_lr",)
    idle += () if "image" in trains else ("optim.image_lr", "train.augment")
    staged = trains if train.regime == "two_stage" else ()
    idle += tuple(f"train.{modality}_epochs" for modality in ("text", "image") if modality not in staged)
    return idle + (() if staged else ("train.stage_epochs", "train.stage_batch_size"))
