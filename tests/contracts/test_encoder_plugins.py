"""Adding an encoder: a class here, or a package whose entry point names one; a broken package breaks nothing."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from encoder_cases import EXAMPLE, PLUGIN, install, picture, plugin_installed

from moodfuse.config import DataConfig
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import check_model
from moodfuse.learn.encoders import PIXEL_INPUTS, Encoded, Encoder, ImageSource, encoder, encoders, find_encoder
from moodfuse.learn.store import FeatureStore
from moodfuse.plugins import load_plugins
from moodfuse.settings import build_config, parse_overrides
from moodfuse.workflows.doctor import _encoders

#: The example as its package names it alone, so that something can be wrong with it.
UNREGISTERED = EXAMPLE.read_text("utf-8").replace("@encoder\n", "")


class Toy(Encoder):
    """The mean of an image's pixels, as often as it is wide."""

    inputs = PIXEL_INPUTS
    example = (torch.rand(2, 3, 8, 8),)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, pixels: torch.Tensor) -> Encoded:
        return Encoded(pixels.mean((1, 2, 3)).unsqueeze(1).repeat(1, self.dim))


class ToySource(ImageSource):
    """Without weights and without tokens."""

    summary = "a toy"
    spec = ImageSpec(size=8)
    trainable = False
    has_tokens = False

    def load(self) -> Toy:
        return Toy(self.dim or 1).eval()


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """An empty store."""
    return FeatureStore(tmp_path / "features.sqlite")


@pytest.fixture
def posts() -> Posts:
    """One post with an image."""
    return Posts([Post("0", None, ImageRef(picture(0)))])


def test_adding_an_encoder_takes_one_class(store: FeatureStore, posts: Posts) -> None:
    try:

        @encoder
        class OwnSource(ToySource):
            name = "own"
            dim = 3

        assert find_encoder("own", "image", DataConfig()).features(posts, store=store).width == 3
        assert encoder(OwnSource) is OwnSource
        with pytest.raises(ConfigError, match="two encoders are called 'own'"):
            encoder(type("Other", (ToySource,), {"name": "own"}))
        check_model(build_config([parse_overrides(["model.fusion=image", "model.image=own"])]))
        with pytest.raises(ConfigError, match="own has no tokens, which fusion single_stream reads"):
            check_model(build_config([parse_overrides(["model.fusion=single_stream", "model.image=own"])]))
        with pytest.raises(ConfigError, match="own has nothing to train"):
            check_model(
                build_config([parse_overrides(["model.image=own", "train.regime=end_to_end", "train.tune=[image]"])])
            )
    finally:
        encoders().pop("own", None)


def test_two_classes_or_two_widths_over_the_same_weights_share_nothing(store: FeatureStore, posts: Posts) -> None:
    classes = [type(name, (ToySource,), {"name": "toy", "dim": dim}) for name, dim in (("A", 2), ("A", 5), ("B", 2))]
    sources = [cls(DataConfig()) for cls in classes]
    assert [found.features(posts, store=store).width for found in sources] == [2, 5, 2]
    assert len({found.graph() for found in sources}) == 3


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (len, "expected a subclass of EncoderSource"),
        (type("Half", (ImageSource,), {"name": "half", "summary": "s"}), "Half lacks load, spec"),
        (type("Nameless", (ToySource,), {}), "Nameless: expected a text as its name, found None"),
        (type("Mute", (ToySource,), {"name": "mute", "summary": None}), "expected a text as its summary"),
        (type("Blind", (ToySource,), {"name": "b", "modality": None}), "expected text or image as its modality"),
        (type("Deaf", (ToySource,), {"name": "d", "modality": "sound"}), "as its modality, found 'sound'"),
    ],
)
def test_what_is_no_encoder_is_not_registered(what: object, message: str) -> None:
    before = dict(encoders())
    with pytest.raises(ConfigError, match=message):
        encoder(what)  # type: ignore[type-var]
    assert before == encoders()


def test_an_entry_point_is_found_by_name_and_gone_with_its_package() -> None:
    with plugin_installed():
        assert find_encoder(PLUGIN, "image", DataConfig()).load().dim == 24
        check_model(build_config([parse_overrides([f"model.image=[efficientnet-lite0,{PLUGIN}]"])]))
    with pytest.raises(ConfigError, match="no folder of that name"):
        find_encoder(PLUGIN, "image", DataConfig())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "ModuleNotFoundError"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("raise SystemExit(3)", "SystemExit"),
        ("other = 1", "AttributeError"),
        ("ColourHistogram = print", "expected a subclass of EncoderSource"),
        (UNREGISTERED + "ColourHistogram.modality = None", "expected text or image as its modality, found None"),
    ],
)
def test_a_broken_package_is_one_warning_line(
    content: str | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.syspath_prepend(install(tmp_path, "broken_encoder"))
    if content is not None:
        (tmp_path / "broken_encoder.py").write_text(content)
    before = dict(encoders())
    with caplog.at_level(logging.WARNING):
        load_plugins("moodfuse.encoders", encoder)
    sys.modules.pop("broken_encoder", None)
    [message] = [record.getMessage() for record in caplog.records]
    assert "\n" not in message
    assert message.startswith("plug-in its-name of broken_encoder (moodfuse.encoders) is left out: ")
    assert reason in message
    assert before == encoders()


def test_the_doctor_goes_on_after_an_encoder_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    registered = encoders()
    # Of what is registered the doctor sees two: exporting all takes long.
    monkeypatch.setattr("moodfuse.learn.encoders.encoders", lambda: {n: registered[n] for n in ("ill", "minilm")})
    try:

        @encoder
        class Ill(ToySource):
            name = "ill"

            def load(self) -> Toy:
                raise RuntimeError("no such\nfile")

        check = _encoders()
        assert not check.ok
        assert "ill fails: RuntimeError: no such file" in check.found
        assert "minilm (384 wide)" in check.found
    finally:
        encoders().pop("ill", None)


def test_the_command_line_shows_the_good_package_and_warns_of_the_broken_one(tmp_path: Path) -> None:
    good = install(tmp_path / "good", EXAMPLE.stem, source=EXAMPLE)
    broken = install(tmp_path / "broken", "broken_encoder")
    (broken / "broken_encoder.py").write_text("import no_such_module")
    path = os.pathsep.join([str(good), str(broken), *sys.path])
    command = [sys.executable, "-c", "from moodfuse.cli.main import main; main()", "encoders", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0, done.stderr
    assert {PLUGIN, "minilm"} <= {row["name"] for row in json.loads(done.stdout)}
    [line] = done.stderr.splitlines()
    assert "plug-in its-name of broken_encoder" in line
    assert "no_such_module" in line
