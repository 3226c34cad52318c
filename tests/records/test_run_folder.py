"""What a folder of a run is, and which runs a configuration takes an encoder from."""

from pathlib import Path

from moodfuse.data.duplicates import Groups
from moodfuse.records.run import RunFolder, borrowed_runs, has_trained_encoders, is_run
from moodfuse.settings import build_config
from moodfuse.workflows.leaks import borrowed_seen, refuse_leaks


def test_the_names_on_disk_stay(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.stage("text") == tmp_path / "checkpoints" / "stage-text"
    assert run.stage("text").parent == run.checkpoints
    assert run.unfinished == tmp_path / "bundle.unfinished"


def test_a_run_is_one_thing_and_trained_encoders_are_another(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "first")
    run.path.mkdir()
    config = build_config([{"model": {"text": str(run.path), "image": ["efficientnet-lite0", str(run.path)]}}])
    run.config.write_text(config.to_yaml())
    assert not is_run(run.path)
    assert not has_trained_encoders(run.path)
    # A folder of an encoder may hold a config.yaml too: without checkpoints nothing is borrowed, so nothing can leak.
    assert borrowed_runs(config) == []
    refuse_leaks(config, {"train": [], "validation": [], "test": []}, {}, Groups({}, {}, {}))
    assert borrowed_seen(config) == {"train": set(), "validation": set()}
    run.environment.write_text("{}")
    assert is_run(run.path)
    assert not has_trained_encoders(run.path)
    run.checkpoints.mkdir()
    assert has_trained_encoders(run.path)
    assert borrowed_runs(config) == [run]
