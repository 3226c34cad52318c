"""The table of docs/encoders.md: every architecture, frozen and tuned, alone as in a batch, exported, in a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from encoder_cases import assert_close, good_posts, prepared
from test_encoder_bundles import _bundle

from architectures import ARCHITECTURES
from moodfuse.config import Modality
from moodfuse.errors import MoodfuseError
from moodfuse.learn.encoders import Encoder, EncoderSource
from moodfuse.learn.fit.checkpoints import save_model_state
from moodfuse.learn.tuned import tuned_source
from moodfuse.runtime.graphs import open_session
from moodfuse.runtime.views import open_images, open_texts
from tiny_checkpoints import load

PAGE = Path(__file__).parents[2] / "docs" / "encoders.md"
_CLOSE = 1e-4  # of the values' size: the weights are random, and some are tuned by one large step
every = pytest.mark.parametrize(("name", "modality"), ARCHITECTURES)


@torch.no_grad()
def alone_as_in_a_batch(source: EncoderSource, encoder: Encoder, _: Path) -> None:
    data = source.live(good_posts())
    together = encoder(*data.batch(range(5))).pooled
    for row in range(5):
        assert_close(encoder(*data.batch([row])).pooled[0], together[row], tolerance=_CLOSE)


@torch.no_grad()
def parity(source: EncoderSource, encoder: Encoder, _: Path) -> None:
    """What ONNX Runtime computes is what PyTorch does."""
    inputs = source.live(good_posts()).batch(range(5))
    feed = {name: tensor.numpy() for (name, _), tensor in zip(encoder.inputs, inputs, strict=True)}
    (pooled,) = open_session(source.graph()).run(["pooled"], feed)
    assert_close(pooled, encoder(*inputs).pooled, tolerance=_CLOSE)


@torch.no_grad()
def predict(source: EncoderSource, encoder: Encoder, folder: Path) -> None:
    """A bundle reads raw posts and gives the vectors that training computed."""
    reader = (open_texts if source.modality == "text" else open_images)(_bundle(source, folder / "bundle"), threads=1)
    expected = encoder(*source.live(good_posts()).batch(range(5))).pooled
    for row, same in zip(reader.encode(prepared(reader, good_posts(), source.modality)), expected, strict=True):
        assert_close(row["pooled"], same, tolerance=_CLOSE)


CHECKS: Sequence[Callable[[EncoderSource, Encoder, Path], None]] = (alone_as_in_a_batch, parity, predict)


def tuned(source: EncoderSource, folder: Path) -> EncoderSource:
    """Train every weight a step, keep the state as a training does, and return the encoder that has it."""
    encoder = source.load().train()
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1e-2)
    encoder(*source.live(good_posts()).batch(range(5))).pooled.square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())
    torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
    optimizer.step()
    state = {f"encoders.{source.modality}.{key}": value for key, value in encoder.state_dict().items()}
    save_model_state(folder / "best.safetensors", state)
    return tuned_source(source, folder / "best.safetensors")


@every
def test_a_post_alone_is_encoded_as_in_a_batch_frozen_and_tuned(name: str, modality: Modality, tmp_path: Path) -> None:
    source = load(f"tiny/{name}", modality)
    alone_as_in_a_batch(source, source.load(), tmp_path)
    changed = tuned(source, tmp_path)
    alone_as_in_a_batch(changed, changed.load(), tmp_path)
    before, after = (encoder.state_dict() for encoder in (source.load(), changed.load()))
    assert any(not torch.equal(before[key], after[key]) for key in before)


def _line(name: str, modality: Modality, folder: Path) -> str:
    cells = [name, modality]
    try:
        source = load(f"tiny/{name}", modality)
    except MoodfuseError as error:
        return f"| {name} | {modality} | refused: {error} |"
    for state, own in (("frozen", source), ("tuned", tuned(source, folder))):
        encoder = own.load()
        for check in CHECKS:
            check(own, encoder, folder / state)
            cells.append("yes")
    return f"| {' | '.join(cells)} |"


@pytest.mark.slow
@every
def test_the_table_of_the_page_holds(name: str, modality: Modality, tmp_path: Path) -> None:
    line = _line(name, modality, tmp_path)
    print(line)
    assert line in PAGE.read_text("utf-8").splitlines()


def test_the_page_has_every_architecture() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert [(row[0].removeprefix("| "), row[1]) for row in rows[1:]] == ARCHITECTURES
