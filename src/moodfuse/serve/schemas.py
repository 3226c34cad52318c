"""What goes in and out, as OpenAPI tells it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from moodfuse.config import Modality
from moodfuse.data.images import MAX_IMAGES
from moodfuse.data.posts import Status

MAX_ID = 200  # characters


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Base64Image(_Body):
    base64: str = Field(
        description="the image file's bytes (JPEG, PNG, WEBP, GIF, BMP, TIFF) in base64, or as a data URI with base64"
    )


class PostBody(_Body):
    """One post: a text, one or several images, or both."""

    id: str = Field("0", max_length=MAX_ID)
    text: str | None = None
    image: list[Base64Image] = Field([], max_length=MAX_IMAGES)

    @field_validator("image", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> list[Any]:
        """Take one image, and `null` for none, beside a list of them."""
        if value is None:
            return []
        return value if isinstance(value, list) else [value]


class Answer(BaseModel):
    """What the model says of a post."""

    id: str
    label: str
    probabilities: dict[str, float] = Field(description="by label, in the order of the model's labels")
    confidence: float = Field(description="the largest probability")
    used: list[Modality]
    status: list[Status]
    needs_review: bool = Field(
        description="check by hand: the confidence lies below the model's threshold, or the post was not read"
    )
    details: list[str] = Field(description="what a status alone does not say")


class Word(BaseModel):
    text: str
    start: int
    end: int
    weight: float = Field(description="how far the answer's probability falls without the word")


class Regions(BaseModel):
    weights: list[list[float]] = Field(description="row by row: how far the answer falls where a part is greyed out")
    seen: list[float] = Field(description="left, top, right, bottom of what the model sees, as shares of the image")


class ExplanationBody(Answer):
    """An answer and its reasons."""

    prior: dict[str, float] = Field(description="what the model says of a post with nothing to read")
    alone: dict[Modality, dict[str, float]] = Field(description="what it says of each modality by itself")
    shares: dict[Modality, dict[str, float]] = Field(
        description="exact Shapley values: over the modalities they sum to the answer less the prior"
    )
    text: str | None = Field(description="what was read of the text; words are places in it")
    words: list[Word]
    words_left_out: int
    regions: Regions | None


class ModelBody(BaseModel):
    """What is served."""

    name: str
    version: str = Field(description="version of moodfuse that serves")
    device: str = Field(description="where the encoders run: cpu, cuda ...")
    labels: list[str]
    modalities: list[Modality]
    fusion: str
    encoders: dict[Modality, str]
    precision: dict[str, str] = Field(description="how the weights of each encoder are kept")
    temperature: float
    review_threshold: float
    languages: dict[str, float | None] = Field(
        description="ISO 639-1 codes of the languages that it was taught, with the held-out macro-F1 where known; "
        "empty: not told, and no text is `language_not_covered`"
    )
    training: dict[str, Any]
    scores: dict[str, Any]
    files: dict[str, str] = Field(description="SHA-256 of every file of the bundle")
    manifest_sha256: str
    card: str = Field(description="MODEL_CARD.md")
    limits: dict[str, float] = Field(description="what a request may cost")


class Health(BaseModel):
    status: Literal["ok", "ready"]


# Written out: a schema within a schema could not point to the document's own definitions.
_IMAGE = Base64Image.model_json_schema()
_POST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "maxLength": MAX_ID, "default": "0"},
        "text": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "image": {"anyOf": [_IMAGE, {"type": "array", "items": _IMAGE, "maxItems": MAX_IMAGES}, {"type": "null"}]},
    },
}
POST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _POST},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "id": {"type": "string", "maxLength": MAX_ID, "default": "0"},
                        "text": {"type": "string"},
                        "image": {"type": "string", "format": "binary", "description": "may stand several times"},
                    },
                }
            },
        },
    }
}
