"""Jobs in blocks, without Ray: whose a destination is, what is done again, what one post can cost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from scale_cases import answers, pa, pq, same, write_posts

from moodfuse.data.formats.registry import _READERS, reader
from moodfuse.data.formats.tables import CsvReader
from moodfuse.data.images import MAX_IMAGES
from moodfuse.data.posts import ImageRef, Post
from moodfuse.data.synthetic import write_synthetic
from moodfuse.errors import DataError, OutputError
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.scale.blocks import GIVEN_UP_AFTER, predict_block
from moodfuse.scale.job import Job, plan_job
from moodfuse.scale.ledger import FINISHED, MANIFEST, Ledger
from moodfuse.scale.quarantine import Quarantine
from moodfuse.workflows.prediction import Answers, predict_source


@pytest.fixture(scope="module")
def predictor(text_run: Path) -> Predictor:
    return Predictor.load(text_run, threads=1)


@pytest.fixture
def job(text_run: Path, tmp_path: Path) -> Job:
    source = write_posts(tmp_path / "in.parquet", 100)
    return plan_job(read_bundle(text_run), source, tmp_path / "out", rows_a_block=40)


def work(predictor: Predictor, job: Job, indexes: set[int] | None = None) -> Ledger:
    ledger = Ledger(job)
    blocks = list(job.blocks())
    ledger.begin(len(blocks), sum(block.run.rows for block in blocks))
    for block in blocks:
        if (indexes is None or block.index in indexes) and block.index not in ledger.finished:
            ledger.add(block.index, predict_block(predictor, job, block))
    return ledger


def test_parts_hold_the_columns_of_the_source(predictor: Predictor, text_run: Path, tmp_path: Path) -> None:
    columns = {
        "text": ["good", "bad", None],
        "label": ["a", None, "b"],
        "n": pa.array([1, None, 2**60]),
        "x": [[1.5], [], None],
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    (tmp_path / "in.jsonl").write_text('{"text": "good", "n": 5}\n{"text": "bad", "more": {"a": 1}, "label": "x"}\n')
    for name, kept in (("in.parquet", ["text", "label", "n", "x"]), ("in.jsonl", ["text", "n", "more", "label"])):
        job = plan_job(read_bundle(text_run), tmp_path / name, tmp_path / f"out-{name}", rows_a_block=1)
        done = work(predictor, job).summary
        found = pq.read_table(job.destination)
        assert found.schema.names[:5] == [*kept, "moodfuse_label"]
        predict_source(predictor, job.source, tmp_path / "whole.parquet", answers=Answers(force=True))
        assert same(found.to_pylist(), answers(tmp_path / "whole.parquet"))
        assert found.schema == pq.read_schema(tmp_path / "whole.parquet")
        again = [predict_block(predictor, job, block) for block in job.blocks()]  # parts that are there are counted
        assert sum(one.posts for one in again) == done.posts == len(found)
    assert pq.read_schema(tmp_path / "out-in.parquet" / "part-00000000.parquet").field("n").type == pa.int64()
    short = plan_job(read_bundle(text_run), tmp_path / "in.jsonl", tmp_path / "short", rows_a_block=2, short=True)
    work(predictor, short)
    assert pq.read_table(short.destination).schema.names[:2] == ["id", "label"]


def test_the_blocks_in_order_are_what_one_process_writes(predictor: Predictor, job: Job, tmp_path: Path) -> None:
    ledger = work(predictor, job)
    expected = predict_source(predictor, job.source, tmp_path / "whole.parquet")
    assert same(answers(job.destination), answers(tmp_path / "whole.parquet"))
    assert (ledger.complete, ledger.blocks) == (True, 3)
    assert ledger.summary == expected == Ledger(job).summary
    assert sorted(path.name for path in job.destination.iterdir()) == [
        FINISHED, MANIFEST, *(f"part-{i:08d}.parquet" for i in range(3))
    ]  # fmt: skip


def test_what_is_finished_is_not_done_again(predictor: Predictor, job: Job) -> None:
    work(predictor, job, {0, 2})
    before = {i: job.part(i).stat() for i in (0, 2)}
    ledger = Ledger(job)
    assert (sorted(ledger.finished), ledger.complete) == ([0, 2], False)
    assert work(predictor, job).complete
    assert {i: job.part(i).stat().st_ino for i in (0, 2)} == {i: stat.st_ino for i, stat in before.items()}


def test_what_a_killed_driver_leaves_is_taken_up(predictor: Predictor, job: Job) -> None:
    whole = work(predictor, job).summary
    finished = job.destination / FINISHED
    lines = finished.read_text().splitlines(keepends=True)
    finished.write_text(lines[0] + lines[1][:20])  # a line half-written, and a part that no line tells of
    job.part(0).unlink()  # and a line without its part
    (job.destination / ".part-00000000.parquet.0123abcd.part").write_bytes(b"half")
    ledger = Ledger(job)
    assert ledger.finished == {}
    ledger = work(predictor, job)
    assert (ledger.complete, ledger.summary) == (True, whole)
    assert not list(job.destination.glob(".*"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows_a_block": 41}, "rows a block 40 there, 41 here"),
        ({"only": "text"}, "only None there, 'text' here"),
        ({"source": "other.parquet"}, "source 'in.parquet' there, 'other.parquet' here"),
    ],
)
def test_the_destination_of_another_job_is_refused(
    predictor: Predictor, job: Job, text_run: Path, change: dict[str, object], told: str
) -> None:
    work(predictor, job)
    options: dict[str, object] = {"rows_a_block": 40} | change
    source = job.source.with_name(str(options.pop("source", job.source.name)))
    if source != job.source:
        write_posts(source, 100)
    with pytest.raises(OutputError, match=told):
        Ledger(plan_job(read_bundle(text_run), source, job.destination, **options))


def test_a_source_that_has_changed_is_another_one(predictor: Predictor, job: Job) -> None:
    work(predictor, job)
    write_posts(job.source, 100, seed=1)
    with pytest.raises(OutputError, match=r"another job \(differing: files"):
        Ledger(job)


def test_a_job_that_was_killed_as_it_began_can_begin(job: Job) -> None:
    job.destination.mkdir()
    (job.destination / f".{MANIFEST}.0123abcd.part").write_bytes(b"half")
    assert not Ledger(job).complete
    assert not list(job.destination.iterdir())


def test_a_destination_that_will_not_do(job: Job, text_run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    (tmp_path / "nonsense").mkdir()
    (tmp_path / "nonsense" / MANIFEST).write_text("{}")
    for name, told in (
        ("full", "found other files"),
        ("nonsense", "not what moodfuse writes"),
        ("in.parquet", "File exists"),
    ):
        with pytest.raises(OutputError, match=told):
            Ledger(plan_job(read_bundle(text_run), job.source, tmp_path / name, rows_a_block=40))


def test_a_folder_of_files_that_cannot_be_cut_will_not_do(text_run: Path, tmp_path: Path) -> None:
    class Whole(CsvReader):
        name = "whole"
        suffixes = (".whole",)
        splits = False

        def recognises(self, path: Path, header: str | None) -> bool:
            return False

    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.whole").write_text("id,text\n1,good\n")
    try:
        reader(Whole)
        with pytest.raises(DataError, match=r"can be read in blocks \(.*csv.*\), found whole; moodfuse convert"):
            plan_job(read_bundle(text_run), folder, tmp_path / "out", rows_a_block=4)
    finally:
        _READERS.classes().pop("whole", None)


def test_a_source_that_will_not_do(text_run: Path, tmp_path: Path) -> None:
    bundle = read_bundle(text_run)
    (tmp_path / "a.csv").write_text("number,words\n1,good\n")
    (tmp_path / "b.jsonl").write_text('{"number": 1}\n')
    folder = write_synthetic(tmp_path / "posts", posts=3, unlabelled=1, seed=1)
    for source, told in (
        (tmp_path / "a.csv", r"\['number', 'words'\]"),
        (tmp_path / "b.jsonl", r"\['number'\]"),
        (tmp_path / "none.csv", "no such file"),
        (folder, r"\(parquet, reddit, jsonl, weibo, tsv, csv, parts\), found guid_tag"),
    ):
        with pytest.raises(DataError, match=told):
            plan_job(bundle, source, tmp_path / "out", rows_a_block=40)
    assert not (tmp_path / "out").exists()


DIES_OF_POISON = """
import os, sys
while length := sys.stdin.buffer.read(8):
    if b"poison" in sys.stdin.buffer.read(int.from_bytes(length, "big")):
        os.abort()
    sys.stdout.buffer.write(b".")
    sys.stdout.buffer.flush()
"""


def test_an_image_that_kills_its_decoder_costs_itself_alone() -> None:
    images = [b"fine", b"poison", b"fine", None, b"poison" * 100_000]
    posts = [Post(str(i), "text", None if image is None else ImageRef(image)) for i, image in enumerate(images)]
    with Quarantine([sys.executable, "-c", DIES_OF_POISON]) as guard:
        found = list(guard.posts(posts))
    assert [post.image and post.image.source for post in found] == [b"fine", b"", b"fine", None, b""]
    assert [post.text for post in found] == ["text"] * 5
    with Quarantine() as guard:  # the real one lives on what is no image
        assert guard.survives(ImageRef(b"poison"))


def test_images_that_are_not_read_are_not_tried() -> None:
    post = Post(
        "1", image=ImageRef(b"fine"), more_images=(ImageRef(b"fine"),) * (MAX_IMAGES - 1) + (ImageRef(b"poison"),)
    )
    with Quarantine([sys.executable, "-c", DIES_OF_POISON]) as guard:
        [found] = guard.posts([post])
    assert found == post


def test_a_block_that_killed_a_worker_is_done_with_care_and_at_last_given_up(predictor: Predictor, job: Job) -> None:
    used = []

    class Watched(Quarantine):
        def survives(self, image: ImageRef | None) -> bool:
            used.append(image)
            return super().survives(image)

    ledger = Ledger(job)
    ledger.begin(3, 100)
    [first, second, _] = job.blocks()
    predict_block(predictor, job, first, Watched)
    assert used == []
    job.tries(1).write_text("host 1\n")  # what a dead worker leaves
    predict_block(predictor, job, second, Watched)
    assert len(used) == sum(i % 7 == 0 for i in range(40, 80))  # each image that a post has
    assert not list(job.destination.glob("_tries*"))
    job.part(1).unlink()
    job.tries(1).write_text("host 1\n" * GIVEN_UP_AFTER)
    with pytest.raises(DataError, match=r"in\.parquet rows 41 to 80: 5 workers died"):
        predict_block(predictor, job, second, Watched)


def test_the_process_that_tries_images_runs_no_code_of_the_folder_it_starts_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "csv.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    with Quarantine() as guard:
        assert guard.survives(ImageRef(b"no image"))
    assert not (tmp_path / "ran").exists()
