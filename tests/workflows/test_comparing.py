"""A comparison: cells on disk as they end, gone on with where it stopped, and nothing of a post's text in it."""

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from one_cell import predict_cell

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Post, Posts
from moodfuse.data.splits import Split
from moodfuse.errors import ConfigError, DataError
from moodfuse.evaluate.logits import softmax
from moodfuse.labels import SENTIMENT
from moodfuse.learn import diagram
from moodfuse.learn.assembly import encoder_sources
from moodfuse.learn.compare.heads import kept_head
from moodfuse.learn.compare.models import choose_models
from moodfuse.learn.compare.work import fold_parts
from moodfuse.learn.export import head_graph
from moodfuse.learn.search.space import recipe_settings
from moodfuse.records.cells import CellKey, read_cell
from moodfuse.records.comparison import load_comparison
from moodfuse.report.markdown import markdown
from moodfuse.runtime.graphs import HeadGraph, open_session
from moodfuse.workflows.comparison import damage as comparison_damage
from moodfuse.workflows.comparison.run import ComparisonResult, compare
from moodfuse.workflows.reporting import report_document

QUICK: list[dict[str, Any]] = [{"train": {"epochs": 2, "batch_size": 32}}]
FILES = ["head.safetensors", "history.csv", "metrics.json", "predictions.csv"]


def run(folder: Path, posts: Any, **changes: Any) -> ComparisonResult:
    settings: dict[str, Any] = {"fusions": ["concat", "text"], "seeds": 1, "folds": 2, "workers": 1, "name": "c"}
    return compare(posts, **(settings | {"comparisons": folder, "overrides": QUICK} | changes))


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, posts: Posts) -> ComparisonResult:
    return run(tmp_path_factory.mktemp("comparisons"), posts)


@pytest.fixture
def copied(done: ComparisonResult, tmp_path: Path) -> Path:
    shutil.copytree(done.path, tmp_path / "c")
    return tmp_path


def test_the_folder_is_as_documented(done: ComparisonResult, posts: Posts) -> None:
    names = {path.name for path in done.path.iterdir()}
    assert names == {"comparison.json", "split.json", "groups.json", "cells", "results.json", ".claims"}
    cells = done.path / "cells"
    assert {path.name for path in cells.iterdir()} == {"concat", "text"}
    withheld = ["predictions.without-image.csv", "predictions.without-text.csv"]
    assert sorted(path.name for path in (cells / "concat" / "seed0-fold1").iterdir()) == [*FILES, *withheld]
    assert sorted(path.name for path in (cells / "text" / "seed0-fold0").iterdir()) == [*FILES, withheld[1]]
    folds = Split.load(done.path / "split.json").folds
    for fold in (0, 1):
        cell = read_cell(done.path, CellKey(0, fold, "concat"), SENTIMENT)
        assert cell.ids == [i for i in folds if folds[i] in (2 * fold, 2 * fold + 1)]
        assert [SENTIMENT.names[i] for i in cell.true] == posts.subset(cell.ids).labels
        assert all(np.allclose(table.sum(1), 1, atol=1e-5) for table in cell.probabilities.values())
        assert cell.metrics.posts.as_json() == {part: len(ids) for part, ids in fold_parts(folds, fold).items()}
    plan = json.loads((done.path / "comparison.json").read_text())
    assert [arm["name"] for arm in plan["arms"]] == ["concat", "concat without text", "concat without image", "text"]
    assert [row.arm for row in done.rows] == [arm["name"] for arm in plan["arms"]]


def test_no_text_of_a_post_gets_in(done: ComparisonResult, posts: Posts) -> None:
    clauses = {clause.strip() for post in posts[:20] for clause in str(post.text).split(",") if len(clause) > 15}
    assert len(clauses) > 20
    for path in done.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [clause for clause in clauses if clause.encode() in content], path


def test_predictions_are_those_of_the_exported_head_on_frozen_features(done: ComparisonResult, posts: Posts) -> None:
    cell = read_cell(done.path, CellKey(0, 1, "concat"), SENTIMENT)
    (model,) = choose_models(["concat"], QUICK)
    tested = posts.subset(cell.ids)
    features = {m: s.features(tested) for m, s in encoder_sources(model.config).items()}
    widths = {m: one.width for m, one in features.items()}
    head = kept_head(CellKey(0, 1, "concat").head(done.path), model.config, encoder_sources(model.config), widths)
    graph = head_graph(head.model, widths)
    for withheld in ("", "text", "image"):
        rows = {m: [None] * len(tested) if m == withheld else one.rows for m, one in features.items()}
        something = np.array([any(one is not None for one in pair) for pair in zip(*rows.values(), strict=True)])
        expected = softmax(HeadGraph(open_session(graph)).logits(rows, widths) / cell.metrics.temperature)
        assert something.sum() > 20
        assert np.allclose(cell.probabilities[withheld][something], expected[something], atol=1e-5)
    assert not np.allclose(cell.probabilities[""], cell.probabilities["text"])


def test_a_cell_in_memory_is_the_one_on_disk(done: ComparisonResult, posts: Posts) -> None:
    (model,) = choose_models(["text"], QUICK)
    found = predict_cell(posts, Split.load(done.path / "split.json").folds, model.config, 1)
    cell = read_cell(done.path, CellKey(0, 1, "text"), SENTIMENT)
    tested = ~np.isnan(found).any(1)
    assert {i for i, there in zip(posts.ids, tested, strict=True) if there} == set(cell.ids)
    row = {i: n for n, i in enumerate(posts.ids)}
    assert np.allclose(found[[row[i] for i in cell.ids]], cell.probabilities[""], atol=1e-6)


def test_the_same_command_trains_nothing_twice(
    copied: Path, posts: Posts, done: ComparisonResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "c" / "results.json").unlink()
    left = tmp_path / "tmp" / ".moodfuse-features.0123abcd.part"  # by one that was killed behind its last cell
    left.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(left.parent))
    lines: list[str] = []
    again = run(copied, posts, notify=lines.append)
    assert lines == ["all 4 cells had been run before; nothing was trained"]
    assert not left.exists()
    assert again.results == done.results
    assert json.loads((copied / "c" / "results.json").read_text()) == again.results.as_json()


def test_a_half_written_cell_is_done_again(copied: Path, posts: Posts, done: ComparisonResult) -> None:
    cell = copied / "c" / "cells" / "text" / "seed0-fold1"
    before = (cell / "predictions.csv").read_bytes()
    half = cell.with_name(".seed0-fold1.0123abcd.part")
    cell.rename(half)
    (half / "metrics.json").unlink()
    left = load_comparison(copied / "c").todo()
    assert left == [CellKey(0, 1, "text")]
    again = run(copied, posts)
    assert (cell / "predictions.csv").read_bytes() == before
    assert not half.exists()
    assert again.headlines == done.headlines


def test_a_cell_that_another_process_runs_is_waited_for(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is held, so it is not run here; when the other has put it there, both are done."""
    cell = copied / "c" / "cells" / "text" / "seed0-fold1"
    elsewhere = cell.with_name("elsewhere")
    cell.rename(elsewhere)
    lock = FileLock(copied / "c" / ".claims" / "text-seed0-fold1.lock")
    waited = 0
    before = (elsewhere / "metrics.json").read_bytes()

    def sleep(_: float) -> None:
        nonlocal waited
        waited += 1
        if waited == 2:
            elsewhere.rename(cell)
            lock.release()

    from moodfuse.learn.compare import workers

    monkeypatch.setattr(workers.time, "sleep", sleep)
    with lock:
        work = workers.Work(copied / "c", {}, [], [], [], SENTIMENT, {}, 0, 0, None)  # type: ignore[arg-type]
        workers.work_through(work, load_comparison(copied / "c").cells(), lambda _: None)
    assert waited == 2
    assert (cell / "metrics.json").read_bytes() == before


def test_another_comparison_under_the_same_name_is_refused(copied: Path, posts: Posts) -> None:
    for changes, expected in (
        ({"seeds": 2}, r"another configuration \(seeds: 0 there, 0, 1 now\)"),
        ({"folds": 3}, r"folds: 2 there, 3 now"),
        ({"trials": 4}, r"trials: 0 there, 4 now"),
        ({"fusions": ["concat"]}, r"models: concat, text there, concat now"),
        ({"overrides": [*QUICK, {"optim": {"lr": 0.5}}]}, r"concat: optim.lr: 0.001 there, 0.5 now"),
    ):
        with pytest.raises(ConfigError, match=expected) as caught:
            run(copied, posts, **changes)
        assert "another --name" in str(caught.value)
    with pytest.raises(DataError, match="a comparison on other posts"):
        run(copied, posts[:110])
    (copied / "taken").mkdir()
    (copied / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"a new folder, found a folder with thesis\.txt"):
        run(copied, posts, name="taken")
    with pytest.raises(ConfigError, match="--name: expected up to 100 letters"):
        run(copied, posts, name="../there")


def test_bad_input_is_one_clear_line(tmp_path: Path, posts: Posts) -> None:
    for changes, expected in (
        ({"folds": 1}, "--folds: expected 2 to 5"),
        ({"folds": 6}, "--folds: expected 2 to 5"),
        ({"seeds": 0}, "--seeds: expected 1 or more, found 0"),
        ({"trials": -1}, "--trials: expected 0 or more"),
        ({"workers": -1}, "--workers: expected 1 or more"),
        ({"fusions": []}, "--fusions: expected names"),
        ({"fusions": ["conct"]}, "unknown fusion 'conct'; did you mean concat"),
        ({"overrides": [{"model": {"fusion": "gated"}}]}, "each model of a comparison has its own"),
        ({"overrides": [{"split": {"folds": 5}}]}, "split.folds: expected 10"),
        ({"overrides": [{"train": {"devices": 2, "device": "cpu"}}], "workers": 2}, "set only one of the two"),
    ):
        with pytest.raises(ConfigError, match=expected):
            run(tmp_path, posts, **changes)
    few = Posts([post for name in SENTIMENT.names for post in [one for one in posts if one.label == name][:3]])
    with pytest.raises(DataError, match=r"10 folds need 10 groups of near-duplicates.*found 9 labelled.*add posts"):
        run(tmp_path, few)
    with pytest.raises(DataError, match="no post has a label"):
        run(tmp_path, Posts([replace(post, label=None) for post in posts]))
    polar = [post for post in posts if post.label != "neutral"]
    lone = next(post for post in posts if post.label == "neutral")
    with pytest.raises(DataError, match=r"label 'neutral': expected posts in 3 or more groups.*found 1"):
        run(tmp_path, Posts([*polar, lone]))
    assert not [path for path in tmp_path.iterdir() if path.name == "c"]


@pytest.mark.slow
def test_one_fusion_stands_there_with_each_of_its_settings(posts: Posts, tmp_path: Path) -> None:
    vary = {"gated": {"model.options.gate": ["image", "text"]}}
    result = run(tmp_path, posts, fusions=["text"], vary=vary)
    assert {row.model for row in result.rows} == {"text", "gated gate=image", "gated gate=text"}
    plan = load_comparison(result.path).plan
    gates = {model.name: model.config.options.get("gate") for model in plan.models}
    assert gates == {"text": None, "gated gate=image": "image", "gated gate=text": "text"}
    again = run(tmp_path, posts, fusions=["text"], vary=vary)
    assert again.results == result.results
    with pytest.raises(ConfigError, match="option gate: expected image or text, found 'words'"):
        run(tmp_path, posts, fusions=[], vary={"gated": {"model.options.gate": ["image", "words"]}})


def test_groups_of_fusions_come_with_text_and_image_alone() -> None:
    pooled, tokens, everything = ([one.name for one in choose_models([g], [])] for g in ("pooled", "tokens", "all"))
    assert pooled[-2:] == tokens[-2:] == everything[-2:] == ["text", "image"]
    assert set(pooled) | set(tokens) == set(everything)
    assert set(pooled) & set(tokens) == {"text", "image"}
    assert "cross_attention" in tokens
    assert [one.name for one in choose_models(["gated", "pooled", "gated"], [])].count("gated") == 1


def test_of_a_group_only_its_own_fusions_are_tried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(diagram, "draw_fusion", tried.append)
    chosen = [one.name for one in choose_models(["tokens"], [])]
    assert tried == [name for name in chosen if name not in ("text", "image")]


def test_damaged_posts_are_predicted_out_of_fold(copied: Path, posts: Posts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_damage, "_DAMAGED_POSTS", 10)
    head = CellKey(0, 0, "text").head(copied / "c")
    kept = head.read_bytes()
    head.write_bytes(b"not weights")
    with pytest.raises(DataError, match="expected the weights of a text head"):
        run(copied, posts, robustness=True)
    head.write_bytes(kept)
    damaged = run(copied, posts, robustness=True).results.robustness.damaged
    assert damaged is not None
    assert damaged.posts == len(set(damaged.ids)) == 10
    curves = {(one.model, one.damage): one.points for one in damaged.curves}
    images = [("concat", name) for name in ("blur", "noise", "shrink")]
    assert sorted(curves) == sorted([("concat", "typos"), ("text", "typos"), *images])
    for (model, _), points in curves.items():
        cells = [read_cell(copied / "c", CellKey(0, fold, model), SENTIMENT) for fold in (0, 1)]
        right = {i: p.argmax() == y for c in cells for i, y, p in zip(c.ids, c.true, c.probabilities[""], strict=True)}
        assert points[0].changed == 0
        assert points[0].accuracy == pytest.approx(np.mean([right[i] for i in damaged.ids]))
    assert any(points[-1].changed > 0 for points in curves.values())


def test_trials_search_inside_the_training_folds(tmp_path: Path, posts: Posts) -> None:
    result = run(tmp_path, posts, fusions=["text"], trials=3, overrides=[{"train": {"epochs": 1, "batch_size": 32}}])
    (model,) = choose_models(["text"], [{"train": {"epochs": 1, "batch_size": 32}}])
    for fold in (0, 1):
        metrics = read_cell(result.path, CellKey(0, fold, "text"), SENTIMENT).metrics
        assert len(metrics.trials) == 3
        assert metrics.trials[0].settings == recipe_settings(model.config)
        best = max(metrics.trials, key=lambda trial: trial.score or 0.0)
        assert metrics.validation["macro_f1"] == pytest.approx(best.score)
        assert metrics.config.setting("optim.lr") == best.settings["optim.lr"]
    assert result.headlines == ["Only text was run: there is nothing to compare it with."]


def test_test_labels_change_no_model(posts: Posts, done: ComparisonResult) -> None:
    """With other labels in a cell's test posts, that cell predicts the very same."""
    folds = Split.load(done.path / "split.json").folds
    other = {"negative": "positive", "positive": "neutral", "neutral": "negative"}

    def changed(post: Post) -> Post:
        return replace(post, label=other[str(post.label)]) if folds[post.id] in (0, 1) else post

    (model,) = choose_models(["text"], QUICK)
    found = predict_cell(Posts([changed(post) for post in posts]), folds, model.config, 0)
    cell = read_cell(done.path, CellKey(0, 0, "text"), SENTIMENT)
    row = {i: n for n, i in enumerate(posts.ids)}
    assert np.allclose(found[[row[i] for i in cell.ids]], cell.probabilities[""], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("early", {"train": {"epochs": 1, "batch_size": 32}}),
        ("decision", {"train": {"epochs": 1}, "model": {"options": {"rule": "stacked"}, "auxiliary": 1}}),
    ],
)
def test_pixels_and_stackers_have_cells_too(
    name: str, changes: dict[str, Any], posts: Posts, done: ComparisonResult
) -> None:
    """A fusion of pixels goes through its exported head; a stacker is fitted on the cell's training posts."""
    (model,) = choose_models([name], [changes])
    few = posts[:60]
    folds = Split.load(done.path / "split.json").folds
    found = predict_cell(few, {i: folds[i] for i in few.ids}, model.config, 0)
    tested = [folds[i] in (0, 1) for i in few.ids]
    assert np.allclose(found[tested].sum(1), 1)
    assert np.isnan(found[~np.array(tested)]).all()
    assert len({tuple(row) for row in found[tested].round(6)}) > 5  # it tells posts apart


def test_history_has_a_row_an_epoch(done: ComparisonResult) -> None:
    with (done.path / "cells" / "text" / "seed0-fold0" / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"train_loss", "val_loss", "val_macro_f1"} < set(rows[0])


@pytest.mark.slow
def test_a_script_without_its_guard_is_told_what_several_workers_need(synthetic_folder: Path, tmp_path: Path) -> None:
    """Each worker runs the script again, and may start none of its own."""
    words = (
        f"{str(synthetic_folder)!r}, fusions=['text'], seeds=1, folds=2, workers=2, comparisons=Path({str(tmp_path)!r})"
    )
    script = "from pathlib import Path\nfrom moodfuse.workflows.comparison.run import compare\n"
    script += f"compare({words}, overrides=[{{'model': {{'text': 'vader'}}, 'train': {{'epochs': 1}}}}])\n"
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "a worker could not start" in done.stderr


def test_three_cells_of_six_folds_test_every_post_once(posts: Posts, tmp_path: Path) -> None:
    six = [*QUICK, {"split": {"folds": 6}}]
    result = compare(posts, fusions=["text"], seeds=1, workers=1, comparisons=tmp_path, overrides=six)
    folds = Split.load(result.path / "split.json").folds
    tested = [i for fold in range(3) for i in read_cell(result.path, CellKey(0, fold, "text"), SENTIMENT).ids]
    assert sorted(tested) == sorted(folds)
    assert (result.results.folds, result.results.posts) == (3, len(posts))
    assert "3-fold cross-validation: every post is tested once." in result.results.notes
    page = markdown(report_document(result.path))
    assert "split of 6 folds" in page
    assert "trains on the other 3" in page


def test_without_test_posts_the_scores_are_of_the_posts_that_chose(posts: Posts, tmp_path: Path) -> None:
    half = [*QUICK, {"split": {"validation": 30}}]
    result = compare(posts, fusions=["text"], seeds=1, workers=1, comparisons=tmp_path, overrides=half)
    cell = read_cell(result.path, CellKey(0, 0, "text"), SENTIMENT)
    assert cell.metrics.posts.as_json() == {"train": len(posts) - 30, "validation": 30, "test": 30}
    assert cell.metrics.validation["accuracy"] == pytest.approx(cell.metrics.test["accuracy"], abs=1e-6)
    assert (cell.metrics.test_folds, result.results.folds) == ([], 1)
    assert any("no test scores" in note for note in result.results.notes)
    page = markdown(report_document(result.path))
    assert "Every score is on the posts that chose" in page
    assert "never saw" not in page
    blind = [{"split": {"validation": 30}, "train": {"monitor": "none", "patience": 0}}]
    with pytest.raises(ConfigError, match=r"text: split\.validation leaves no test posts, and train\.monitor=none"):
        compare(posts, fusions=["text"], comparisons=tmp_path, name="blind", overrides=blind)
