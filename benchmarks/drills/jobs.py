"""What is disturbed: commands, and what lies below them, on small sources that this writes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from drills import good
from drills.forks import Do, warm
from moodfuse.cli.main import run
from moodfuse.data.synthetic import write_synthetic
from moodfuse.decide.label_store import LabelStore
from moodfuse.decide.queue import QueuedPost
from moodfuse.learn.store import FeatureStore
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.scale.blocks import predict_block
from moodfuse.scale.job import plan_job
from moodfuse.scale.ledger import Ledger
from moodfuse.serve.api import create_app
from moodfuse.serve.limits import Settings
from moodfuse.workflows.conversion import convert

_POSTS = 300  # rows that are predicted and converted


@dataclass(frozen=True, slots=True)
class Job:
    """A command, or a part of one."""

    name: str
    do: Do
    #: Whether two at once write the same files.
    shared: bool = False
    #: How many turns it gets in each round.
    turns: int = 5
    #: What it says, and does nothing, where it has been done.
    done: str = ""


def jobs(folder: Path, only: Collection[str] = ()) -> list[Job]:
    """Write the sources, and return the jobs on them, or those that are named."""
    folder.mkdir()
    png = good.images()["a.png"]
    rows = [
        {"id": f"p{i}", "text": f"what a day {i}", "image": png if i % 50 == 0 else None, "label": good.LABELS[i % 3]}
        for i in range(_POSTS)
    ]
    csv, parquet = (folder / f"posts.{suffix}" for suffix in ("csv", "parquet"))
    for path in (csv, parquet):
        convert(rows, path, embed=path.suffix == ".parquet")
    good.bundle(folder / "bundle")
    often = ("--force", "-q")
    predict = ("predict", folder / "bundle")
    to_folder = ("convert", parquet, "--to", "guid_tag", "-q")
    found = [
        Job("predict csv", _command(*predict, csv, "-o", "{out}/out{n}.csv", *often)),
        Job("predict parquet", _command(*predict, parquet, "-o", "{out}/out{n}.parquet", *often)),
        Job("predict blocks", partial(_blocks, folder / "bundle", parquet)),
        Job("predict in one place", _command(*predict, csv, "-o", "{out}/out.csv", *often), shared=True),
        Job("convert to csv", _command("convert", parquet, "{out}/out{n}.csv", *often)),
        Job("convert to parquet", _command("convert", csv, "{out}/out{n}.parquet", "--embed", *often)),
        Job("convert to a folder", _command(*to_folder, "{out}/out{n}"), done="not empty"),
        Job("feature store", _store),
        Job("review", _review, shared=True),
    ]
    if not only or not {job.name for job in found}.issuperset(only):
        found += _fitting_jobs(folder)
    return [job for job in found if not only or job.name in only]


def _fitting_jobs(folder: Path) -> list[Job]:
    """Write encoders and posts to train on, and return the jobs that do: their libraries take seconds to import."""
    warm()
    from drills.tiny_encoders import write_encoders

    posts = write_synthetic(folder / "synthetic", posts=60, unlabelled=0, seed=1)
    text, image = write_encoders(folder / "encoders")
    model = (posts, f"model.text={text}", f"model.image={image}", "train.batch_size=16", "-q")
    train = ("train.epochs=3", "--recipe", "concat", "--name", "run", "--runs", "{out}/runs")
    compare = ("train.epochs=1", "--fusions", "concat", "--seeds", "1", "--folds", "2", "--workers", "1")
    compare += ("--comparisons", "{out}/comparisons")
    search = ("train.epochs=2", "--trials", "3", "--searches", "{out}/searches")
    adapt = ("adapt", posts, "--bundle", folder / "bundle", "--keep-anyway", "--force", "-q")
    return [
        Job("train", _command("train", *model, *train), shared=True, turns=1),
        Job("compare", _command("compare", *model, *compare), shared=True, turns=1),
        Job("search", _command("search", *model, *search), shared=True, turns=1),
        Job("adapt", _command(*adapt, "-o", "{out}/adapted"), shared=True, turns=1),
    ]


def serve_job(folder: Path) -> Job:
    """Return what else a disk can disturb, on the bundle that `jobs` wrote."""
    return Job("serve, a batch", partial(_serve, folder / "bundle"))


def _command(*words: object) -> Do:
    """Return the command; in `{out}` its files go, `{n}` is 1, or 2 for the second of two at once."""
    return partial(_run, tuple(map(str, words)))


def _run(words: tuple[str, ...], place: Path, nth: int) -> int:
    return run([word.replace("{out}", str(place)).replace("{n}", str(nth)) for word in words])


def _blocks(bundle: Path, source: Path, place: Path, nth: int) -> int:
    """Work through a job of blocks as `predict --engine ray` does, without Ray, which takes seconds to start."""
    job = plan_job(read_bundle(bundle), source, place / f"blocks{nth}", rows_a_block=60)
    ledger, blocks = Ledger(job), list(job.blocks())
    ledger.begin(len(blocks), sum(block.run.rows for block in blocks))
    predictor = Predictor.load(bundle, threads=1)
    for block in blocks:
        if block.index not in ledger.finished:
            ledger.add(block.index, predict_block(predictor, job, block))
    return 0


def _store(place: Path, _nth: int) -> int:
    """Fill a feature store; what a key stands for is told by the key, so that a value can be checked."""
    store = FeatureStore(place / "features.sqlite")
    keys = [hashlib.sha256(b"%d" % i).digest() for i in range(3_000)]
    for start in range(0, len(keys), 50):
        wanted = {key: np.frombuffer(key * 16, np.uint8).astype(np.float16) for key in keys[start : start + 50]}
        found = store.get(wanted)
        assert all(np.array_equal(wanted[key], value) for key, value in found.items())
        store.put({key: value for key, value in wanted.items() if key not in found})
    if len(store.get(keys)) < len(keys):
        print("error: the store has given up")
        return 1
    return 0


def _review(place: Path, nth: int) -> int:
    """Label the posts of a review that have no label yet, as a person does, key by key."""
    store = LabelStore(place / "answers.csv.review.sqlite")
    rows, person = range(20), f"person {nth}"
    if not store.posts():
        store.add_posts([QueuedPost(row, "random") for row in rows], dict.fromkeys(rows, ""), {}, after=0)
    there = {given.row for given in store.labels() if given.person == person}
    for row in rows:
        if row not in there:
            store.act(row, person, "label", good.LABELS[row % 3])
    kept = [given for given in store.labels() if given.person == person]
    store.close()
    assert [(given.row, given.label) for given in kept] == [(row, good.LABELS[row % 3]) for row in rows]
    return 0


def _serve(bundle: Path, place: Path, _nth: int) -> int:
    """Send a batch of 400 KB to a service whose temporary folder is in `place`; 1, and a line, where it is refused."""
    app = create_app(Settings(bundle=bundle, folder=place / "tmp", page=False, threads=1))
    body = b"id,text\n" + b"".join(b"%d,%s\n" % (i, b"what a day " * 18) for i in range(2_000))
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.post("/v1/predict/batch", content=body, headers={"Content-Type": "text/csv"})
    if answer.status_code == 507:
        print(f"error: {answer.json()['detail']}")
        return 1
    assert answer.status_code == 200, answer.text
    assert len(answer.text.splitlines()) == 2_000
    return 0
