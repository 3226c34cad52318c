"""FusionClassifier: training, prediction and scoring from Python, in the style of scikit-learn."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse import files
from moodfuse.config import Config
from moodfuse.data.formats.readers import read_posts, stream_posts
from moodfuse.data.posts import Post, Posts
from moodfuse.errors import ConfigError, DataError, TrainingError
from moodfuse.labels import Labels
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.settings import load_yaml
from moodfuse.staging import temporary_folder
from moodfuse.workflows.destination import check_bundle_folder

#: The input of the classifier's methods: posts, or a path that `read_posts` reads.
Source = Posts | Iterable[Post] | str | Path


class FusionClassifier:
    """A classifier of the sentiment of posts with text and image, by a fusion of pretrained encoders.

    `recipe` names a packaged system (`moodfuse.learn.recipes`), `config` holds settings that override it, nested as
    in YAML (`{"optim": {"lr": 3e-4}}`); without a recipe they override the defaults. `seed` seeds the training. `run`
    is the folder of the run; `None` uses a temporary folder that is deleted with the object. Methods raise
    `MoodfuseError`s that say what to fix.
    """

    def __init__(
        self,
        recipe: str | None = "concat",
        *,
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        run: str | Path | None = None,
    ) -> None:
        self.recipe = recipe
        self.config = config
        self.seed = seed
        self.run = run
        self._predictor: Predictor | None = None
        self._forget_run: Callable[[], object] | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"recipe": self.recipe, "config": self.config, "seed": self.seed, "run": self.run}

    def set_params(self, **params: Any) -> FusionClassifier:
        """Set constructor arguments. Raises `ConfigError` for an argument that does not exist."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ConfigError(f"FusionClassifier has no parameter {name!r}; it has {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def resolved_config(self) -> Config:
        """Return the complete configuration of `fit`. Raises `ConfigError` if neither recipe nor settings are known."""
        if self.recipe is None and self.config is None:
            raise ConfigError(
                "this FusionClassifier has neither a recipe nor settings: an older bundle does not say how it was "
                "trained; set_params(recipe=...) before fit"
            )
        from moodfuse.learn.recipes import resolve_config

        return resolve_config(self.recipe, overrides=[{"seed": self.seed}, dict(self.config or {})])

    def fit(self, posts: Source) -> FusionClassifier:
        """Train on labelled posts; a tenth of them is held out for `metrics_`, and a tenth validates."""
        from moodfuse.workflows.extras import require_training

        require_training()
        from moodfuse.workflows.training import train

        if self.run is None:
            if self._forget_run is not None:
                self._forget_run()
            temporary = ExitStack()
            path = temporary.enter_context(temporary_folder("classifier")) / "run"
            self._forget_run = weakref.finalize(self, temporary.close)
        else:
            path = Path(self.run)
        config = self.resolved_config()
        result = train(as_posts(posts, Labels(config.labels)), config, name=path.name, runs=path.parent)
        self.metrics_: dict[str, Any] = result.metrics.as_json()
        self._predictor = Predictor(result.bundle)
        return self

    @property
    def predictor(self) -> Predictor:
        """The predictor on the trained bundle. Raises `NotTrainedError` before `fit` or `load`."""
        if self._predictor is None:
            raise NotTrainedError(
                "this FusionClassifier is not trained yet; call fit(posts) or FusionClassifier.load(path)"
            )
        return self._predictor

    @property
    def classes_(self) -> np.ndarray:
        """The label names, in the order of `predict_proba`'s columns. Raises `NotTrainedError` before `fit`."""
        return np.array(self.predictor.labels.names)

    def predict(self, posts: Source) -> np.ndarray:
        """Return the label of every post, (N,) strings, in order."""
        return np.array([prediction.label for prediction in self.predictions(posts)], dtype=self.classes_.dtype)

    def predict_proba(self, posts: Source) -> np.ndarray:
        """Return the probabilities of every post, (N, C), in the order of `classes_`."""
        rows = [list(prediction.probabilities.values()) for prediction in self.predictions(posts)]
        return np.array(rows).reshape(-1, len(self.classes_))

    def predictions(self, posts: Source) -> list[Prediction]:
        """Return the complete `Prediction` of every post: status, confidence, what was used. Ids may repeat.

        In a guid,tag folder, test_without_label.txt is read, as by `moodfuse predict`.
        """
        return list(self.predictor.stream(_unlabelled(posts, self.predictor.labels)))

    def evaluate(self, posts: Source) -> dict[str, Any]:
        """Return scores with 95 % intervals on labelled posts that training did not see.

        Raises `DataError` if training saw all of them, or no post has a label.
        """
        from moodfuse.workflows.evaluation import evaluate_unseen

        return evaluate_unseen(self.predictor, as_posts(posts, self.predictor.labels)).scores.as_json()

    def save(self, folder: str | Path) -> Path:
        """Copy the bundle to `folder`, completely or not at all; prediction with it does not need PyTorch.

        An older bundle in `folder` is replaced. Raises `OutputError` if `folder` holds anything else.
        """
        target = Path(folder)
        check_bundle_folder(target)
        with files.replacing_folder(target) as part:
            shutil.copytree(self.predictor.bundle.folder, part, dirs_exist_ok=True)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> FusionClassifier:
        """Open a saved bundle or a run folder, ready to predict; `fit` trains the same system again.

        An older bundle outside its run's folder does not say how it was trained: `fit` then asks for a recipe.
        """
        bundle = read_bundle(Path(folder))
        trained = bundle.manifest.training
        config, run = trained.get("configuration"), RunFolder(bundle.folder.parent)
        if config is None and bundle.folder.name == run.bundle.name and run.config.is_file():
            config = load_yaml(run.config)
        own = None if config is None else {key: value for key, value in config.items() if key != "seed"}
        loaded = cls(None, config=own, seed=int(trained.get("seed", 0)))
        loaded._predictor = Predictor(bundle)
        return loaded


class NotTrainedError(TrainingError, AttributeError):
    """A `FusionClassifier` is not trained yet; for `hasattr`, the attribute does not exist."""


def as_posts(posts: Source, labels: Labels) -> Posts:
    """Return `posts` as `Posts`; a path is read. Ids must be unique."""
    if isinstance(posts, str | Path):
        return read_posts(Path(posts), labels=labels)
    return posts if isinstance(posts, Posts) else Posts(_checked(posts))


def _unlabelled(posts: Source, labels: Labels) -> Iterable[Post]:
    if isinstance(posts, str | Path):
        return stream_posts(Path(posts), part="predict", strict=False, labels=labels)
    return _checked(posts)


def _checked(posts: Iterable[Post]) -> Iterator[Post]:
    for post in posts:
        if not isinstance(post, Post):
            raise DataError(f"expected moodfuse.Post objects or a path, found {type(post).__name__}")
        yield post
