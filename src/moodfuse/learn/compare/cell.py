"""A cell of a comparison: train on some posts, choose on others, predict posts that were used for neither."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from moodfuse.config import Config, Modality, Precision
from moodfuse.data.corpora import Pool
from moodfuse.evaluate.calibration import fit_temperature
from moodfuse.evaluate.logits import softmax
from moodfuse.evaluate.metrics import score
from moodfuse.labels import Labels
from moodfuse.learn.assembly import OpenModality, image_side
from moodfuse.learn.compare.heads import Encodings, Head, head_weights
from moodfuse.learn.encoders import Encoded, Encoder
from moodfuse.learn.encoders.base import encode_inputs
from moodfuse.learn.encoders.graph import encoder_graph
from moodfuse.learn.fit.history import History, Watched
from moodfuse.learn.model import FusionModel
from moodfuse.learn.parts import TrainingData, fit_parts
from moodfuse.learn.precision import reduce_weights
from moodfuse.learn.stacking import fit_stacker
from moodfuse.records.cells import CellTrial, Grid, TrialLog
from moodfuse.runtime.graphs import Encoding, open_session

_BATCH = 64  # posts predicted at a time
#: Opens the modalities that a configuration reads; each time, an encoder that trains has its pretrained weights.
Opener = Callable[[Config], Mapping[Modality, OpenModality]]
Rows = Mapping[str, Sequence[int]]
#: Trained encoders by modality, in the form in which they predict.
Encoders = Mapping[Modality, Callable[..., Encoded]]


@dataclass(frozen=True, slots=True)
class CellData:
    """The posts of a comparison as cells need them: label ids and groups (N,), and a function that opens modalities.

    Label ids and modalities go on behind the N posts with those of the pools in `also`, which train along in each cell.
    """

    targets: Sequence[int]
    groups: Sequence[int]
    open: Opener
    also: Sequence[Pool] = ()


@dataclass(frozen=True, slots=True)
class FittedCell:
    """A trained model, its configuration and data, and the history of its training."""

    config: Config
    model: FusionModel
    modalities: Mapping[Modality, OpenModality]
    history: History
    parameters: int  # how many trained
    seconds: float

    @property
    def best(self) -> dict[str, float]:
        """The row of the epoch whose state is kept."""
        return self.history[Watched(self.config.train.monitor).best_epoch(self.history)]

    @property
    def score(self) -> float:
        """The validation score of the kept epoch; higher is better."""
        return Watched(self.config.train.monitor).score(self.best)


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of a cell.

    `probabilities`: (test posts, C) after the temperature, under "" for the posts as they are, and under the name of
    each modality that the model reads for the posts without that modality.
    """

    fitted: FittedCell
    probabilities: dict[str, np.ndarray]
    temperature: float
    seconds: float
    trials: list[CellTrial] = field(default_factory=list)

    def head(self) -> bytes:
        """Return the weights of the head, for `kept_head` to load."""
        return head_weights(self.fitted.model)


def run_cell(
    config: Config,
    data: CellData,
    rows: Rows,
    *,
    trials: int = 0,
    grid: Grid | None = None,
    log: TrialLog | None = None,
) -> CellResult:
    """Train on `rows["train"]`, choose on `rows["validation"]`, predict `rows["test"]`; rows are indices into `data`.

    The validation posts choose the epoch, the temperature and, with `trials` or a `grid`, the settings; without
    validation posts the temperature is 1. The test posts are used only once. Trials in `log` are not fitted again.
    """
    started = time.perf_counter()
    tried: list[CellTrial] = []
    if trials or grid:
        from moodfuse.learn.search.tune import tune  # Optuna is imported only if something is searched

        fitted, tried = tune(lambda drawn: fit_cell(drawn, data, rows), config, trials, grid, log)
    else:
        fitted = fit_cell(config, data, rows)
    fitted.model.cpu().eval()
    encoders = {
        m: _as_shipped(opened.encoder, opened.source.precision)
        for m, opened in fitted.modalities.items()
        if opened.encoder is not None
    }
    head = _head(fitted)
    temperature = 1.0
    if rows["validation"]:
        validation, _ = _answers(fitted, encoders, head, rows["validation"], [""])[""]
        temperature = fit_temperature(validation, [data.targets[row] for row in rows["validation"]])
    answers = _answers(fitted, encoders, head, rows["test"], ["", *fitted.model.fusion.modalities])
    probabilities = {
        withheld: calibrated(logits, temperature, anything) for withheld, (logits, anything) in answers.items()
    }
    return CellResult(fitted, probabilities, temperature, time.perf_counter() - started, tried)


def fit_cell(config: Config, data: CellData, rows: Rows) -> FittedCell:
    """Train a model on the cell's training posts and return it in the state that the validation posts choose."""
    started = time.perf_counter()
    opened = TrainingData(data.targets, data.open(config), rows["train"], rows["validation"], data.also)
    model, result = fit_parts(opened, config)
    fit_stacker(model, opened, [data.groups[row] for row in rows["train"]], config)
    seconds = time.perf_counter() - started
    return FittedCell(config, model, opened.modalities, result.history, result.parameters, seconds)


def cell_scores(result: CellResult, data: CellData, rows: Rows) -> dict[str, float]:
    """Return accuracy and macro-F1 on the cell's test posts."""
    labels = Labels(result.fitted.config.labels)
    scores = score([data.targets[row] for row in rows["test"]], result.probabilities[""], labels)
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1}


def calibrated(logits: np.ndarray, temperature: float, anything: np.ndarray) -> np.ndarray:
    """Return probabilities (B, C); a post with nothing to read (`anything` (B,) false) keeps the training shares."""
    return softmax(logits / np.where(anything, temperature, 1.0)[:, None])


def readable(encodings: Encodings) -> np.ndarray:
    """Return (B,) booleans: which posts have a modality that the model reads."""
    return np.array([any(row is not None for row in rows) for rows in zip(*encodings.values(), strict=True)])


def _answers(
    fitted: FittedCell, encoders: Encoders, head: Head, rows: Sequence[int], readings: Sequence[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return logits (B, C), and which posts have anything to read (B,), for each of `readings` withheld."""
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {withheld: [] for withheld in readings}
    for start in range(0, len(rows), _BATCH):
        encodings = _encode(fitted, encoders, rows[start : start + _BATCH])
        for withheld in readings:
            given = {m: [None] * len(encoded) if m == withheld else encoded for m, encoded in encodings.items()}
            parts[withheld].append((head.logits(given), readable(given)))
    return {
        withheld: (np.concatenate([logits for logits, _ in part]), np.concatenate([anything for _, anything in part]))
        for withheld, part in parts.items()
    }


def _widths(fitted: FittedCell) -> dict[Modality, int]:
    return {m: opened.width for m, opened in fitted.modalities.items()}


def _encode(fitted: FittedCell, encoders: Encoders, rows: Sequence[int]) -> dict[str, list[Encoding | None]]:
    """Return each modality's encodings: the frozen encoder's features, or the outputs of the trained encoder."""
    return {
        m: _encode_live(m, fitted, encoders, rows)
        if opened.features is None
        else [opened.features.rows[row] for row in rows]
        for m, opened in fitted.modalities.items()
    }


def _as_shipped(encoder: Encoder, precision: Precision) -> Callable[..., Encoded]:
    """Return a trained encoder as its bundle would run it: with fewer bits if the export has fewer."""
    if precision == "fp32":
        return encoder.eval()
    session = open_session(reduce_weights(encoder_graph(encoder), precision), threads=1)
    names = [name for name, _ in encoder.inputs]
    outputs = [output.name for output in session.get_outputs()]

    def encode(*inputs: torch.Tensor) -> Encoded:
        given = dict(zip(names, inputs, strict=True))
        feed = {name: tensor.numpy() for name, tensor in given.items()}
        found = dict(zip(outputs, map(torch.from_numpy, session.run(outputs, feed)), strict=True))
        mask = given.get("attention_mask")
        return Encoded(found["pooled"], found.get("tokens"), None if mask is None else mask.bool())

    return encode


def _head(fitted: FittedCell) -> Head:
    """Return the head, computed as its bundle would compute it."""
    return Head(fitted.model, _widths(fitted), fitted.config.export.head, side=image_side(fitted.modalities))


@torch.no_grad()
def _encode_live(
    modality: Modality, fitted: FittedCell, encoders: Encoders, rows: Sequence[int]
) -> list[Encoding | None]:
    opened = fitted.modalities[modality]
    inputs = opened.data.batch(rows)
    assert isinstance(inputs, tuple)  # an encoder that trains, and a fusion of pixels, are given inputs
    taken = 1 if opened.encoder is None else len(opened.encoder.inputs)
    encoded = encode_inputs(encoders.get(modality), inputs, taken)
    return [_encoding(encoded, i) if opened.data.present[row] else None for i, row in enumerate(rows)]


def _encoding(encoded: Encoded, i: int) -> Encoding:
    if encoded.pixels is not None:
        return {"pixels": encoded.pixels[i].numpy()}
    encoding = {"pooled": encoded.pooled[i].float().numpy()}
    if encoded.tokens is not None:
        tokens = encoded.tokens[i] if encoded.mask is None else encoded.tokens[i][encoded.mask[i]]
        encoding["tokens"] = tokens.float().numpy()
    return encoding
