"""FusionClassifier: training, prediction and scoring from Python, as a classifier of scikit-learn."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse import files
from moodfuse.config import Config
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, TrainingError
from moodfuse.evaluate.logits import logits_of
from moodfuse.labels import Labels
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import Bundle, read_bundle
from moodfuse.runtime.hub import find_bundle
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.settings import load_yaml
from moodfuse.staging import temporary_folder
from moodfuse.workflows.destination import check_bundle_folder
from moodfuse.workflows.samples import Samples, labelled_samples, stream_samples
from moodfuse.workflows.scikit_learn import BaseEstimator, ClassifierMixin, NotFittedError, Tags, tag_posts
from moodfuse.workflows.targets import as_targets, check_names, with_targets


class FusionClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of the sentiment of posts with text and image, by a fusion of pretrained encoders.

    `recipe` names a packaged system (`moodfuse.learn.recipes`), `config` holds settings that override it, nested as
    in YAML (`{"optim": {"lr": 3e-4}}`); without a recipe they override the defaults. `seed` seeds the training. `run`
    is the folder of the run; `None` uses a temporary folder that is deleted with the object. `X` is what `Samples`
    says. After `fit` or `load`, `classes_` holds the classes in the order of `predict_proba`'s columns; after `fit`,
    `metrics_` the content of the run's metrics.json (`["test"]`: the scores on the held-out tenth), and, of a data
    frame, `n_features_in_` and `feature_names_in_` its columns. Methods raise `MoodfuseError`s that say what to fix.
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

    def set_params(self, **params: Any) -> FusionClassifier:
        """Set constructor arguments, and single settings of `config`: `set_params(config__optim__lr=3e-4)`.

        Raises `ConfigError` for an argument that does not exist.
        """
        known = ("recipe", "config", "seed", "run")
        for name, value in sorted(params.items(), key=lambda item: "__" in item[0]):
            argument, *path = name.split("__")
            if argument not in known or (path and argument != "config"):
                raise ConfigError(f"FusionClassifier has no parameter {name!r}; it has {', '.join(known)}")
            setattr(self, argument, _replaced(self.config, path, value) if path else value)
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

    def fit(self, X: Samples, y: Any = None) -> FusionClassifier:
        """Train on samples and their classes; a tenth of them is held out for `metrics_`, and a tenth validates.

        Without `y` the samples hold their labels. With it, its classes are the model's: names, whole numbers or
        booleans; if one of them is a label of the configuration, all must be.
        """
        from moodfuse.workflows.extras import require_training

        require_training()
        from moodfuse.workflows.training import train

        config = self.resolved_config()
        if y is None:
            posts, classes = labelled_samples(X, Labels(config.labels)), np.array(sorted(config.labels))
        else:
            targets = as_targets(y)
            posts, classes = with_targets(X, targets), np.unique(targets)
            labels = check_names(classes.tolist(), Labels(config.labels), fixed="labels" in (self.config or {}))
            config = config.model_copy(update={"labels": labels.names})
        forget = self.__dict__.pop("_forget", None)
        path = self._temporary_folder() / "run" if self.run is None else Path(self.run)
        result = train(posts, config, name=path.name, runs=path.parent)
        if forget is not None:
            forget()
        self.metrics_: dict[str, Any] = result.metrics.as_json()
        self._keep_columns(X)
        return self._open(result.bundle, classes)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")

    @property
    def predictor(self) -> Predictor:
        """The predictor on the trained bundle. Raises `NotTrainedError` before `fit` or `load`."""
        if not hasattr(self, "_predictor"):
            raise NotTrainedError(
                "this FusionClassifier is not trained yet; call fit(posts) or FusionClassifier.load(path)"
            )
        found: Predictor = self._predictor
        return found

    def predict(self, X: Samples) -> np.ndarray:
        """Return the class of every sample, (N,), in order."""
        names = self.predictor.labels.names
        place = dict(zip((names[at] for at in self._order), range(len(names)), strict=True))
        return self.classes_[[place[prediction.label] for prediction in self.predictions(X)]]

    def predict_proba(self, X: Samples) -> np.ndarray:
        """Return the probabilities of every sample, (N, C), in the order of `classes_`."""
        rows = [list(prediction.probabilities.values()) for prediction in self.predictions(X)]
        return np.array(rows).reshape(-1, len(self.predictor.labels))[:, self._order]

    def decision_function(self, X: Samples) -> np.ndarray:
        """Return the calibrated logits of every sample, (N, C); of two classes, how far the second leads: (N,)."""
        logits = logits_of(self.predict_proba(X))
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predictions(self, X: Samples) -> list[Prediction]:
        """Return the complete `Prediction` of every sample: status, confidence, what was used. Ids may repeat.

        In a guid,tag folder, test_without_label.txt is read, as by `moodfuse predict`.
        """
        predictor = self.predictor
        return list(predictor.stream(stream_samples(X, predictor.labels)))

    def score(self, X: Samples, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy; without `y`, on the samples that hold a label. `evaluate` leaves out what was seen."""
        if y is None:
            X = self._labelled(X, None).labelled()
            y = [str(label) for label in X.labels]
        return float(super().score(X, y, sample_weight))

    def evaluate(self, X: Samples, y: Any = None) -> dict[str, Any]:
        """Return scores with 95 % intervals on labelled samples that training did not see.

        Raises `DataError` if training saw all of them, or none has a label.
        """
        from moodfuse.workflows.evaluation import evaluate_unseen

        return evaluate_unseen(self.predictor, self._labelled(X, y)).scores.as_json()

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

        `folder` may be `hf://USER/NAME@REVISION`. An older bundle outside its run's folder does not say how it was
        trained: `fit` then asks for a recipe.
        """
        bundle = read_bundle(find_bundle(folder))
        trained = bundle.manifest.training
        config, run = trained.get("configuration"), RunFolder(bundle.folder.parent)
        if config is None and bundle.folder.name == run.bundle.name and run.config.is_file():
            config = load_yaml(run.config)
        own = None if config is None else {key: value for key, value in config.items() if key != "seed"}
        loaded = cls(None, config=own, seed=int(trained.get("seed", 0)))
        return loaded._open(bundle, np.array(sorted(bundle.labels.names)))

    def _open(self, bundle: Bundle, classes: np.ndarray) -> FusionClassifier:
        self._predictor = Predictor(bundle)
        self.classes_ = classes
        self._order = [bundle.labels.id(str(one)) for one in classes.tolist()]  # of the bundle's labels, in classes_
        return self

    def _temporary_folder(self) -> Path:
        """Return a new folder that is deleted with this object."""
        held = ExitStack()
        folder = held.enter_context(temporary_folder("classifier"))
        self._forget = weakref.finalize(self, held.close)
        return folder

    def _labelled(self, X: Samples, y: Any) -> Posts:
        return labelled_samples(X, self.predictor.labels) if y is None else with_targets(X, as_targets(y))

    def _keep_columns(self, X: Samples) -> None:
        """Keep what the columns of a data frame are called; other samples have no features to count."""
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.array([str(name) for name in X.columns], dtype=object)
            self.n_features_in_ = len(self.feature_names_in_)

    def __sklearn_tags__(self) -> Tags:
        tags = tag_posts(super().__sklearn_tags__())
        tags.target_tags.required = False  # samples may hold their labels
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the trained bundle's files: a pickle needs no folder, and may travel."""
        state = dict(super().__getstate__())
        state.pop("_forget", None)
        if (predictor := state.pop("_predictor", None)) is not None:
            state["_bundle"] = {path.name: path.read_bytes() for path in predictor.bundle.folder.iterdir()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        contents = state.pop("_bundle", None)
        super().__setstate__(state)
        if contents is not None:
            folder = self._temporary_folder() / "bundle"
            folder.mkdir()
            for name, content in contents.items():
                (folder / name).write_bytes(content)
            self._predictor = Predictor(read_bundle(folder))


class NotTrainedError(TrainingError, NotFittedError):  # type: ignore[misc]
    """A `FusionClassifier` is not trained yet; for `hasattr`, the attribute does not exist."""


def _replaced(settings: Mapping[str, Any] | None, path: list[str], value: Any) -> dict[str, Any]:
    """Return settings with the one at `path` replaced; those that were given stay as they are."""
    first, *rest = path
    inner = (settings or {}).get(first)
    new = _replaced(inner if isinstance(inner, Mapping) else None, rest, value) if rest else value
    return {**(settings or {}), first: new}
