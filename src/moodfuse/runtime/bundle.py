"""The bundle: one folder that holds all that prediction needs. JSON, ONNX and a tokenizer's JSON; no code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from moodfuse import files
from moodfuse.config import Modality, Precision, Section
from moodfuse.data.coverage import LANGUAGES
from moodfuse.data.images import ImageSpec
from moodfuse.data.text import TextSpec
from moodfuse.errors import BundleError
from moodfuse.labels import Labels
from moodfuse.runtime.bundle_files import regular_file
from moodfuse.runtime.confusion import Confusion
from moodfuse.runtime.graph_check import check_graph
from moodfuse.runtime.probe import note, probe

_PACKAGED = Path(__file__).with_name("default_bundle")
FORMAT = 1
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
TOKENIZER = "tokenizer.json"
CARD = "MODEL_CARD.md"
GRAPHS: dict[str, str] = {"text": "text.onnx", "image": "image.onnx", "head": "head.onnx"}
#: The head's input where it reads the image itself; the bundle then holds no image encoder.
PIXELS = "image_pixels"
Score = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=1e-6, le=1e6)]


class ViewSpec(Section):
    """One encoder of a modality. `text` or `image` says how its inputs are prepared.

    A `graph` is a file of the bundle; a `lexicon` is computed by an installed `package`, and `sha256` is a hash of all
    that its scores hang on.
    """

    encoder: str
    kind: Literal["graph", "lexicon"] = "graph"
    text: TextSpec | None = None
    image: ImageSpec | None = None
    package: str = Field("", pattern=r"^(vaderSentiment==[0-9.]{1,20})?$")  # stands in a pip command
    sha256: str = ""


class Manifest(Section):
    """What `manifest.json` says. Unknown keys are refused, so that a newer format is never half understood."""

    format: Literal[1] = 1
    name: str
    moodfuse: str = Field(description="version that wrote the bundle")
    labels: tuple[str, ...]
    modalities: tuple[Modality, ...]
    fusion: str
    encoders: dict[Modality, str]
    precision: dict[Modality, Precision] = Field({}, description="how the weights of each encoder's graph are kept")
    text: TextSpec | None = None
    image: ImageSpec | None = None
    views: dict[Modality, tuple[ViewSpec, ...]] = Field(
        {}, description="of a modality with several encoders, or a lexicon: all of them in order, `text` its first"
    )
    languages: dict[str, Score | None] = Field(
        {}, description="ISO 639-1 codes of the languages that it was taught, with the held-out macro-F1 where known"
    )
    head_inputs: tuple[str, ...] = Field(description="names of the head's inputs, in order")
    temperature: Temperature = Field(1.0, description="the head's logits are divided by it")
    temperatures: dict[Modality, Temperature] = Field(
        {}, description="the same for posts that have this modality alone, where the model reads two"
    )
    confusion: dict[str, Confusion] = Field(
        {}, description="answers to held-out posts, by what was read of them: image|text, image, text"
    )
    review_threshold: float = Field(0.0, ge=0, le=1, description="below this confidence: check by hand")
    parity: dict[str, float] = Field({}, description="largest differences between PyTorch and ONNX")
    training: dict[str, Any] = Field({}, description="data hash, posts, regime, seed, the whole configuration")
    scores: dict[str, Any] = Field({}, description="held-out scores and the protocol that gave them")
    files: dict[str, str] = Field({}, description="SHA-256 of every other file")

    @field_validator("languages")
    @classmethod
    def _languages_are_known(cls, languages: dict[str, Score | None]) -> dict[str, Score | None]:
        if unknown := sorted(set(languages) - LANGUAGES):
            raise ValueError(f"expected ISO 639-1 codes, found {unknown[0]!r}; known: {' '.join(sorted(LANGUAGES))}")
        return languages

    @model_validator(mode="after")
    def _confusion_fits(self) -> Manifest:
        if any(len(one.counts) != len(self.labels) for one in self.confusion.values()):
            raise ValueError("confusion does not fit the labels")
        return self

    @model_validator(mode="after")
    def _views_agree(self) -> Manifest:
        for modality, views in self.views.items():
            specs = [getattr(view, modality) for view in views]
            if modality not in self.modalities or not specs or None in specs or specs[0] != getattr(self, modality):
                raise ValueError(f"views.{modality} does not fit what else is said of the {modality}")
            if len(views) > 1 and {f"{modality}_tokens", f"{modality}_pixels"} & set(self.head_inputs):
                raise ValueError(f"views.{modality} has several encoders, and the head reads one's tokens or pixels")
            if modality == "image" and (kinds := [view.kind for view in views if view.kind != "graph"]):
                raise ValueError(f"views.image has a {kinds[0]}, which reads texts")
        return self

    def views_of(self, modality: Modality) -> tuple[ViewSpec, ...]:
        """Return what the model reads of a modality, in order: one view for each encoder."""
        if modality in self.views:
            return self.views[modality]
        return (
            ViewSpec.model_validate({"encoder": self.encoders.get(modality, ""), modality: getattr(self, modality)}),
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: its folder and what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def labels(self) -> Labels:
        return Labels(self.manifest.labels)

    def path(self, name: str) -> Path:
        return self.folder / name


def default_bundle() -> Path:
    """Return the folder of the bundle that comes with the package. Raises `BundleError` where there is none."""
    folder = _PACKAGED
    if not (folder / MANIFEST).is_file():
        raise BundleError(
            "no model named, and this version ships no default one: train one (moodfuse train DATA --name NAME), "
            "then name its folder (runs/NAME)"
        )
    return folder


def graph_name(modality: str, place: int = 0) -> str:
    """Return the file name of a modality's graph; `place` counts its views from 0: text.onnx, text-2.onnx ..."""
    return f"{modality}-{place + 1}.onnx" if place else GRAPHS[modality]


def tokenizer_name(place: int = 0) -> str:
    """Return the file name of the tokenizer that belongs to a text view: tokenizer.json, tokenizer-2.json ..."""
    return f"tokenizer-{place + 1}.json" if place else TOKENIZER


def is_bundle(folder: Path) -> bool:
    """Say whether `folder` looks like a bundle or a run that holds one; whether it is whole, `read_bundle` says."""
    return any((folder / place / MANIFEST).is_file() for place in ("", "bundle"))


def read_bundle(folder: Path, *, tried: bool = False) -> Bundle:
    """Read a bundle and check every file: its kind and size, its recorded SHA-256, and what its graphs hold.

    One that was made elsewhere answers a few posts first, in a process of its own, unless it was `tried` (`probe`).
    Raises `BundleError` where something is missing, altered, written by a format this version does not know, or holds
    what no bundle may (`graph_check`), and where answers take too much.
    """
    folder = Path(folder)
    if (folder / "bundle" / MANIFEST).is_file():  # a run folder was meant as its bundle
        folder = folder / "bundle"
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder}: no bundle here (expected a folder with {MANIFEST}); `moodfuse train` makes one")
    links = folder == _PACKAGED  # an installer may have made links of the package's files
    manifest = read_manifest(folder, links=links)
    for name, digest in manifest.files.items():
        if files.sha256(regular_file(folder, name, links=links)) != digest:
            raise BundleError(f"{folder}: {name} is not what was exported (its SHA-256 differs); copy it again")
    _check_mentions(folder, manifest)
    for name in manifest.files:
        if name.endswith(".onnx"):
            check_graph(folder / name)
    if not links and not tried:
        probe(folder, _seal(folder), manifest.files)
    return Bundle(folder, manifest)


def _check_mentions(folder: Path, manifest: Manifest) -> None:
    """Raise `BundleError` for a manifest that names what there is not, or leaves out what there must be."""
    allowed = {f"{m}_{kind}" for m in manifest.modalities for kind in ("pooled", "tokens", "mask", "present")}
    allowed |= {PIXELS} & {f"{m}_pixels" for m in manifest.modalities}
    if strange := sorted(set(manifest.head_inputs) - allowed):
        raise BundleError(f"{folder}: the manifest names a head input {strange[0]!r}; expected {sorted(allowed)}")
    if absent := [name for name in needed_files(manifest) if name not in manifest.files]:
        raise BundleError(f"{folder}: the manifest lists no {absent[0]}")
    for modality in manifest.modalities:
        if getattr(manifest, modality) is None:
            raise BundleError(f"{folder}: the manifest does not say how to prepare the {modality}")


def vouch(bundle: Bundle) -> None:
    """Note that a bundle was made here, so that it need not be tried when it is read."""
    note(_seal(bundle.folder))


def write_bundle(folder: Path, manifest: Manifest, contents: Mapping[str, bytes | Path]) -> Bundle:
    """Write a bundle, whole or not at all; `contents` maps file names to bytes or to files to copy."""
    with files.replacing_folder(folder) as part:
        for name, content in contents.items():
            (part / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        sealed = manifest.model_copy(update={"files": {name: files.sha256(part / name) for name in contents}})
        _write_manifest(part, sealed)
    return Bundle(folder, sealed)


def update_manifest(bundle: Bundle, **changes: Any) -> Bundle:
    """Write the bundle's manifest anew with some fields changed (calibration, scores)."""
    manifest = Manifest.model_validate(bundle.manifest.model_copy(update=changes).model_dump())
    _write_manifest(bundle.folder, manifest)
    return Bundle(bundle.folder, manifest)


def add_file(bundle: Bundle, name: str, content: str) -> Bundle:
    """Put one more file into the bundle and into its manifest."""
    files.write_text(bundle.folder / name, content)
    digests = {**bundle.manifest.files, name: files.sha256(bundle.folder / name)}
    return update_manifest(bundle, files=digests)


def cover_languages(bundle: Bundle, languages: Mapping[str, float | None] | Iterable[str]) -> Bundle:
    """Write down the languages that the bundle's model was taught, by ISO 639-1 code; nothing else is altered.

    A text that is surely in another is `language_not_covered` from then on; with no languages none is. A mapping
    holds each language's held-out macro-F1 (0..1, `None` where it is not known). Raises `BundleError` for a code that
    is not known, or a score that is none.
    """
    scores = dict(languages) if isinstance(languages, Mapping) else dict.fromkeys(languages)
    try:
        return update_manifest(bundle, languages=scores)
    except ValidationError as error:
        raise BundleError(f"{bundle.folder}: {_complaint(error)}") from None


def needed_files(manifest: Manifest) -> list[str]:
    """Return the names of the files that prediction opens."""
    needed = [GRAPHS["head"]]
    for modality in manifest.modalities:
        if f"{modality}_pixels" in manifest.head_inputs:
            continue
        graphs = [place for place, view in enumerate(manifest.views_of(modality)) if view.kind == "graph"]
        needed += [graph_name(modality, place) for place in graphs]
        needed += [tokenizer_name(place) for place in graphs] if modality == "text" else []
    return needed


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    files.write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    files.write_text(folder / SEAL, files.sha256(folder / MANIFEST) + "\n")


def _seal(folder: Path) -> str:
    try:
        return (folder / SEAL).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise BundleError(f"{folder}: {SEAL} cannot be read; copy the whole folder again") from None


def read_manifest(folder: Path, *, links: bool = False) -> Manifest:
    """Read a bundle's manifest and check its seal, and that the files which it names lie in the folder itself.

    The files are not looked at. Raises `BundleError` as `read_bundle` does.
    """
    for name in (SEAL, MANIFEST):
        regular_file(folder, name, links=links)
    if files.sha256(folder / MANIFEST) != _seal(folder):
        raise BundleError(f"{folder}: {MANIFEST} is not the file that was exported (its SHA-256 differs)")
    try:
        raw = json.loads((folder / MANIFEST).read_text("utf-8"))
        if isinstance(raw, dict) and raw.get("format") != FORMAT:
            raise BundleError(
                f"{folder}: bundle format {raw.get('format')!r}, this version reads {FORMAT}; "
                "use the moodfuse version that wrote it"
            )
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        raise BundleError(f"{folder}: {MANIFEST}: {_complaint(error)}") from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{folder}: {MANIFEST} is no JSON ({error})") from None
    for name in manifest.files:
        if PurePosixPath(name).name != name or name in {"", "..", "."}:
            raise BundleError(f"{folder}: the manifest names a file outside the bundle ({name!r})")
    return manifest


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    return f"{key + ': ' if key else ''}{first['msg']}"
