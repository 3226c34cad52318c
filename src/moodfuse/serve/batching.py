"""Posts of different requests run through the graphs together; nobody's answer changes by it."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from moodfuse.data.images import Seen, read_of
from moodfuse.data.posts import Post
from moodfuse.runtime.devices import GPUS
from moodfuse.runtime.predictor import Prediction, Predictor, PreparedPost
from moodfuse.serve.decoding import Decoder, costly_bytes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    """A prepared post to answer, or larger work that is done slice by slice."""

    future: Future[Any]
    prepared: PreparedPost | None = None
    work: Generator[None, None, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Turns:
    """How many posts of one request are prepared at a time, and that one of its costly images is decoded at a time.

    So nobody waits behind all posts of somebody's batch.
    """

    preparing: asyncio.Semaphore
    decoding: asyncio.Lock = field(default_factory=asyncio.Lock)


_AT_ONCE = 2  # batches: the next has its texts read while the images of the one before it still are
_NOTHING = _Job(Future())  # stands for "no further job was taken from the queue"


class Engine:
    """A queue before the graphs, and one thread that empties it; posts are prepared in a few threads more.

    Costly images are decoded in a process of its own; `decode_seconds` is the most that one may take. Up to `size`
    posts that wait together run together, and the first of them waits at most `wait` seconds for company. Two such
    batches run at a time, so that no core is idle while somebody waits.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        size: int = 32,
        wait: float = 0.0,
        threads: int | None = None,
        decode_seconds: float = 10.0,
        observe: Callable[[int], object] = lambda size: None,
    ) -> None:
        self.predictor = predictor
        self.size = size
        self._wait = wait
        self._observe = observe
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="moodfuse-prepare")
        self._reading = ThreadPoolExecutor(self._threads, thread_name_prefix="moodfuse-read")
        limits = {"max_pixels": predictor.max_pixels, "enough": predictor.enough}
        at_once = 1 if predictor.device in GPUS else min(_AT_ONCE, self._threads)  # not all GPUs take two at a time
        self._answering = ThreadPoolExecutor(at_once, thread_name_prefix="moodfuse-answer")
        self._free = threading.Semaphore(at_once)
        self._decoder = Decoder(seconds=decode_seconds, **limits)
        self._explaining = asyncio.Lock()
        self._gate = threading.Lock()  # nothing gets into the queue behind its end
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="moodfuse-engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    async def predict(self, post: Post) -> Prediction:
        """Answer one post."""
        return await self._predict(post, self._turns())

    async def prepare(self, post: Post) -> PreparedPost:
        """Prepare one post as `Predictor.prepare` does, its costly images in their own process."""
        return await self._prepare(post, self._turns())

    async def run(self, work: Generator[None, None, T]) -> T:
        """Run work in the thread that empties the queue, one such at a time; posts are answered between its slices."""
        async with self._explaining:
            result: T = await self._enqueue(lambda future: _Job(future, work=work))
            return result

    async def aside(self, work: Callable[[], T]) -> T:
        """Run a function that reads a batch in one of the threads for that."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    async def look_ahead(self, post: Post) -> Mapping[int, Seen]:
        """Decode the costly images of a post: what is seen by their places, from 0."""
        costly = await self._in_pool(lambda: _costly(post))
        return {place: await self._decoder.look(data) for place, data in costly.items()}

    async def stream(self, posts: Iterator[Post]) -> AsyncGenerator[tuple[Post, Prediction], None]:
        """Answer posts in order; two batches of them are on their way at most."""
        pending: deque[tuple[Post, asyncio.Task[Prediction]]] = deque()
        turns = self._turns()
        try:
            while True:
                if room := 2 * self.size - len(pending):
                    chunk = await self.aside(lambda: list(islice(posts, room)))
                    pending += [(post, asyncio.create_task(self._predict(post, turns))) for post in chunk]
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
        """Finish what is in the queue, then stop; a post that is still being prepared is refused by `RuntimeError`."""
        with self._gate:
            if not self._closed:
                self._queue.put(None)
            self._closed = True
        self._thread.join()
        self._answering.shutdown()
        self._decoder.close()
        self._pool.shutdown()
        self._reading.shutdown()

    def _turns(self) -> _Turns:
        return _Turns(asyncio.Semaphore(self._threads))

    async def _in_pool(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _predict(self, post: Post, turns: _Turns) -> Prediction:
        prepared = await self._prepare(post, turns)
        prediction: Prediction = await self._enqueue(lambda future: _Job(future, prepared=prepared))
        return prediction

    async def _prepare(self, post: Post, turns: _Turns) -> PreparedPost:
        async with turns.preparing:
            costly, prepared = await self._in_pool(lambda: self._prepare_quick(post))
            if prepared is not None:
                return prepared
            async with turns.decoding:
                seen = {place: await self._decoder.look(data) for place, data in costly.items()}
            return await self._in_pool(lambda: self.predictor.prepare(post, seen))

    def _prepare_quick(self, post: Post) -> tuple[dict[int, bytes], PreparedPost | None]:
        """Prepare a post without costly images; else return these, by their places."""
        costly = _costly(post) if "image" in self.predictor.manifest.modalities else {}
        return costly, None if costly else self.predictor.prepare(post)

    async def _enqueue(self, make: Callable[[Future[Any]], _Job]) -> Any:
        future: Future[Any] = Future()
        with self._gate:
            if self._closed or not self.alive:
                raise RuntimeError("the engine is closed")  # else the future would never be fulfilled
            self._queue.put(make(future))
        return await asyncio.wrap_future(future)

    def _serve(self) -> None:
        job = self._queue.get()
        while job is not None or not self._queue.empty():  # work that is not at its end stands behind the end, too
            if job is None:
                job = self._queue.get()
                self._queue.put(None)
                continue
            if job.work is None:
                self._free.acquire()  # before more are gathered: who arrives meanwhile is in this batch
                batch, job = self._gather(job)
                self._answering.submit(self._answer, batch).add_done_callback(lambda _: self._free.release())
                if job is not _NOTHING:
                    continue
            else:
                with self._free:
                    more = _advance(job.future, job.work)
                if more:
                    self._queue.put(job)
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
        try:
            self._observe(len(posts))
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


def _costly(post: Post) -> dict[int, bytes]:
    """Return the costly images of those of a post that are read, by their places."""
    found = ((place, costly_bytes(ref)) for place, ref in enumerate(read_of(post.images)))
    return {place: data for place, data in found if data is not None}


def _advance(future: Future[Any], work: Generator[None, None, Any]) -> bool:
    """Do a slice of work, and say whether there is more to do; nothing for somebody who waits no more."""
    if future.cancelled():
        work.close()
        return False
    try:
        next(work)
        return True
    except StopIteration as end:
        if future.set_running_or_notify_cancel():
            future.set_result(end.value)
    except Exception as error:
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
    return False
