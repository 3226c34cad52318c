"""One contract for every reader, looped over the registry: nothing here names one."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_cases import CASES, TEXTS, contents, every, per_example, plain, sample

from moodfuse.data.formats import shards
from moodfuse.data.formats.base import PREDICTING, Row
from moodfuse.data.formats.lines import opening
from moodfuse.data.formats.parts import PartsReader, part_format
from moodfuse.data.formats.readers import (
    count_posts,
    read_columns,
    read_posts,
    run_posts,
    source_format,
    source_runs,
    stream_posts,
)
from moodfuse.data.formats.registry import readers
from moodfuse.data.formats.shards import Shard, shard_posts
from moodfuse.data.posts import ImageRef, Post
from moodfuse.errors import OutputError
from moodfuse.workflows.destination import check_destinations


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail where the block holds more than 5 MB at once; as objects the large samples are 10 and more."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# What a reader says of itself


def test_every_reader_of_moodfuse_has_a_case() -> None:
    own = {name for name, reader in readers().items() if type(reader).__module__.startswith("moodfuse.")}
    assert own <= CASES.keys(), "give it a case in reader_cases.py"


@every
def test_it_says_what_it_is(name: str) -> None:
    reader = readers()[name]
    assert reader.name == name
    assert type(reader).__doc__
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in reader.suffixes)


def test_they_are_asked_in_the_order_of_their_priority() -> None:
    order = [(reader.priority, name) for name, reader in readers().items()]
    assert order == sorted(order)


@every
def test_it_knows_its_own_and_no_reader_asked_before_it_claims_that(tmp_path: Path, name: str) -> None:
    source, _ = sample(CASES[name], tmp_path, TEXTS)
    header = None if source.is_dir() else opening(source)
    assert readers()[name].recognises(source, header)
    claims = [other for other, reader in readers().items() if reader.recognises(source, header)]
    assert claims[0] == name == source_format(source)
    if CASES[name].beside:  # the list of a folder will do, too
        assert source_format(CASES[name].listing(source)) == name
    (tmp_path / "empty").mkdir()
    assert not readers()[name].recognises(tmp_path / "empty", None)


@every
def test_nothing_is_ever_written_over_a_file_that_it_reads(tmp_path: Path, name: str) -> None:
    source, _ = sample(CASES[name], tmp_path, TEXTS)
    files = readers()[name].files(source)
    assert CASES[name].listing(source) in files
    for file, force in product(files, (False, True)):
        with pytest.raises(OutputError):
            check_destinations([file], source, PREDICTING, force=force)


@every
def test_what_is_read_are_columns_of_its_own(tmp_path: Path, name: str) -> None:
    source, _ = sample(CASES[name], tmp_path, TEXTS)
    columns, read = stream_posts(source, PREDICTING, fields=True).columns, read_columns(source)
    assert set(read) <= set(columns)
    assert len(read) >= 2 or not columns


# Nothing lost, order kept


@every
def test_posts_come_back_whole_and_in_order(tmp_path: Path, name: str) -> None:
    source, posts = sample(CASES[name], tmp_path, TEXTS)
    expected = contents(posts, CASES[name])
    assert contents(read_posts(source), CASES[name]) == expected
    for strict in (True, False):
        assert contents(stream_posts(source, strict=strict), CASES[name]) == expected
    assert {post.image for post in stream_posts(source) if post.image is None} == {None}


@every
@given(
    st.lists(
        # A mark of UTF-8 at the start of a line, which editors leave, is taken off; some formats end a post with ---.
        st.one_of(st.none(), st.text(st.characters(exclude_characters="\ufeff-", exclude_categories=["Cs"]))),
        min_size=1,
        max_size=8,
    )
)
@per_example
def test_any_text_comes_back(tmp_path: Path, name: str, texts: list[str | None]) -> None:
    folder = tmp_path / str(time.monotonic_ns())
    if CASES[name].beside and not any(text is not None for text in texts):
        texts = [*texts, "a list of which no post has a file is refused"]
    source, posts = sample(CASES[name], folder, texts)
    assert contents(stream_posts(source), CASES[name]) == contents(posts, CASES[name])


@every
def test_the_count_is_about_right(tmp_path: Path, name: str) -> None:
    source, _ = sample(CASES[name], tmp_path, plain(50))
    assert abs(count_posts(source) - 50) <= 1
    source, posts = sample(CASES[name], tmp_path / "more", TEXTS)
    assert count_posts(source) >= len(posts) - 1  # line ends within texts may count


@every
@pytest.mark.parametrize("size", [1, 2, 5, 12, 1000])
def test_runs_read_in_any_order_are_the_whole(tmp_path: Path, name: str, size: int) -> None:
    source, posts = sample(CASES[name], tmp_path, TEXTS)
    runs = list(source_runs(source, size, part="train"))
    assert all(1 <= run.rows <= size for run in runs)
    assert sum(run.rows for run in runs) == len(posts)
    read = {number: list(run_posts(run, part="train")) for number, run in reversed([*enumerate(runs)])}
    assert [len(read[number]) for number in range(len(runs))] == [run.rows for run in runs]
    pieces = [post for number in range(len(runs)) for post in read[number]]
    assert pieces == list(stream_posts(source, strict=False))


@every
@pytest.mark.parametrize("of", [1, 2, 3, 5])
def test_shards_in_order_are_the_whole(tmp_path: Path, name: str, of: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_RUN_ROWS", 2)  # shards begin in the middle of runs, too
    source, _ = sample(CASES[name], tmp_path, TEXTS)
    whole = list(stream_posts(source, PREDICTING))
    parts = [shard_posts(source, Shard(number, of)) for number in range(1, of + 1)]
    counts = [count for count, _ in parts]
    assert max(counts) - min(counts) <= 1
    assert [post for _, posts in parts for post in posts] == whole


@every
def test_a_shard_reads_each_row_twice_at_most_and_tells_things_once(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, posts = sample(CASES[name], tmp_path, plain(60))
    monkeypatch.setattr(shards, "_RUN_ROWS", 5)
    whole: list[str] = []
    list(stream_posts(source, PREDICTING, notify=whole.append))
    read = 0

    def counted(rows: Callable[..., Iterator[Row]]) -> Callable[..., Iterator[Row]]:
        def give(*given: object) -> Iterator[Row]:
            nonlocal read
            for row in rows(*given):
                read += 1
                yield row

        return give

    for reader in {type(readers()[one]) for one in (name, part_format(source) if name == "parts" else name)}:
        if reader is not PartsReader:  # its rows are those of its files
            monkeypatch.setattr(reader, "rows", counted(reader.rows))
    told: list[str] = []
    _, found = shard_posts(source, Shard(2, 2), replace(PREDICTING, notify=told.append))
    assert sum(1 for _ in found) == len(posts) // 2
    assert read <= 2 * len(posts)
    assert told == whole


# Large sources


@every
def test_memory_does_not_grow_and_a_run_begins_where_it_begins(tmp_path: Path, name: str) -> None:
    case, count = CASES[name], 20_000
    filler, text = ("i" * 200, None) if case.beside else ("", "x" * 1000)
    image = ImageRef(b"\xff\xd8\xff") if case.beside else None  # of the first: a list without any file is refused
    posts = [Post(f"{i:05d}{filler}", text, None if i else image, "neutral") for i in range(count)]
    source = case.make(tmp_path, posts)
    next(stream_posts(source))  # what is imported is not what reading takes
    with little_memory():
        assert sum(1 for _ in stream_posts(source)) == count
    if not readers()[name].splits:
        return
    with little_memory():
        *_, last = source_runs(source, 500)
    began = time.process_time()
    assert [post.id for post in run_posts(last)] == [f"{i:05d}" for i in range(count - last.rows, count)]
    alone = time.process_time() - began
    assert sum(1 for _ in stream_posts(source)) == count
    assert alone < (time.process_time() - began - alone) / 2
