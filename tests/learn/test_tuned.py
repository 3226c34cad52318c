"""An encoder of another run goes on reading what it was trained on: that run's cleaning and `max_tokens`."""

from pathlib import Path

import pytest

from moodfuse.config import Config, DataConfig
from moodfuse.data.posts import Post, Posts
from moodfuse.data.text import TextSpec
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import check_model, encoder_sources
from moodfuse.learn.encoders import find_encoder
from moodfuse.learn.encoders.joined import JoinedSource
from moodfuse.learn.encoders.text import TextSource
from moodfuse.learn.fit.checkpoints import save_model_state
from moodfuse.learn.recipes import resolve_config
from moodfuse.records.run import RunFolder

READING = {"cleaning": {"mentions": True, "hashtags": "split"}, "max_tokens": 24}
POSTS = Posts([Post("0", "so happy @friends #GoodDay " + "and more of it " * 20)])


@pytest.fixture
def run(tiny_bert: Path, tmp_path: Path) -> RunFolder:
    """A finished text stage, whose encoder has read cleaned and short texts."""
    return trained(tmp_path / "first", tiny_bert, READING)


def trained(folder: Path, encoder: Path, data: dict[str, object]) -> RunFolder:
    run = RunFolder(folder)
    run.checkpoints.mkdir(parents=True)
    settings = {"regime": "end_to_end", "monitor": "none", "patience": 0}
    model = {"text": str(encoder)}
    run.config.write_text(
        resolve_config("text", overrides=[{"data": data, "train": settings, "model": model}]).to_yaml()
    )
    weights = find_encoder(str(encoder), "text", DataConfig()).load().state_dict()
    save_model_state(run.checkpoints / "last.safetensors", {f"encoders.text.{key}": w for key, w in weights.items()})
    return run


def config(text: str | list[str], **data: object) -> Config:
    return resolve_config("text", overrides=[{"model": {"text": text}, "data": data}])


def test_cleaning_and_length_are_taken_from_the_run(run: RunFolder) -> None:
    taken = config(str(run.path))
    assert taken.data == DataConfig.model_validate(READING)  # so the resolved configuration of the new run says it
    source = encoder_sources(taken)["text"]
    assert isinstance(source, TextSource)
    assert isinstance(source.spec, TextSpec)
    assert (source.spec.cleaning, source.spec.max_tokens) == (taken.data.cleaning, 24)
    [text] = source.texts(POSTS)
    assert text is not None
    assert "friends" not in text
    assert "#Good Day" in text
    [length] = source.live(POSTS).lengths or [0]
    assert length == 24


def test_encoders_beside_it_read_the_same_texts(run: RunFolder) -> None:
    source = encoder_sources(config([str(run.path), "vader"]))["text"]
    assert isinstance(source, JoinedSource)
    assert len({view.text.cleaning for view in source.views() if view.text}) == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_tokens": 128}, r"data\.max_tokens: expected 24, as the run in .*first .* found 128; leave it out"),
        ({"cleaning": {"mentions": False}}, r"data\.cleaning\.mentions: expected True.* found False"),
    ],
)
def test_settings_that_contradict_the_run_are_refused(run: RunFolder, setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_model(config(str(run.path), **setting))
    check_model(config(str(run.path), **READING))


def test_two_runs_that_read_differently_do_not_go_together(run: RunFolder, tiny_bert: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "other", tiny_bert, {"max_tokens": 32})
    with pytest.raises(ConfigError, match=r"expected .* as the run in .*first"):
        check_model(config([str(run.path), str(other.path)]))
