"""The engine: batches change no answer, one post's fault is its own, and stopping finishes what was accepted."""

import asyncio
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.images import Seen
from moodfuse.data.posts import Post
from moodfuse.runtime.inputs import NONE_SEEN
from moodfuse.runtime.predictor import Prediction, Predictor, PreparedPost
from moodfuse.serve.batching import Engine, _Job


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> list[Post]:
    return list(stream_posts(synthetic_folder))[:24]


def values(predictions: list[Prediction]) -> np.ndarray:
    return np.array([list(prediction.probabilities.values()) for prediction in predictions])


@pytest.mark.parametrize(
    ("size", "wait", "threads"), [(1, 0.0, 1), (5, 0.0, 1), (32, 0.05, 1), (1, 0.0, 2), (5, 0.0, 2)]
)
def test_no_size_and_no_wait_changes_an_answer(
    predictor: Predictor, posts: list[Post], size: int, wait: float, threads: int
) -> None:
    seen: list[int] = []

    async def ask() -> list[Prediction]:
        return await asyncio.gather(*(engine.predict(post) for post in posts))

    engine = Engine(predictor, size=size, wait=wait, threads=threads, observe=seen.append)
    answers = asyncio.run(ask())
    engine.close()
    np.testing.assert_allclose(values(answers), values(list(predictor.stream(posts))), atol=1e-5)
    assert [answer.id for answer in answers] == [post.id for post in posts]
    assert max(seen) <= size
    assert sum(seen) == len(posts)


def test_a_post_that_breaks_the_graph_breaks_no_other(predictor: Predictor, posts: list[Post]) -> None:
    class Odd(Predictor):
        def prepare(self, post: Post, seen: Mapping[int, Seen] = NONE_SEEN) -> PreparedPost:
            prepared = super().prepare(post, seen)
            return replace(prepared, token_ids=[10**9]) if post.id == "odd" else prepared  # no such token

    async def ask() -> list[Prediction | BaseException]:
        asked = [*posts[:3], Post("odd", "text"), *posts[3:6]]
        return await asyncio.gather(*(engine.predict(post) for post in asked), return_exceptions=True)

    engine = Engine(Odd(predictor.bundle, threads=1), size=8, wait=0.2, threads=1)
    answers = asyncio.run(ask())
    engine.close()
    assert isinstance(answers.pop(3), Exception)
    assert [answer.id for answer in answers if isinstance(answer, Prediction)] == [post.id for post in posts[:6]]


def test_a_stream_reads_no_further_ahead_than_two_batches(predictor: Predictor) -> None:
    taken = 0

    def endless() -> Iterator[Post]:
        nonlocal taken
        while True:
            taken += 1
            yield Post(str(taken), "hello there")

    async def read() -> list[str]:
        ids = []
        stream = engine.stream(endless())
        async for _, prediction in stream:
            ids.append(prediction.id)
            if len(ids) == 10:
                break
        await stream.aclose()
        return ids

    engine = Engine(predictor, size=4, threads=1)
    assert asyncio.run(read()) == [str(i) for i in range(1, 11)]
    engine.close()
    assert taken <= 10 + 2 * 4


def test_posts_pass_between_the_slices_of_larger_work(predictor: Predictor) -> None:
    closed = []

    def work() -> Generator[None, None, str]:
        try:
            while not answered:
                yield
            return "they passed"
        finally:
            closed.append(True)

    async def ask() -> str:
        working = asyncio.create_task(engine.run(work()))
        await asyncio.sleep(0.05)
        answered.append(await engine.predict(Post("1", "what a day")))
        return await working

    async def give_up() -> None:
        working = asyncio.create_task(engine.run(work()))
        await asyncio.sleep(0.05)
        working.cancel()
        await engine.predict(Post("1", "what a day"))

    engine, answered = Engine(predictor, threads=1), list[Prediction]()
    assert asyncio.run(ask()) == "they passed"
    engine.close()
    engine = Engine(predictor, threads=1)
    answered.clear()
    asyncio.run(give_up())
    engine.close()
    assert closed == [True, True]


def test_closing_answers_what_is_queued_first(predictor: Predictor) -> None:
    """Also work whose next slice stands behind the end of the queue."""

    def work() -> Generator[None, None, str]:
        while not engine._closed:
            yield
        yield
        return "at its end"

    async def ask() -> tuple[list[Prediction], str]:
        prepared = [await engine.prepare(Post(str(i), "what a day")) for i in range(20)]
        asked = [asyncio.create_task(engine._enqueue(partial(_Job, prepared=one))) for one in prepared]
        working = asyncio.create_task(engine.run(work()))
        await asyncio.sleep(0)  # all are in the queue, and few can be answered yet
        await asyncio.to_thread(engine.close)
        return await asyncio.gather(*asked), await working

    engine = Engine(predictor, size=2, threads=1)
    answers, done = asyncio.run(ask())
    assert [answer.id for answer in answers] == [str(i) for i in range(20)]
    assert done == "at its end"
    assert not engine.alive


def test_nobody_waits_for_ever_for_an_engine_that_closes(predictor: Predictor) -> None:
    """A post that is prepared when the engine has closed is refused; the others are answered."""

    async def ask() -> list[Prediction | BaseException]:
        asked = [asyncio.create_task(engine.predict(Post(str(i), "what a day"))) for i in range(60)]
        while not any(task.done() for task in asked):
            await asyncio.sleep(0.001)
        await asyncio.to_thread(engine.close)
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)

    engine = Engine(predictor, size=2, threads=1)
    answers = asyncio.run(ask())
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(one, RuntimeError) for one in refused)
    assert isinstance(answers[0], Prediction)
    engine.close()  # a second time does nothing
