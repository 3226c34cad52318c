"""Posts of different requests run through the graphs together; nobody's answer changes by it."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from moodfuse.data.posts import Post
from moodfuse.runtime.predictor import Prediction, Predictor, PreparedPost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    """A prepared post to answer, or a piece of work that needs the graphs for itself."""

    future: Future[Any]
    prepared: PreparedPost | None = None
    work: Callable[[], Any] | None = None


_NOTHING = _Job(Future())  # stands for "no further job was taken from the queue"


class Engine:
    """One thread that owns the graphs, and a queue before it; images are decoded in a few threads more.

    Up to `size` posts that wait together run together; the first of them waits at most `wait` seconds for company.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        size: int = 32,
        wait: float = 0.002,
        threads: int | None = None,
        observe: Callable[[int], object] = lambda size: None,
    ) -> None:
        self.predictor = predictor
        self.size = size
        self._wait = wait
        self._observe = observe
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="moodfuse-prepare")
        self._thread = threading.Thread(target=self._serve, name="moodfuse-engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    async def predict(self, post: Post) -> Prediction:
        """Answer one post."""
        prepared = await self.aside(lambda: self.predictor.prepare(post))
        prediction: Prediction = await self._enqueue(lambda future: _Job(future, prepared=prepared))
        return prediction

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function in the thread that owns the graphs."""
        result: T = await self._enqueue(lambda future: _Job(future, work=work))
        return result

    async def aside(self, work: Callable[[], T]) -> T:
        """Run a function that needs no graph in one of the threads that prepare posts."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def stream(self, posts: Iterator[Post]) -> AsyncGenerator[tuple[Post, Prediction], None]:
        """Answer posts in order; two batches of them are on their way at most."""
        pending: deque[tuple[Post, asyncio.Task[Prediction]]] = deque()
        try:
            while True:
                if room := 2 * self.size - len(pending):
                    chunk = await self.aside(lambda: list(islice(posts, room)))
                    pending += [(post, asyncio.create_task(self.predict(post))) for post in chunk]
                if not pending:
                    return
                # Half of them leave before more are read, so that the graphs always have some waiting.
                for _ in range(min(len(pending), self.size)):
                    post, task = pending.popleft()
                    yield post, await task
        finally:
            for _, task in pending:
                task.cancel()

    def close(self) -> None:
        """Finish what is in the queue, then stop."""
        self._queue.put(None)
        self._thread.join()
        self._pool.shutdown()

    async def _enqueue(self, make: Callable[[Future[Any]], _Job]) -> Any:
        if not self.alive:
            raise RuntimeError("the engine is closed")  # else the future would never be fulfilled
        future: Future[Any] = Future()
        self._queue.put(make(future))
        return await asyncio.wrap_future(future)

    def _serve(self) -> None:
        job = self._queue.get()
        while job is not None:
            if job.work is None:
                batch, job = self._gather(job)
                self._answer(batch)
                if job is not _NOTHING:
                    continue
            else:
                _fulfil(job.future, job.work)
            job = self._queue.get()

    def _gather(self, first: _Job) -> tuple[list[_Job], _Job | None]:
        """Return the jobs to run together, and the job that ended the wait where it is none of them."""
        batch, end = [first], time.monotonic() + self._wait
        while len(batch) < self.size:
            try:
                job = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            if job is None or job.work is not None:
                return batch, job
            batch.append(job)
        return batch, _NOTHING

    def _answer(self, batch: list[_Job]) -> None:
        jobs = [job for job in batch if job.future.set_running_or_notify_cancel()]
        posts = [job.prepared for job in jobs if job.prepared is not None]
        if not posts:
            return
        self._observe(len(posts))
        try:
            predictions = list(self.predictor.run(posts))
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
            else:  # one of them is at fault: the others must not suffer for it
                for job in jobs:
                    self._answer_alone(job)
            return
        for job, prediction in zip(jobs, predictions, strict=True):
            job.future.set_result(prediction)

    def _answer_alone(self, job: _Job) -> None:
        try:
            [prediction] = self.predictor.run([job.prepared] if job.prepared is not None else [])
        except Exception as error:
            job.future.set_exception(error)
        else:
            job.future.set_result(prediction)


def _fulfil(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(result)
