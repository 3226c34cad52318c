"""A search: inside the training folds, gone on with, shared between processes, and a configuration that trains."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState

from moodfuse.config import Config
from moodfuse.data.duplicates import group_duplicates
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.data.splits import make_split
from moodfuse.errors import ConfigError, DataError, DivergedError, OutputError, TrainingError
from moodfuse.learn.compare.cell import FittedCell
from moodfuse.learn.recipes import resolve_config
from moodfuse.learn.search.own_space import check_searched, read_space
from moodfuse.learn.search.space import recipe_settings, search_space, with_settings
from moodfuse.learn.search.study import StoredStudy
from moodfuse.learn.search.tune import tune
from moodfuse.records.cells import Span, TrialLog
from moodfuse.records.search import read_search
from moodfuse.report.page import document_page
from moodfuse.report.search import search_document
from moodfuse.workflows.searching import SearchResult, search

SHARED = """
import sys
from pathlib import Path
from moodfuse.data.formats.readers import read_posts
from moodfuse.learn.recipes import resolve_config
from moodfuse.records.search import read_search
from moodfuse.report.page import document_page
from moodfuse.report.search import search_document
from moodfuse.workflows.searching import search
data, config, searches = sys.argv[1:]
search(read_posts(data), resolve_config(file=Path(config)), trials=8, name="s", searches=Path(searches))
"""


def trials(path: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="search", storage=f"sqlite:///{path / 'study.db'}").get_trials()


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)


@pytest.fixture(scope="module")
def config() -> Config:
    return resolve_config("text", overrides=[{"train": {"epochs": 4, "patience": 0}}])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, posts: Posts, config: Config) -> SearchResult:
    return search(posts, config, trials=5, name="s", searches=tmp_path_factory.mktemp("searches"))


@pytest.fixture
def copied(done: SearchResult, tmp_path: Path) -> Path:
    shutil.copytree(done.path, tmp_path / "s")
    return tmp_path


def test_the_folder_holds_study_best_history_and_importances(done: SearchResult, config: Config) -> None:
    names = {path.name for path in done.path.iterdir() if not path.name.startswith(".")}
    assert names == {"plan.json", "study.db", "best.yaml", "trials.csv", "importances.json", "search.json"}
    with (done.path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4"]
    best = [float(row["best"]) for row in rows]
    assert best == sorted(best)
    assert best[-1] == pytest.approx(done.score)
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    first = {key: float(rows[0][key]) for key in recipe_settings(config)}
    assert first == pytest.approx(recipe_settings(config))
    importances = json.loads((done.path / "importances.json").read_text())
    assert set(importances) <= {setting.key for setting in search_space(config)}
    summary = json.loads((done.path / "search.json").read_text())
    assert summary["trials"] == {"ended": 5, "wanted": 5}
    assert summary["importances"] == importances


def test_the_best_is_a_configuration_that_train_takes(done: SearchResult, config: Config) -> None:
    loaded = resolve_config(file=done.best_file)
    assert loaded == done.best
    kept = loaded.model_dump()
    for setting in search_space(config):
        section, leaf = setting.key.split(".")
        kept[section][leaf] = config.model_dump()[section][leaf]
    assert kept == config.model_dump()  # nothing but what was searched is another


def test_the_gain_is_told_with_its_interval(done: SearchResult) -> None:
    gain, rows = done.summary.gain, read_search(done.path).trials
    best = max(rows, key=lambda row: row.score or 0)
    assert best.number > 0, "expected a seed with which the recipe's own values are not the best"
    assert gain is not None
    assert gain.low <= gain.macro_f1 <= gain.high
    own = rows[0].score
    assert done.summary.monitor == "macro_f1"
    assert best.score is not None
    assert own is not None
    assert gain.macro_f1 == pytest.approx(best.score - own, abs=1e-6)
    assert "points macro-F1 (" in document_page(search_document(read_search(done.path)))


SPACE = """
optim:
  lr: {low: 1e-4, high: 1e-2, log: true}
train.epochs: {low: 1, high: 3}
train.batch_size: [16, 32]
"""


def test_a_space_of_ones_own_is_searched_and_kept_to(posts: Posts, config: Config, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    space = read_space(tmp_path / "space.yaml")
    found = search(posts, config, trials=4, name="s", space=space, searches=tmp_path)
    for trial in read_search(found.path).trials:
        assert set(trial.settings) == {"optim.lr", "train.epochs", "train.batch_size"}
        rate, epochs, size = trial.settings.values()
        assert isinstance(rate, float)
        assert 1e-4 <= rate <= 1e-2
        assert epochs in (1, 2, 3)
        assert size in (16, 32)
    first = read_search(found.path).trials[0].settings
    assert first == {"optim.lr": config.optim.lr, "train.epochs": 3, "train.batch_size": 32}  # the nearest to its own
    assert search(posts, config, trials=4, name="s", space=space, searches=tmp_path).summary == found.summary
    with pytest.raises(ConfigError, match=r"space optim\.lr"):
        search(posts, config, trials=4, name="s", searches=tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("optim.lr: 1e-3", r"optim\.lr: expected .low: 1e-5.* or a list of numbers"),
        ("optim.lr: {low: 1e-2, high: 1e-4}", r"expected low below high, found 0\.01 and 0\.0001"),
        ("optim.lr: {low: 0, high: 1e-4, log: true}", "expected low above 0, found 0"),
        ("optim.lr: {low: 1e-4}", "high: Field required"),
        ("optim.lr: {low: 1e-4, high: 1e-2, step: 2}", "step: Extra inputs"),
        ("model.dropout: {low: 0.1, high: 1.5}", r"model\.dropout.*1\.5"),
        ("optim.learning_rate: [0.1, 0.2]", "learning_rate"),
        ("train.batch_size: [32]", "expected two different values or more"),
        ("train.monitor: [loss, accuracy]", "a list of numbers"),
        ("{}", "expected settings with their ranges"),
        ("- optim.lr", "expected a mapping of settings"),
        ("a: [", "cannot be read as YAML"),
        ("split.seed: [0, 1]", "split.seed: cannot be searched; expected settings of model, optim and train"),
        ("data.max_tokens: [16, 32]", "data.max_tokens: cannot be searched"),
        ("train.epochs: {low: 1.5, high: 3}", r"train.epochs: expected whole numbers, found 1\.5 and 3"),
        ("train.freeze: [0, 4]", "train.freeze: does nothing in a search with train.regime=frozen"),
        ("optim.encoder_lr: {low: 1e-6, high: 1e-4}", "optim.encoder_lr: does nothing"),
        ("train.loss: [1, 2]", "train.loss: expected a setting that is a number"),
        ("model.options.heads: [2, 4]", "heads"),
    ],
)
def test_what_is_wrong_with_a_space_is_told_with_its_place(
    config: Config, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        check_searched(config, None, read_space(path))
    assert "\n" not in str(caught.value)


def test_no_setting_of_the_split_is_searched_in_a_grid_either(posts: Posts, config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"split\.seed: cannot be searched"):
        search(posts, config, name="s", grid={"split.seed": [0, 1]}, searches=tmp_path)
    assert not list(tmp_path.iterdir())


def test_whole_and_other_numbers_are_drawn_as_the_setting_is_declared(config: Config) -> None:
    space = {"train.epochs": Span(low=1.0, high=3), "optim.clip": Span(low=0, high=3), "optim.lr": [0.1, 0.2]}
    check_searched(config, None, space)
    epochs, clip, rate = search_space(config, own=space)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    assert isinstance(epochs.draw(trial), int)
    assert not float(clip.draw(trial)).is_integer()
    assert rate.draw(trial) in (0.1, 0.2)


def test_the_gain_is_still_told_where_the_first_trial_was_interrupted(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    with StoredStudy(folder, config).claim(3) as trial:
        assert trial is not None
        for setting in search_space(config):
            setting.draw(trial)
    again = StoredStudy(folder, config)  # the first trial's process has ended without a word
    for score, answers in ((0.5, [0, 1]), (0.6, [1, 1])):
        with again.claim(3) as trial:
            assert trial is not None
            again.run(trial, lambda *_, found=(score, answers): found)
    assert again.first_and_best() == ([0, 1], [1, 1])


def test_settings_that_do_not_go_together_end_a_trial_and_not_the_search(config: Config, tmp_path: Path) -> None:
    def refused(*_: object) -> tuple[float, list[int]]:
        raise ConfigError("these do not go together")

    study = StoredStudy(tmp_path, config)
    with study.claim(1) as trial:
        assert trial is not None
        study.run(trial, refused)
    assert study.ended() == 1
    with pytest.raises(TrainingError, match=r"none of 1 trials has a score, .*: these do not go together"):
        study.best()


def test_the_test_fold_is_never_looked_at(done: SearchResult, posts: Posts, config: Config, tmp_path: Path) -> None:
    """With other labels in the test fold (and the same split) the very same trials come out."""
    split = make_split(posts, groups=group_duplicates(posts))
    other = {"negative": "positive", "positive": "neutral", "neutral": "negative"}
    test = set(split.test_ids)
    changed = [replace(post, label=other[str(post.label)]) if post.id in test else post for post in posts]
    from moodfuse.learn.search.trials import run_trials

    parts = {"train": split.train_ids, "validation": split.validation_ids}
    study = run_trials(tmp_path, Posts(changed), parts, config, 2)
    with (done.path / "trials.csv").open(newline="") as file:
        before = [float(row["score"]) for row in csv.DictReader(file) if row["score"]][:2]
    assert [trial.score for trial in study.rows()] == pytest.approx(before)


def test_the_same_command_goes_on_to_more_trials(copied: Path, posts: Posts, config: Config) -> None:
    assert search(posts, config, trials=5, name="s", searches=copied).summary.trials.ended == 5
    assert len(trials(copied / "s")) == 5
    assert search(posts, config, trials=6, name="s", searches=copied).summary.trials.ended == 6


def test_a_trial_whose_process_died_is_done_again(copied: Path, posts: Posts, config: Config) -> None:
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{copied / 's' / 'study.db'}")
    abandoned = study.ask()
    settings = {setting.key: setting.draw(abandoned) for setting in search_space(config)}
    assert search(posts, config, trials=6, name="s", searches=copied).summary.trials.ended == 6
    states = {trial.number: trial.state for trial in trials(copied / "s")}
    assert states[abandoned.number] == TrialState.FAIL
    again = next(trial for trial in trials(copied / "s") if trial.number > abandoned.number)
    assert again.params == pytest.approx(settings)


def test_a_trial_that_another_process_runs_counts(copied: Path, config: Config) -> None:
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{copied / 's' / 'study.db'}")
    running = study.ask()
    with FileLock(copied / "s" / ".claims" / f"trial-{running.number}.lock"):
        with StoredStudy(copied / "s", config).claim(6) as trial:
            assert trial is None
        with StoredStudy(copied / "s", config).claim(7) as trial:
            assert trial is not None
            assert trial.number == running.number + 1


def diverged(*_: object) -> tuple[float, list[int]]:
    raise DivergedError("the loss is no longer a number")


def test_a_study_that_cannot_be_used_is_told_in_a_line(copied: Path, posts: Posts, config: Config) -> None:
    (copied / "s" / "study.db").write_bytes(b"no database" * 1000)
    with pytest.raises(OutputError, match=r"study.db: cannot be used \(file is not a database\)"):
        search(posts, config, trials=6, name="s", searches=copied)


def test_a_trial_that_diverges_is_given_up_and_not_begun_again(config: Config, tmp_path: Path) -> None:
    study = StoredStudy(tmp_path, config)
    with study.claim(2) as trial:
        assert trial is not None
        assert study.run(trial, diverged) is None
    with pytest.raises(TrainingError, match="the first for this reason: the loss is no longer a number"):
        study.best()
    with study.claim(2) as trial:
        assert trial is not None
        assert trial.number == 1
        study.run(trial, lambda *_: (0.5, [0, 1]))
    assert study.ended() == 2
    assert study.best()[0] == 0.5


def test_a_cell_does_without_the_settings_that_diverge(config: Config) -> None:
    begun = []

    def fit(one: Config) -> FittedCell:
        begun.append(one)
        if len(begun) == 1:
            raise DivergedError("the loss is no longer a number")
        return FittedCell(one, None, {}, [{"epoch": 0, "val_macro_f1": 0.4}], 10, 1.0)  # type: ignore[arg-type]

    best, tried = tune(fit, config, 2)
    assert best.config == begun[1]
    assert [trial.score for trial in tried] == [None, 0.4]
    begun.clear()
    with pytest.raises(DivergedError):
        tune(fit, config, 1)


def test_the_trials_of_an_interrupted_cell_are_not_fitted_again(config: Config, tmp_path: Path) -> None:
    grid, scores = {"optim.lr": (1e-2, 1e-3, 1e-4, 1e-5)}, {1e-2: 0.4, 1e-3: 0.6, 1e-4: 0.5, 1e-5: 0.3}
    begun: list[float] = []

    def fit(one: Config, last: float = 0.0) -> FittedCell:
        begun.append(one.optim.lr)
        if one.optim.lr == last:
            raise KeyboardInterrupt
        row = {"epoch": 0, "val_macro_f1": scores[one.optim.lr]}
        return FittedCell(one, None, {}, [row], 10, 1.0)  # type: ignore[arg-type]

    log = TrialLog(tmp_path / "trials.jsonl")
    with pytest.raises(KeyboardInterrupt):
        tune(lambda one: fit(one, last=1e-4), config, 0, grid, log)
    with log.path.open("a") as file:
        file.write('{"number":2,"settings":{"optim.lr":0.0001}')  # a kill in the middle of a line
    begun.clear()
    best, tried = tune(fit, config, 0, grid, log)
    assert begun == [1e-4, 1e-5, 1e-3]  # the rest, then the best, whose weights the interruption took
    assert (best.config.optim.lr, best.score) == (1e-3, 0.6)
    assert [trial.score for trial in tried] == [0.4, 0.6, 0.5, 0.3]
    whole, same = tune(fit, config, 0, grid)
    assert (whole.config, same) == (best.config, tried)


@pytest.mark.slow
def test_two_processes_share_one_study(
    copied: Path, posts: Posts, config: Config, synthetic_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    command = [sys.executable, "-c", SHARED, str(synthetic_folder), str(tmp_path / "config.yaml"), str(copied)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as other:
        search(posts, config, trials=8, name="s", searches=copied)
        _, errors = other.communicate(timeout=120)
    assert other.returncode == 0, errors
    ended = [one for one in trials(copied / "s") if one.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert len(ended) == 8
    assert json.loads((copied / "s" / "search.json").read_text())["trials"]["ended"] == 8


def test_another_search_under_the_same_name_is_refused(copied: Path, posts: Posts, config: Config) -> None:
    with pytest.raises(ConfigError, match=r"a search with another configuration \(optim\.lr: 0\.001 there, 0\.5 now\)"):
        search(posts, with_settings(config, {"optim.lr": 0.5}), trials=5, name="s", searches=copied)
    with pytest.raises(DataError, match="a search on other posts"):
        search(posts[:110], config, trials=5, name="s", searches=copied)
    with pytest.raises(ConfigError, match="--trials: expected 1 or more, found 0"):
        search(posts, config, trials=0, name="new", searches=copied)
    with pytest.raises(DataError, match="no post has a label"):
        search(Posts([replace(posts[0], label=None)]), config, trials=1, name="new", searches=copied)
    (copied / "taken").mkdir()
    (copied / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"found a folder with thesis\.txt"):
        search(posts, config, trials=1, name="taken", searches=copied)


def test_a_grid_tries_every_point_once_and_none_is_pruned(posts: Posts, config: Config, tmp_path: Path) -> None:
    grid = {"optim.lr": [1e-9, 1e-2], "model.dropout": [0.1, 0.3]}
    result = search(posts, config, name="g", grid=grid, searches=tmp_path)
    with (result.path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = [(float(row["optim.lr"]), float(row["model.dropout"])) for row in rows]
    assert points == [(1e-9, 0.1), (1e-9, 0.3), (1e-2, 0.1), (1e-2, 0.3)]
    assert {row["state"] for row in rows} == {"complete"}
    assert {row["epochs"] for row in rows} == {"4"}
    assert result.best.optim.lr == 1e-2
    assert "over the recipe" not in document_page(search_document(read_search(result.path)))
    assert search(posts, config, name="g", grid=grid, searches=tmp_path).summary.trials.ended == 4
    with pytest.raises(ConfigError, match=r"grid optim\.lr: 1e-09, 0\.01 there, 0\.1, 0\.2 now"):
        search(posts, config, name="g", grid=grid | {"optim.lr": [0.1, 0.2]}, searches=tmp_path)
    with pytest.raises(ConfigError, match=r"did you mean optim\.lr"):
        search(posts, config, name="h", grid={"optim.lrr": [0.1, 0.2]}, searches=tmp_path)


def test_encoders_that_train_have_a_rate_to_search(config: Config) -> None:
    tuned = resolve_config("text", overrides=[{"train": {"regime": "end_to_end"}}])
    keys = {setting.key for setting in search_space(tuned)}
    assert keys - {setting.key for setting in search_space(config)} == {"optim.encoder_lr"}
    assert set(recipe_settings(tuned)) == keys


def test_a_loss_that_takes_no_smoothing_is_searched_without() -> None:
    config = resolve_config("text", overrides=[{"train": {"loss": "focal"}}])
    for setting in search_space(config):
        with_settings(config, {setting.key: setting.choices[-1] if setting.choices else setting.high})
    assert "train.label_smoothing" not in {setting.key for setting in search_space(config)}


def test_low_rank_updates_are_searched_at_their_own_rates() -> None:
    updates = {"regime": "end_to_end", "lora": 8, "patience": 0}
    config = resolve_config("text", overrides=[{"train": updates, "optim": {"encoder_lr": 1e-3}}])
    assert recipe_settings(config)["optim.encoder_lr"] == 1e-3
