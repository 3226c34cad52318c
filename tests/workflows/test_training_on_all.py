"""Training on every post: scores that say they are the recipe's, and a bundle that has seen them all."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, DataError
from moodfuse.learn.recipes import resolve_config
from moodfuse.report.markdown import markdown
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.evaluation import evaluate_unseen
from moodfuse.workflows.reporting import report_document
from moodfuse.workflows.training import RunResult, train

ALL = {
    "split": {"hold_out": False},
    "train": {"monitor": "none", "patience": 0, "epochs": 5, "batch_size": 16},
}


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder).labelled()


@pytest.fixture(scope="module")
def run(posts: Posts, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return train(posts, resolve_config("concat", overrides=[ALL]), name="all", runs=tmp_path_factory.mktemp("all"))


def test_the_scores_are_those_of_the_cross_validation_and_say_so(run: RunResult, posts: Posts) -> None:
    assert run.metrics.test.n == len(posts)
    assert "cross-validation of the recipe" in run.metrics.protocol.test
    results = json.loads((run.run.path / "cross-validation" / "results.json").read_text())
    assert run.metrics.test.accuracy == results["rows"][0]["accuracy"]["value"]
    assert run.metrics.test.calibration_error == results["calibration"][0]["ece"]
    assert "cross-validation of the recipe" in (run.run.bundle / "MODEL_CARD.md").read_text()
    assert "this\n  model itself was never tested" in (run.run.bundle / "MODEL_CARD.md").read_text()
    assert run.bundle.manifest.training["posts"] == len(posts)
    # Nothing is chosen in its cells, so that nothing is kept from their training either.
    cell = json.loads(
        (run.run.path / "cross-validation" / "cells" / "concat" / "seed0-fold0" / "metrics.json").read_text()
    )
    assert cell["posts"]["validation"] == 0
    assert cell["posts"]["train"] + cell["posts"]["test"] == len(posts)
    assert cell["validation_folds"] == []
    assert cell["validation"] == {}
    assert cell["temperature"] == 1
    assert len(set(results["calibration"][0]["temperatures"])) == 5  # each by the others' answers


def test_the_report_says_what_the_scores_are_of(run: RunResult, synthetic_folder: Path) -> None:
    text = markdown(report_document(run.run.path, data=synthetic_folder))
    assert "The scores are those of a five-fold cross-validation" in text
    assert "was kept: the last" in text
    assert "was fitted on all of these answers" in text
    assert "validation none" not in text
    assert "set on validation posts" not in text
    assert "from the text alone" not in text  # the bundle has seen every post of the gallery


def test_every_post_has_an_answer_of_a_model_that_had_not_seen_it(run: RunResult, posts: Posts) -> None:
    lines = run.run.predictions.read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == posts.ids


@pytest.mark.slow
def test_with_several_seeds_the_answers_are_those_of_the_first_and_no_ensemble(posts: Posts, tmp_path: Path) -> None:
    quick = {"split": {"hold_out": False, "repeats": 2}, "model": {"text": "vader"}}
    config = resolve_config("text", overrides=[ALL, quick, {"train": {"epochs": 1}, "optim": {"lr": 0.1}}])
    path = train(posts, config, name="all", runs=tmp_path).run.path
    cells = sorted((path / "cross-validation" / "cells" / "text").glob("seed0-*/predictions.csv"))
    said = {row["id"]: row for cell in cells for row in csv.DictReader(cell.open(newline=""))}
    rows = list(csv.DictReader((path / "predictions.csv").open(newline="")))
    names = [f"p_{label}" for label in config.labels]
    assert len(rows) == len(said) == len(posts)
    for row in rows:  # a temperature moves no rank
        ranks = [sorted(names, key=lambda name, one=one: float(one[name])) for one in (row, said[row["id"]])]
        assert ranks[0] == ranks[1]


def test_the_bundle_keeps_how_posts_were_answered_that_its_cells_had_not_seen(run: RunResult, posts: Posts) -> None:
    confusion = run.bundle.manifest.confusion
    assert set(confusion) == {"image|text", "text", "image"}
    assert [sum(row) for row in confusion["image|text"].counts] == [sum(row) for row in run.metrics.test.confusion]
    assert all(one.posts == pytest.approx(len(posts)) for one in confusion.values())


def test_the_bundle_knows_that_it_has_seen_them_all(run: RunResult, posts: Posts) -> None:
    with pytest.raises(DataError, match=f"trained on all {len(posts)} of these posts"):
        evaluate_unseen(Predictor(run.bundle), posts)


def test_the_same_call_again_trains_nothing(run: RunResult, posts: Posts) -> None:
    config = resolve_config("concat", overrides=[ALL])
    assert train(posts, config, name="all", runs=run.run.path.parent).resumed


SCRIPT = """
import sys
from pathlib import Path
from moodfuse.data.formats.readers import read_posts
from moodfuse.learn.recipes import resolve_config
from moodfuse.workflows.training import train
data, config, runs = sys.argv[1:]
train(read_posts(data), resolve_config(file=Path(config)), name="all", runs=Path(runs))
"""


@pytest.mark.slow
def test_a_plain_script_trains_on_every_post(synthetic_folder: Path, tmp_path: Path) -> None:
    """Without the `if __name__ == "__main__":` that several processes would need."""
    config = resolve_config("text", overrides=[ALL, {"model": {"text": "vader"}, "train": {"epochs": 1}}])
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(synthetic_folder), str(tmp_path / "config.yaml")]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "all" / "metrics.json").is_file()


FIVE = ALL | {"split": {"hold_out": False, "folds": 5}}


@pytest.mark.parametrize(
    ("settings", "split", "told"),
    [
        ({"split": {"hold_out": False}}, None, "set train.monitor=none"),
        (ALL, Path("split.json"), "leave it out"),
        (FIVE, None, "expected 10, which make the five cells of a comparison"),
    ],
)
def test_what_would_need_held_out_posts_is_refused(
    posts: Posts, tmp_path: Path, settings: dict[str, object], split: Path | None, told: str
) -> None:
    config = resolve_config("concat", overrides=[settings])
    with pytest.raises(ConfigError, match=told):
        train(posts, config, name="all", runs=tmp_path, split_file=split)
    assert not (tmp_path / "all").exists()  # the name is free for the settings that do


def test_a_label_that_no_cell_could_train_on_leaves_the_run_free_for_other_posts(posts: Posts, tmp_path: Path) -> None:
    config = resolve_config("concat", overrides=[ALL, {"labels": ["negative", "neutral", "positive", "mixed"]}])
    with pytest.raises(DataError, match="mixed"):
        train(posts, config, name="all", runs=tmp_path)
    assert not (tmp_path / "all" / "split.json").exists()
