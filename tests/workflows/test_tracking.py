"""Trackers get what a run has on disk, and their own clients read it: settings, curve, scores with ends, report."""

import shutil
from pathlib import Path

import pytest

from moodfuse.errors import ConfigError, DataError
from moodfuse.workflows.tracking import track


@pytest.fixture
def copied(trained_run: Path, tmp_path: Path) -> Path:
    """The run of all tests, to be reported on: tracking writes the report into its folder."""
    return shutil.copytree(trained_run, tmp_path / trained_run.name)


def test_mlflow_has_the_settings_the_curve_the_scores_and_the_report(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    from moodfuse.records.run import read_run

    monkeypatch.chdir(tmp_path)
    where = f"sqlite:///{tmp_path}/tracked.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where)
    assert track(copied, "mlflow") == where
    client, run = MlflowClient(where), read_run(copied)
    experiment = client.get_experiment_by_name("moodfuse")
    assert experiment
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.info.run_name == run.name
    assert found.data.params["model.fusion"] == "concat"
    assert run.metrics
    assert found.data.metrics["macro_f1"] == run.metrics.test.macro_f1
    assert found.data.metrics["macro_f1_low"] == run.metrics.test.intervals["macro_f1"][0]
    curve = [metric.value for metric in client.get_metric_history(found.info.run_id, "val_macro_f1")]
    assert curve == [epoch["val_macro_f1"] for epoch in run.histories[""]]
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["report.html", "report.md"]


def test_tensorboard_has_the_curve(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from moodfuse.records.run import read_run

    monkeypatch.chdir(tmp_path)
    events = EventAccumulator(track(copied, "tensorboard")).Reload()
    curve = [event.value for event in events.Scalars("val_macro_f1")]
    assert curve == pytest.approx([epoch["val_macro_f1"] for epoch in read_run(copied).histories[""]])


def test_an_unknown_tracker_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected mlflow, wandb, tensorboard, found 'excel'"):
        track(tmp_path, "excel")


def test_a_folder_of_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the folder of a run"):
        track(tmp_path, "mlflow")
