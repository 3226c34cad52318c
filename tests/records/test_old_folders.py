"""Folders that moodfuse 0.1 wrote open, are reported and gone on in; what is damaged or half there is told."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from old_folders import ON_ALL_METRICS, write_comparison, write_run, write_search

from moodfuse.config import Config
from moodfuse.data.duplicates import Groups
from moodfuse.data.splits import Split
from moodfuse.errors import ConfigError, DataError
from moodfuse.labels import Labels
from moodfuse.records.cells import CellKey, read_cell
from moodfuse.records.claim import Claim
from moodfuse.records.comparison import load_comparison, open_comparison, read_comparison
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.metrics import RunMetrics
from moodfuse.records.plan import ComparisonPlan
from moodfuse.records.record import Record, read_record
from moodfuse.records.results import ComparisonResults
from moodfuse.records.run import open_run, read_run
from moodfuse.records.search import SearchPlan, SearchSummary, open_search, read_search, trial_rows
from moodfuse.settings import build_config, load_yaml
from moodfuse.workflows.comparison.results import build_results
from moodfuse.workflows.reporting import write_report

Write = Callable[[Path], Path]


def test_a_run_is_reported(tmp_path: Path) -> None:
    page = write_report(write_run(tmp_path / "run"), format="md").read_text()
    assert page.count("cannot be shown") == page.count("The posts cannot be shown: the path of the run's posts") == 1
    for words in (
        "Macro-F1 0.733 (0.200 to 1.000) and accuracy 0.750 (0.250 to 1.000) on 4 held-out posts.",
        "macro-F1 0.733 from the text and 0.733 from the image",
        "Epoch 2 of 2 was kept: the best by validation macro-F1. 1,234 weights were trained.",
        "The temperature, 1.25, was fitted on the validation posts",
        "| below 0.650: to be checked by hand | 1 | 0.000 |",
        "1 of 4 held-out posts are wrong",
        "largest difference, PyTorch to ONNX: 1.0e-06",
        "posts in the split: 24",
        "moodfuse: 0.1.0",
    ):
        assert words in page


def test_a_run_on_every_post_is_reported(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "metrics.json").write_text(ON_ALL_METRICS)
    held_out = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(held_out.replace("hold_out: true", "hold_out: false"))
    page = write_report(folder, format="md").read_text()
    assert "The scores are those of a five-fold cross-validation of the recipe." in page
    assert "The review threshold, set on these posts" in page


def test_a_comparison_is_built_and_reported(tmp_path: Path) -> None:
    comparison = load_comparison(write_comparison(tmp_path / "first"))
    assert not comparison.todo()
    assert [row.accuracy.value for row in build_results(comparison).rows] == [1.0, 0.5, 0.5, 0.5]
    page = write_report(comparison.path, format="md").read_text()
    assert "gated scores highest of 2" in page
    assert "cannot be" not in page.replace("cannot be told apart", "")
    assert "2 models, 1 seed × 2 folds of the same split" in page
    assert "optim.lr=0.001, train.batch\\_size=64" in page


def test_a_search_is_reported(tmp_path: Path) -> None:
    folder = write_search(tmp_path / "search")
    page = write_report(folder, format="md").read_text()
    assert "Trial 2 is the best of 3: validation macro-F1 0.610." in page
    assert "Not finished: 3 of 4 trials have ended" in page
    assert "| optim.lr | 0.001 | 0.004 |" in page
    rows = [",".join("" if value is None else str(value) for value in row.values()) for row in _trials(folder)]
    assert rows == (folder / "trials.csv").read_text().splitlines()[1:]


def _trials(folder: Path) -> list[dict[str, str | int | float | None]]:
    return trial_rows(read_search(folder).trials)


@pytest.mark.parametrize(
    ("write", "name", "kind"),
    [
        (write_run, "metrics.json", RunMetrics),
        (write_comparison, "comparison.json", ComparisonPlan),
        (write_search, "search.json", SearchSummary),
        (write_search, "plan.json", SearchPlan),
    ],
)
def test_what_is_written_is_what_0_1_wrote(tmp_path: Path, write: Write, name: str, kind: type[Record]) -> None:
    path = write(tmp_path / "folder") / name
    assert read_record(path, kind).as_json() == json.loads(path.read_text())


def test_results_are_written_as_they_are_read(tmp_path: Path) -> None:
    comparison = load_comparison(write_comparison(tmp_path / "first"))
    written = json.loads(json.dumps(build_results(comparison).as_json()))
    assert written == json.loads(comparison.results.read_text())
    assert read_record(comparison.results, ComparisonResults).as_json() == written


def test_keys_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics |= {"fairness": {"gap": 0.1}}
    metrics["test"]["per_class"]["bad"]["brier"] = 0.2
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert read_run(folder).metrics is not None
    assert not read_run(folder).missing


def test_a_run_and_a_search_are_gone_on_in(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert open_run(Claim("run", tmp_path, "run"), build_config([load_yaml(run / "config.yaml")]), "9b1c").path == run
    with pytest.raises(DataError, match=r"holds a run on other posts or on another --split; give another --name"):
        open_run(Claim("run", tmp_path, "run"), build_config([load_yaml(run / "config.yaml")]), "other")
    search = write_search(tmp_path / "search")
    there = read_search(search).config.resolved()
    assert open_search(tmp_path, "search", there, "9b1c").path == search


def test_a_comparison_is_gone_on_in_by_a_version_with_more_settings(tmp_path: Path) -> None:
    comparison = load_comparison(write_comparison(tmp_path / "first"))
    models = [
        model.model_copy(update={"config": StoredConfig.from_config(model.config.resolved())})
        for model in comparison.plan.models
    ]
    assert len(models[0].config.flat()) > len(comparison.plan.models[0].config.flat())
    now = comparison.plan.model_copy(update={"models": models})
    claim = Claim("comparison", tmp_path, "first")
    split, groups = Split.load(comparison.split), Groups.load(comparison.groups)
    assert open_comparison(claim, now, split, groups).plan == comparison.plan


WIDE, WIDE_AND_DROPPED = {"width": 64}, {"width": 64, "dropout": 0.2}


@pytest.mark.parametrize(("first", "second"), [(WIDE_AND_DROPPED, WIDE), (WIDE, WIDE_AND_DROPPED)])
def test_an_option_left_out_is_another_configuration(
    first: dict[str, float], second: dict[str, float], tmp_path: Path
) -> None:
    before, now = (build_config([{"model": {"options": options}}]) for options in (first, second))
    run = open_run(Claim("run", tmp_path, "run"), before, "9b1c")
    Split({"1": 0}).save(run.split)
    with pytest.raises(ConfigError, match=r"holds a run with another configuration \(model\.options\.dropout: "):
        open_run(Claim("run", tmp_path, "run"), now, "9b1c")
    open_search(tmp_path, "search", before, "9b1c")
    with pytest.raises(ConfigError, match=r"holds a search with another configuration \(model\.options\.dropout: "):
        open_search(tmp_path, "search", now, "9b1c")
    comparison = load_comparison(write_comparison(tmp_path / "first"))
    split, groups = Split.load(comparison.split), Groups.load(comparison.groups)
    claim = Claim("comparison", tmp_path, "second")
    open_comparison(claim, _with(comparison.plan, before), split, groups)
    with pytest.raises(ConfigError, match=r"another configuration \(gated: model\.options\.dropout: "):
        open_comparison(claim, _with(comparison.plan, now), split, groups)


def _with(plan: ComparisonPlan, config: Config) -> ComparisonPlan:
    first, *rest = plan.models
    changed = first.model_copy(update={"config": StoredConfig.from_config(config)})
    return plan.model_copy(update={"models": [changed, *rest]})


FILES: list[tuple[Write, str]] = [
    (write_run, "metrics.json"),
    (write_run, "environment.json"),
    (write_run, "config.yaml"),
    (write_run, "split.json"),
    (write_run, "predictions.csv"),
    (write_run, "history.csv"),
    (write_search, "search.json"),
    (write_search, "trials.csv"),
    (write_comparison, "results.json"),
    (write_comparison, "comparison.json"),
]
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda whole: whole[:-20],
    "list": lambda whole: b"[1, 2]",
    "empty": lambda whole: b"{}",
    "blank": lambda whole: b"",
}
#: What tells a run or a comparison from any other folder.
MARKS = ("config.yaml", "environment.json", "comparison.json")


@pytest.fixture(scope="module")
def whole_folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Write], tuple[Path, str]]:
    """Folders with results, each made once, and their reports."""

    @cache
    def folder_and_report(write: Write) -> tuple[Path, str]:
        folder = write(tmp_path_factory.mktemp("whole") / "folder")
        if write is write_comparison:
            build_results(load_comparison(folder))
        return folder, write_report(folder, format="md").read_text()

    return folder_and_report


@pytest.fixture
def own_folder(whole_folders: Callable[[Write], tuple[Path, str]], write: Write, tmp_path: Path) -> tuple[Path, str]:
    """A copy to damage, and the report of the whole one."""
    folder, report = whole_folders(write)
    return shutil.copytree(folder, tmp_path / folder.name), report


@pytest.mark.parametrize(("write", "name"), FILES)
def test_what_is_gone_is_told_and_the_rest_is_shown(own_folder: tuple[Path, str], name: str) -> None:
    folder, whole = own_folder
    (folder / name).unlink()
    if name in MARKS:
        with pytest.raises(DataError, match=rf"expected the folder of a run .*{name}.*without any of these"):
            write_report(folder, format="md")
        return
    page = write_report(folder, format="md").read_text()
    if name == "results.json":
        assert page == whole  # built again from the cells
    else:
        assert f"{name} is missing" in page
        assert len(_kept(page, whole)) > 5


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(("write", "name"), FILES)
def test_what_is_damaged_is_told_and_the_rest_is_shown(own_folder: tuple[Path, str], name: str, how: str) -> None:
    folder, whole = own_folder
    (folder / name).write_bytes(DAMAGE[how]((folder / name).read_bytes()))
    page = write_report(folder, format="md").read_text()
    if name == "results.json":
        assert page == whole
        return
    told = f"{name} cannot be read as {'CSV' if name.endswith('csv') else 'YAML' if name.endswith('yaml') else 'JSON'}"
    told = {
        ("predictions.csv", "cut"): "predictions.csv: 1 incomplete row is left out",
        ("history.csv", "cut"): "history.csv: 1 incomplete row is left out",
        ("trials.csv", "cut"): "trials.csv: 1 incomplete row is left out",
        ("config.yaml", "empty"): "The model cannot be drawn: unknown fusion",  # older files may lack any setting
        ("environment.json", "empty"): "- moodfuse: –",
    }.get((name, how), told)
    assert (told if name != "split.json" else "split.json is missing or incomplete") in page
    assert len(_kept(page, whole)) > 5


def _kept(page: str, whole: str) -> set[str]:
    return {line for line in page.splitlines() if line} & set(whole.splitlines())


def test_a_row_that_is_not_whole_is_left_out_of_the_results(tmp_path: Path) -> None:
    comparison = load_comparison(write_comparison(tmp_path / "first"))
    build_results(comparison)
    results = json.loads(comparison.results.read_text())
    results["rows"][0]["macro_f1"] = {}
    results["cost"][1]["cell"] = "soon"
    comparison.results.write_text(json.dumps(results))
    found = read_comparison(comparison.path)
    assert found.results is not None
    assert "gated" not in [row.arm for row in found.rows]
    assert [one.model for one in found.results.cost] == ["gated"]


def test_a_damaged_cell_is_told_with_the_place_of_the_fault(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "first")
    path = folder / "cells" / "gated" / "seed0-fold1" / "metrics.json"
    path.write_text(path.read_text().replace('"temperature": 1.25', '"temperature": "warm"'))
    with pytest.raises(
        DataError, match=r"gated/seed0-fold1: is not a complete cell \(.*temperature: .* delete that folder"
    ):
        read_cell(folder, CellKey(0, 1, "gated"), Labels(("bad", "good")))
    assert [len(cells) for cells in read_comparison(folder).cells.values()] == [1, 2]


def test_a_report_does_without_what_only_training_needs() -> None:
    """`moodfuse[report]` installs neither filelock nor PyTorch."""
    script = "import sys, moodfuse.workflows.reporting; print(sorted({'filelock', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
