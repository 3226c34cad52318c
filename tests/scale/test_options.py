"""`predict` on the command line: shards, Parquet through and through, and what does not go together."""

from __future__ import annotations

import importlib.util
import resource
from pathlib import Path

import pytest

from moodfuse.cli.main import run as moodfuse
from moodfuse.errors import OutputError
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.scale.blocks import predict_block
from moodfuse.scale.job import plan_job
from moodfuse.scale.ledger import Ledger
from moodfuse.workflows import extras

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from scale_cases import answers, same, write_posts  # noqa: E402

from ports import silent_port  # noqa: E402


def error_of(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert moodfuse([*map(str, words)]) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.startswith("error: ")
    return line


def test_shards_of_parquet_go_into_parquet(text_run: Path, tmp_path: Path) -> None:
    source = write_posts(tmp_path / "in.parquet", 50)
    assert moodfuse(["predict", str(text_run), str(source), "-o", str(tmp_path / "whole.parquet"), "-q"]) == 0
    for number in (1, 2, 3):
        words = ["-o", str(tmp_path / f"{number}.parquet"), "--shard", f"{number}/3", "-q"]
        assert moodfuse(["predict", str(text_run), str(source), *words]) == 0
    found = [row for number in (1, 2, 3) for row in answers(tmp_path / f"{number}.parquet")]
    assert same(found, answers(tmp_path / "whole.parquet"))


def test_a_folder_of_parquet_files_gives_parquet(text_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("a", "b"):
        write_posts(folder / f"{name}.parquet", 20)
    output = tmp_path / "out.parquet"
    assert moodfuse(["predict", str(text_run), str(folder), "-o", str(output), "-q"]) == 0
    assert [row["id"] for row in answers(output)] == [f"p{i}" for i in range(20)] * 2


def test_what_does_not_go_together(text_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_posts(tmp_path / "in.parquet", 5)
    start = ["predict", text_run, source, "-o", tmp_path / "out"]
    assert "--shard does not go with --engine ray" in error_of(capsys, *start, "--engine", "ray", "--shard", "1/2")
    assert "--workers does not go with --engine plain" in error_of(capsys, *start, "--workers", 2)
    assert "--sheet does not go with --engine ray" in error_of(capsys, *start, "--engine", "ray", "--sheet", "a")
    assert "expected i/n" in error_of(capsys, *start, "--shard", "3/2")
    assert "name it with --output" in error_of(capsys, "predict", text_run, source, "--engine", "ray")
    assert not (tmp_path / "out").exists()


def test_without_ray_it_says_which_extra(
    text_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "ray" else real(name))
    source = write_posts(tmp_path / "in.parquet", 5)
    error = error_of(capsys, "predict", text_run, source, "-o", tmp_path / "out", "--engine", "ray")
    assert "pip install 'moodfuse[ray]'" in error


def test_an_address_where_nobody_listens(text_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    source = write_posts(tmp_path / "in.parquet", 5)
    with silent_port() as port:
        address = f"127.0.0.1:{port}"
        words = ["-o", tmp_path / "out", "--engine", "ray", "--address", address]
        assert f"no Ray cluster answers at {address}" in error_of(capsys, "predict", text_run, source, *words)


def test_a_full_disk_is_told_and_leaves_no_part(text_run: Path, tmp_path: Path) -> None:
    source = write_posts(tmp_path / "in.parquet", 60)
    job = plan_job(read_bundle(text_run), source, tmp_path / "out", rows_a_block=60)
    Ledger(job).begin(1, 60)
    predictor = Predictor.load(text_run, threads=1)
    [block] = job.blocks()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        with pytest.raises(OutputError, match="make room"):
            predict_block(predictor, job, block)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(job.destination.glob("*part*"))
