"""Jobs on Ray, on a small instance of our own: what comes out is what one process writes, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

ray = pytest.importorskip("ray")

from scale_cases import answers, same, write_posts  # noqa: E402

from moodfuse.cli.main import run as moodfuse  # noqa: E402
from moodfuse.data.formats.jsonl import JsonLinesReader  # noqa: E402
from moodfuse.errors import ConfigError, OutputError  # noqa: E402
from moodfuse.runtime.bundle import read_bundle  # noqa: E402
from moodfuse.runtime.devices import devices_to_try  # noqa: E402
from moodfuse.runtime.predictor import Predictor  # noqa: E402
from moodfuse.scale import ray_predict as scale  # noqa: E402
from moodfuse.scale.blocks import predict_block  # noqa: E402
from moodfuse.scale.job import Job, plan_job  # noqa: E402
from moodfuse.scale.ledger import FINISHED  # noqa: E402
from moodfuse.workflows.prediction import predict_source  # noqa: E402
from ports import silent_port  # noqa: E402

LOCAL = {"include_dashboard": False, "object_store_memory": 100 * 2**20, "log_to_driver": False}


@pytest.fixture(scope="module")
def two_cpus() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, _node_ip_address="127.0.0.1", **LOCAL)
    yield
    ray.shutdown()


def job(bundle: Path, source: Path, destination: Path, rows: int) -> Job:
    return plan_job(read_bundle(bundle), source, destination, rows_a_block=rows)


def whole(bundle: Path, source: Path) -> list[dict[str, Any]]:
    output = source.with_name("whole.parquet")
    predict_source(Predictor.load(bundle, threads=1), source, output)
    return answers(output)


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("two_cpus")
def test_ray_writes_what_one_process_writes_and_resumes(trained_run: Path, tmp_path: Path) -> None:
    source = write_posts(tmp_path / "in.parquet", 230)
    planned = job(trained_run, source, tmp_path / "out", 50)
    outcome = scale.ray_predict(planned, scale.Workers(2, device="auto"))
    expected = whole(trained_run, source)
    assert same(answers(tmp_path / "out"), expected)
    assert outcome.devices == {devices_to_try("auto")[0]: 230}
    assert (
        sum("image_unreadable" in row["status"] for row in expected) == 3 == outcome.summary.status["image_unreadable"]
    )
    assert (outcome.blocks, outcome.done, outcome.rows, outcome.summary.posts) == (5, 5, 230, 230)
    planned.part(3).unlink()
    again = scale.ray_predict(planned, scale.Workers(2))
    assert (again.done, again.rows, again.summary) == (1, 50, outcome.summary)
    assert same(answers(tmp_path / "out"), expected)
    assert scale.ray_predict(planned, scale.Workers(2, address="127.0.0.1:1")).done == 0  # nobody is asked
    for index in (0, 1, 2):
        planned.part(index).unlink()
    shrunk = scale.ray_predict(planned, scale.Workers(9))  # begun where there was room for nine
    assert (shrunk.done, shrunk.summary) == (3, outcome.summary)
    assert moodfuse(["predict", str(trained_run), str(source), "-o", str(tmp_path / "out"), "--engine", "ray"]) == 1


@pytest.mark.usefixtures("two_cpus")
def test_columns_are_found_once_for_all_workers(
    text_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": "good", f"n{i}": i}) + "\n" for i in range(9)))
    searches, columns, handed = [], JsonLinesReader.columns, []
    monkeypatch.setattr(JsonLinesReader, "columns", lambda *given: searches.append(1) or columns(*given))
    copy = lambda job: pickle.loads(pickle.dumps(job))  # noqa: E731, S301
    monkeypatch.setattr(scale, "_answers", lambda job, *_: handed.append(copy(job)) or iter(()))
    scale.ray_predict(job(text_run, source, tmp_path / "out", 2), scale.Workers(2))
    [worker] = handed
    for block in worker.blocks():
        predict_block(Predictor.load(text_run, threads=1), worker, block)
    assert len(searches) == 1
    assert len(answers(tmp_path / "out")[0]) == 1 + 9 + len(worker.layout.names)


@pytest.mark.usefixtures("two_cpus")
def test_what_is_wrong_is_told_before_work(text_run: Path, tmp_path: Path) -> None:
    planned = job(text_run, write_posts(tmp_path / "in.parquet", 30), tmp_path / "out", 20)
    with pytest.raises(ConfigError, match=r"expected 2 workers of 9 CPU threads, found 2 CPUs"):
        scale.ray_predict(planned, scale.Workers(2, threads=9))
    with silent_port() as port:
        began = time.monotonic()
        with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1"):
            scale.ray_predict(planned, scale.Workers(2, address=f"127.0.0.1:{port}"))
    assert time.monotonic() - began < 2 * scale.CONNECT_SECONDS
    for address in ("nonsense", "http://a:1", "a:b"):
        with pytest.raises(ConfigError, match="expected host:port"):
            scale.ray_predict(planned, scale.Workers(2, address=address))
    with pytest.raises(OutputError, match="Not a directory"):
        scale.ray_predict(job(text_run, planned.source, planned.source / "out", 20))


def test_an_address_where_something_else_listens(
    monkeypatch: pytest.MonkeyPatch, text_run: Path, tmp_path: Path
) -> None:
    planned = job(text_run, write_posts(tmp_path / "in.parquet", 30), tmp_path / "out", 20)
    monkeypatch.setattr(scale, "REACH_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConfigError, match="says nothing of Ray for 2 s"):
            scale.ray_predict(planned, scale.Workers(2, address=address))


@pytest.mark.usefixtures("two_cpus")
def test_what_a_worker_finds_is_one_line(text_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    table = pyarrow.table({"text": [f"good {i}" for i in range(2_000)]})
    pyarrow.parquet.write_table(table, source, row_group_size=500, compression="none", use_dictionary=False)
    content = bytearray(source.read_bytes())
    damaged = content.index(b"good 1725")
    content[damaged - 60 : damaged + 60] = (
        b"\xff" * 120
    )  # a page that only a worker reads; the index at the end stays whole
    source.write_bytes(content)
    with pytest.raises(scale.WorkerError, match=r"in\.parquet: cannot be read as Parquet") as caught:
        scale.ray_predict(job(text_run, source, tmp_path / "out", 500), scale.Workers(1))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.usefixtures("two_cpus")
def test_the_block_of_a_killed_worker_is_done_again_once(trained_run: Path, tmp_path: Path) -> None:
    source = write_posts(tmp_path / "in.parquet", 1_200)
    planned = job(trained_run, source, tmp_path / "out", 200)
    killed: list[int] = []

    def kill() -> None:
        def begun() -> bool:
            for tries in planned.destination.glob("_tries-*"):
                try:
                    killed.append(int(tries.read_text().split()[1]))
                except (OSError, IndexError):
                    continue
                os.kill(killed[0], signal.SIGKILL)
                return True
            return False

        until(begun)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = scale.ray_predict(planned, scale.Workers(2))
    killer.join()
    assert len(killed) == 1
    assert (outcome.done, outcome.rows) == (6, 1_200)
    assert same(answers(tmp_path / "out"), whole(trained_run, source))
    assert not list(planned.destination.glob("_tries-*"))


@pytest.mark.slow
def test_a_killed_driver_is_run_again(trained_run: Path, tmp_path: Path) -> None:
    source, output = write_posts(tmp_path / "in.parquet", 1_000), tmp_path / "out"
    words = ["predict", str(trained_run), str(source), "-o", str(output), "--engine", "ray", "--workers", "1"]
    command = [sys.executable, "-c", "from moodfuse.cli.main import main; main()", *words, "--block", "100"]
    finished = output / FINISHED
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until(lambda: finished.is_file() and bool(finished.read_text()))
        process.kill()
    there = {path.name: path.stat().st_mtime_ns for path in output.glob("part-*")}
    assert 0 < len(there) < 10
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    assert '"blocks": 10' in done.stdout
    assert same(answers(output), whole(trained_run, source))
    assert {name: (output / name).stat().st_mtime_ns for name in there} == there


@pytest.mark.slow
def test_the_blocks_of_a_removed_node_are_done_by_those_left(trained_run: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    ray.shutdown()
    source = write_posts(tmp_path / "in.parquet", 1_200)
    planned = job(trained_run, source, tmp_path / "out", 100)
    small = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=small | {"include_dashboard": False})
    try:
        other = cluster.add_node(**small)
        cluster.wait_for_nodes()
        done: list[int] = []

        def progress(_what: str, rows: int, _total: int) -> None:
            done.append(rows)
            if len(done) == 2:
                cluster.remove_node(other, allow_graceful=False)

        workers = scale.Workers(2, address=cluster.address)
        outcome = scale.ray_predict(planned, workers, progress=progress)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert (outcome.done, outcome.rows) == (12, 1_200)
    assert same(answers(tmp_path / "out"), whole(trained_run, source))


@pytest.mark.slow
@pytest.mark.usefixtures("two_cpus")
def test_tasks_on_ray_share_the_cells_of_a_comparison(synthetic_folder: Path, tmp_path: Path) -> None:
    words = ["compare", str(synthetic_folder), "--fusions", "text,concat", "--seeds", "1", "--folds", "2", "--quiet"]
    words += ["--name", "shared", "--comparisons", str(tmp_path), "--workers", "1", "train.epochs=2"]

    @ray.remote(num_cpus=1)
    def work() -> int:
        return subprocess.run([sys.executable, "-m", "moodfuse", *words], check=False).returncode

    assert ray.get([work.remote() for _ in range(2)]) == [0, 0]
    cells = list((tmp_path / "shared" / "cells").glob("*/*/metrics.json"))
    assert len(cells) == 4
    assert (tmp_path / "shared" / "results.json").is_file()
