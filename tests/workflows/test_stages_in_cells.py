"""Two-stage training in cells: an encoder is tuned once a cell, on that cell's training posts, for all that read it."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split
from moodfuse.learn.compare.models import compared
from moodfuse.learn.compare.work import fold_parts
from moodfuse.learn.recipes import resolve_config
from moodfuse.learn.stages import stage_config
from moodfuse.records.cells import CellKey, read_cell, read_stages
from moodfuse.records.claim import Claim
from moodfuse.records.comparison import load_comparison
from moodfuse.report.markdown import markdown
from moodfuse.workflows.comparison.run import ComparisonResult, Effort, compare, compare_models
from moodfuse.workflows.reporting import report_document
from moodfuse.workflows.searching import search
from moodfuse.workflows.training import train

OTHER = {"negative": "positive", "positive": "neutral", "neutral": "negative"}


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)


def settings(tiny_bert: Path, **training: Any) -> dict[str, Any]:
    train = {"regime": "two_stage", "tune": ["text"], "stage_epochs": 2, "epochs": 2, "batch_size": 32}
    rates = {"text_lr": 1e-2, "lr": 1e-3}
    return {"model": {"text": str(tiny_bert)}, "train": train | {"patience": 0} | training, "optim": rates}


def run(folder: Path, posts: Posts, tiny_bert: Path, **changes: Any) -> ComparisonResult:
    given: dict[str, Any] = {"fusions": ["concat", "text"], "seeds": 1, "folds": 2, "workers": 1, "name": "c"}
    return compare(posts, **(given | {"comparisons": folder, "overrides": [settings(tiny_bert)]} | changes))


@pytest.fixture(scope="module")
def done(posts: Posts, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> ComparisonResult:
    return run(tmp_path_factory.mktemp("staged"), posts, tiny_bert)


def test_each_encoder_may_have_epochs_of_its_own() -> None:
    train = {"regime": "two_stage", "tune": ["text", "image"], "stage_epochs": 5, "image_epochs": 2}
    config = resolve_config(overrides=[{"train": train}])
    assert [stage_config(config, modality).train.epochs for modality in ("text", "image")] == [5, 2]
    # Another image stage leaves the text's as it is, so that both systems share it.
    other = resolve_config(overrides=[{"train": train | {"image_epochs": 3}}])
    assert stage_config(other, "text") == stage_config(config, "text")


def test_the_models_of_a_cell_share_one_tuned_encoder(done: ComparisonResult) -> None:
    (stage,) = (done.path / "stages").iterdir()
    assert sorted(cell.name for cell in stage.iterdir()) == ["seed0-fold0", "seed0-fold1"]
    # Nothing needs the weights any more; the curves are kept, and drawn.
    assert {path.name for path in stage.rglob("*") if path.is_file()} == {"history.csv"}
    (histories,) = read_stages(done.path).values()
    assert [len(rows) for rows in histories] == [2, 2]
    assert "seed0-fold0" not in markdown(report_document(done.path))
    assert not list(done.path.rglob("head.onnx"))  # its features are of an encoder that is gone


def test_no_stage_sees_a_post_that_its_cell_tests(
    done: ComparisonResult, posts: Posts, tiny_bert: Path, tmp_path: Path
) -> None:
    """With other labels for the posts that cell 0 tests, and the same cells, cell 0 gives the very same answers."""
    split = Split.load(done.path / "split.json")
    tested = set(fold_parts(split.folds, 0)["test"])
    changed = Posts([replace(p, label=OTHER[str(p.label)]) if p.id in tested else p for p in posts])
    shutil.copytree(done.path, tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / "cells")
    shutil.rmtree(tmp_path / "c" / "stages")
    plan = tmp_path / "c" / "comparison.json"
    plan.write_text(
        plan.read_text().replace(
            load_comparison(done.path).plan.data.sha256, data_sha256(changed, post_digests(changed), "")
        )
    )
    again = run(tmp_path, changed, tiny_bert)
    for model in ("concat", "text"):
        before, now = (
            read_cell(one.path, CellKey(0, 0, model), load_comparison(one.path).labels) for one in (done, again)
        )
        assert np.array_equal(before.probabilities[""], now.probabilities[""])
        other, same = (
            read_cell(one.path, CellKey(0, 1, model), load_comparison(one.path).labels) for one in (done, again)
        )
        assert not np.array_equal(other.probabilities[""], same.probabilities[""])  # whose training posts they are


def test_a_comparison_goes_on_where_its_stage_was(
    done: ComparisonResult, posts: Posts, tiny_bert: Path, tmp_path: Path
) -> None:
    """A cell that is gone is run again, with its stage, whose weights are gone too, and becomes what it was."""
    shutil.copytree(done.path, tmp_path / "c")
    cell = tmp_path / "c" / "cells" / "concat" / "seed0-fold1"
    before = (cell / "predictions.csv").read_bytes()
    shutil.rmtree(cell)
    lines: list[str] = []
    run(tmp_path, posts, tiny_bert, notify=lines.append)
    assert lines == ["3 of 4 cells had been run before"]
    assert (cell / "predictions.csv").read_bytes() == before


def test_a_text_model_starts_as_the_classifier_of_its_stage(posts: Posts, tiny_bert: Path, tmp_path: Path) -> None:
    """With a rate that moves nothing, the text model is what its stage was, and not a head that knows nothing."""
    still = settings(tiny_bert) | {"optim": {"text_lr": 1e-2, "lr": 1e-9}}
    result = run(tmp_path, posts, tiny_bert, fusions=["text"], overrides=[still])
    tuned = read_stages(result.path)["text encoder alone"]
    cells = [load_comparison(result.path)]
    metrics = [read_cell(cells[0].path, CellKey(0, fold, "text"), cells[0].labels).metrics for fold in (0, 1)]
    best = [max(row["val_macro_f1"] for row in rows) for rows in tuned]
    assert [one.validation["macro_f1"] for one in metrics] == pytest.approx(best, abs=1e-6)


@pytest.mark.slow
def test_two_stages_train_on_all_posts_and_are_searched(posts: Posts, tiny_bert: Path, tmp_path: Path) -> None:
    chosen = settings(tiny_bert, epochs=1, stage_epochs=1)
    result = search(posts, resolve_config("concat", overrides=[chosen]), trials=2, name="s", searches=tmp_path)
    assert result.summary.trials.ended == 2
    assert len(list((result.path / "stages").glob("*/all/history.csv"))) == 1  # whatever the trials draw
    on_all = chosen | {"split": {"hold_out": False}, "train": {**chosen["train"], "monitor": "none"}}
    trained = train(posts, resolve_config("concat", overrides=[on_all]), name="all", runs=tmp_path)
    assert trained.metrics.test.n == 120


def test_a_cell_tries_every_point_of_a_grid(posts: Posts, tmp_path: Path) -> None:
    config = resolve_config("late", overrides=[{"train": {"epochs": 2, "patience": 0}}])
    grid = {"optim.lr": (1e-9, 1e-2), "model.options.dropout": (0.0, 0.5)}
    models = [compared("late", config, grid)]
    result = compare_models(models, posts, Effort(1, 2, workers=1), Claim("comparison", tmp_path, "g"))
    cell = read_cell(result.path, CellKey(0, 0, "late"), load_comparison(result.path).labels)
    tried = cell.metrics.trials
    assert [trial.settings for trial in tried] == [
        {"optim.lr": rate, "model.options.dropout": rate_of} for rate in (1e-9, 1e-2) for rate_of in (0.0, 0.5)
    ]
    best = max(tried, key=lambda trial: trial.score or 0)
    assert best.settings["optim.lr"] == 1e-2
    assert cell.metrics.config.setting("optim.lr") == best.settings["optim.lr"]
