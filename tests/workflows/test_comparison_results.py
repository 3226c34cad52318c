"""From cells to results, with cells written by hand: planted gaps, equal models, seeds that are not whole, damage."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moodfuse.data.duplicates import Groups
from moodfuse.data.splits import Split
from moodfuse.errors import DataError
from moodfuse.labels import SENTIMENT
from moodfuse.records.cells import CellKey, CellMetrics, CellSeconds, PartSizes, StoredCell, read_cell, write_cell
from moodfuse.records.claim import Claim
from moodfuse.records.comparison import ComparisonFolder, load_comparison, open_comparison
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.plan import ComparisonPlan
from moodfuse.records.results import CellCount
from moodfuse.workflows.comparison.arms import calibrated_by_others
from moodfuse.workflows.comparison.results import build_results

POSTS = 600
TRUE = np.random.default_rng(0).integers(0, 3, POSTS)
IDS = [str(i) for i in range(POSTS)]
#: How often each model is right; without a modality all of them guess.
SKILL = {"gated": 0.8, "concat": 0.8, "text": 0.68, "image": 0.5}


def answers(model: str, seed: int, withheld: str) -> np.ndarray:
    """Probabilities (N, C) whose confidence is the model's true skill: calibrated as they are."""
    generator = np.random.default_rng([list(SKILL).index(model), seed])
    skill = 1 / 3 if withheld else SKILL[model]
    other = (TRUE + generator.integers(1, 3, POSTS)) % 3
    said = np.where(generator.random(POSTS) < skill, TRUE, other)
    top = max(skill, 0.34)
    return np.where(np.arange(3) == said[:, None], top, (1 - top) / 2)


def write(comparison: ComparisonFolder, key: CellKey, temperature: float = 1.0, validation: int = 50) -> None:
    rows = [i for i in range(POSTS) if i % 5 == key.fold]
    single = key.model in ("text", "image")
    withheld = ["", key.model] if single else ["", "text", "image"]
    squared = {one: answers(key.model, key.seed, one)[rows] ** 2 for one in withheld}
    surer = {one: table / table.sum(1, keepdims=True) for one, table in squared.items()}
    metrics = CellMetrics(
        format=1,
        model=key.model,
        seed=key.seed,
        fold=key.fold,
        test_folds=[2 * key.fold, 2 * key.fold + 1],
        validation_folds=[],
        posts=PartSizes(train=POSTS, validation=validation, test=len(rows)),
        temperature=temperature,
        best_epoch=1,
        epochs=1,
        validation={},
        test={},
        parameters=10,
        seconds=CellSeconds(epoch=0.1, fit=1.0, cell=2.0 + key.fold),
        config=StoredConfig({}),
        trials=[],
    )
    said = {one: answers(key.model, key.seed, one)[rows] for one in withheld} if validation else surer
    cell = StoredCell(key, [IDS[i] for i in rows], TRUE[rows], said, metrics)
    write_cell(comparison.path, cell, [{"epoch": 0, "val_macro_f1": 0.5}], SENTIMENT)


def plan(models: list[str], seeds: list[int]) -> ComparisonPlan:
    arms = []
    for name in models:
        both = name not in ("text", "image")
        arms.append({"name": name, "model": name, "reads": "both" if both else name, "withheld": None})
        for gone, left in (("text", "image"), ("image", "text")) if both else ():
            arms.append({"name": f"{name} without {gone}", "model": name, "reads": left, "withheld": gone})
    modalities = {name: [name] if name in ("text", "image") else ["text", "image"] for name in models}
    content = {
        "format": 1, "labels": list(SENTIMENT.names), "seeds": seeds, "folds": 5, "trials": 0, "arms": arms,
        "data": {"sha256": "0", "posts": POSTS},
        "models": [{"name": name, "modalities": modalities[name], "config": {}} for name in models],
    }  # fmt: skip
    return ComparisonPlan.model_validate(content)


def make(folder: Path, models: list[str], seeds: list[int]) -> ComparisonFolder:
    split = Split({i: 2 * (n % 5) + (n // 5) % 2 for n, i in enumerate(IDS)})
    groups = Groups({i: n for n, i in enumerate(IDS)}, {}, {})
    return open_comparison(Claim("comparison", folder, "planted"), plan(models, seeds), split, groups)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> ComparisonFolder:
    comparison = make(tmp_path_factory.mktemp("planted"), list(SKILL), [0, 1])
    for key in comparison.cells():
        write(comparison, key)
    build_results(comparison)
    return comparison


def test_planted_gaps_are_found_and_equal_models_are_not_told_apart(planted: ComparisonFolder) -> None:
    results = json.loads(planted.results.read_text())
    said = {(one["kind"], one["a"], one["b"]): one for one in results["verdicts"]}
    for fusion in ("gated", "concat"):
        for single in ("text", "image"):
            assert said[f"against {single}", fusion, single]["verdict"] == "beats"
    best = results["best"]["arm"]
    other = {"gated": "concat", "concat": "gated"}[best]
    assert said["best", best, other]["verdict"] == "cannot be told apart"
    gap = said["against text", best, "text"]
    assert gap["low"] < 0.12 < gap["high"]
    assert gap["words"].startswith(f"{best} beats text alone by 1")
    assert len(results["pairs"]) == results["test"]["comparisons"] == 6
    assert results["best"]["corrected"] <= results["best"]["value"] + 0.002
    assert results["best"]["chosen"]["image"] == 0
    helps = [line for line in results["headlines"] if line.startswith("the image helps")]
    assert helps[0].endswith("(2 of 2 fusions do)")
    assert any(f"cannot be told apart here from {other}" in line for line in results["headlines"])
    assert results["finished"] is True


def test_rows_hold_means_over_seeds_with_their_spread(planted: ComparisonFolder) -> None:
    results = json.loads(planted.results.read_text())
    rows = {row["arm"]: row for row in results["rows"]}
    accuracy = [float(np.mean(answers("gated", seed, "").argmax(1) == TRUE)) for seed in (0, 1)]
    gated = rows["gated"]
    assert gated["accuracy"]["value"] == pytest.approx(np.mean(accuracy))
    assert gated["accuracy"]["sd_seeds"] == pytest.approx(np.std(accuracy, ddof=1))
    assert gated["accuracy"]["low"] < gated["accuracy"]["value"] < gated["accuracy"]["high"]
    assert gated["accuracy"]["sd_cells"] > 0
    assert np.sum(gated["confusion"]) == pytest.approx(POSTS)
    assert np.trace(gated["confusion"]) / POSTS == pytest.approx(np.mean(accuracy))
    assert rows["gated without text"]["accuracy"]["value"] == pytest.approx(1 / 3, abs=0.06)
    assert [rows[name]["seconds"] for name in ("gated", "text")] == [4.0, 4.0]
    assert results["cost"][0] == {"model": "gated", "parameters": 10, "epoch": 0.1, "cell": 4.0, "total": 40.0}


def test_calibration_and_removal(planted: ComparisonFolder, tmp_path: Path) -> None:
    results = json.loads(planted.results.read_text())
    calibration = {one["arm"]: one for one in results["calibration"]}
    assert calibration["gated"]["ece"] < 0.03
    assert sum(one["posts"] for one in calibration["gated"]["bins"]) == 2 * POSTS
    assert calibration["gated"]["ece"] == pytest.approx(calibration["gated"]["ece_before"], abs=1e-6)
    curve = next(one for one in results["robustness"]["missing"] if one["model"] == "gated")
    shares = [point["share"] for point in curve["points"]]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert curve["points"][0]["accuracy"] > curve["points"][5]["accuracy"] > curve["points"][-1]["accuracy"]
    assert results["robustness"]["damaged"] is None
    # A temperature that made the logits half as large is taken off again.
    other = make(tmp_path, ["gated", "text"], [0])
    for key in other.cells():
        write(other, key, temperature=2.0)
    one = next(one for one in build_results(other).calibration if one.arm == "gated")
    sure = 0.8**2 / (0.8**2 + 2 * 0.1**2)
    assert one.ece_before == pytest.approx(abs(sure - 0.8), abs=0.03)
    assert one.temperatures == [2.0] * 5


def test_cells_that_validated_on_nothing_get_the_temperature_of_the_others(tmp_path: Path) -> None:
    comparison = make(tmp_path, ["gated", "text"], [0])
    for key in comparison.cells():  # their logits are twice as large as they should be
        write(comparison, key, validation=0)
    one = next(one for one in build_results(comparison).calibration if one.arm == "gated")
    assert one.temperatures == pytest.approx([2.0] * 5, abs=0.3)
    assert len(set(one.temperatures)) > 1
    assert one.ece < 0.06 < 0.1 < one.ece_before
    cells = [read_cell(comparison.path, CellKey(0, fold, "gated"), SENTIMENT) for fold in range(5)]
    flipped = replace(cells[0], true=(cells[0].true + 1) % 3)
    again = calibrated_by_others(cells)
    other = calibrated_by_others([flipped, *cells[1:]])
    assert other[0].metrics.temperature == again[0].metrics.temperature  # a cell's own answers do not count
    assert other[1].metrics.temperature > again[1].metrics.temperature


def test_only_whole_seeds_are_shown(tmp_path: Path) -> None:
    comparison = make(tmp_path, ["gated", "text"], [0, 1])
    with pytest.raises(DataError, match="no model has all its cells"):
        build_results(comparison)
    for key in comparison.cells():
        if key.seed == 0:
            write(comparison, key)
    write(comparison, CellKey(1, 0, "gated"))
    results = build_results(comparison)
    assert (results.finished, results.seeds, results.cells) == (False, [0], CellCount(done=11, wanted=20))
    assert any(note.startswith("9 of 20 cells are still to run") for note in results.notes)
    assert any(note.startswith("One seed") for note in results.notes)
    assert results.rows[0].accuracy.sd_seeds is None


def test_seeds_that_are_whole_for_different_models_leave_one_to_show(tmp_path: Path) -> None:
    comparison = make(tmp_path, ["gated", "text"], [0, 1])
    for model, seed in (("gated", 0), ("text", 1)):
        for fold in range(5):
            write(comparison, CellKey(seed, fold, model))
    results = build_results(comparison)
    assert results.seeds == [0]
    assert {row.model for row in results.rows} == {"gated"}


def test_a_damaged_cell_names_the_folder_to_delete(tmp_path: Path) -> None:
    comparison = make(tmp_path, ["gated", "text"], [0])
    for key in comparison.cells():
        write(comparison, key)
    broken = comparison.path / "cells" / "gated" / "seed0-fold2" / "predictions.csv"
    broken.write_text(broken.read_text().replace("negative", "negativ"))
    with pytest.raises(DataError, match=r"gated/seed0-fold2: is not a complete cell .* delete that folder"):
        build_results(comparison)


def test_a_folder_that_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the folder of a comparison"):
        load_comparison(tmp_path)
    (tmp_path / "comparison.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="expected a comparison of format 1, found 99"):
        load_comparison(tmp_path)
