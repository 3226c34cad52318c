"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

#: An example takes as long as the machine has time for it: that is no failure.
settings.register_profile("moodfuse", deadline=None)
settings.load_profile("moodfuse")


@pytest.fixture(scope="session")
def posts_folder() -> Path:
    """The real posts: `$MOODFUSE_DATA`, else ../shared/data/posts beside the repository, else the test is skipped."""
    named = os.environ.get("MOODFUSE_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "posts"
    if not (folder / "train.txt").is_file():
        pytest.skip(f"no real posts in {folder}; set MOODFUSE_DATA to a folder that holds train.txt")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the test session's own: exported encoders and features are made once, the user's stay untouched."""
    # Shared between the processes of one `pytest -n`, whose own folders lie in a common one.
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "cache"
    folder.mkdir(exist_ok=True)
    before = os.environ.get("MOODFUSE_CACHE")
    os.environ["MOODFUSE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["MOODFUSE_CACHE"]
    else:
        os.environ["MOODFUSE_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def english() -> Iterator[None]:
    """What is read is English, whatever the system speaks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOODFUSE_LANG", "en")
        yield


@pytest.fixture(scope="session")
def synthetic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 labelled and 12 unlabelled posts with a strong planted signal, as a guid,tag folder."""
    from moodfuse.data.synthetic import Signals, write_synthetic

    folder = tmp_path_factory.mktemp("synthetic") / "posts"
    return write_synthetic(folder, posts=120, unlabelled=12, signals=Signals(text=0.9, image=0.9), seed=3)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, synthetic_folder: Path) -> Path:
    """A finished run of `concat` on the synthetic posts, with the packaged encoders.

    Its seed leaves mistakes to show.
    """
    from moodfuse.data.formats.readers import read_posts
    from moodfuse.learn.recipes import resolve_config
    from moodfuse.workflows.training import train

    config = resolve_config("concat", overrides=[{"seed": 1, "train": {"epochs": 12, "batch_size": 16}}])
    return train(read_posts(synthetic_folder), config, name="concat", runs=tmp_path_factory.mktemp("runs")).run.path


@pytest.fixture(scope="session")
def text_run(tmp_path_factory: pytest.TempPathFactory, synthetic_folder: Path) -> Path:
    """A finished run of a text-only model on the synthetic posts: its bundle holds one modality."""
    from moodfuse.data.formats.readers import read_posts
    from moodfuse.learn.recipes import resolve_config
    from moodfuse.workflows.training import train

    config = resolve_config("text", overrides=[{"train": {"epochs": 3, "batch_size": 16}}])
    return train(read_posts(synthetic_folder), config, name="text", runs=tmp_path_factory.mktemp("runs")).run.path


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer BERT in a folder, as `save_pretrained` writes it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert") / "tiny"
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=60, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz.,!'"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
