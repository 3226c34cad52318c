"""Asking a judge about many posts: several requests at a time, within a budget, every answer kept as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from moodfuse.data.posts import Post
from moodfuse.labels import Labels
from moodfuse.progress import Progress
from moodfuse.records.judge import AnswerStore, JudgeAnswer, amount
from moodfuse.workflows.comparison.judge_endpoint import Completion, Endpoint, JudgeError, NoAnswerError
from moodfuse.workflows.comparison.judge_prompt import label_in, messages_for, messages_of_text

_AT_ONCE = 8  # requests under way at a time
_SOUND = "What a day!"  # a post that every endpoint can answer
_REJECTED = 5  # rejected before anything is answered: it is not about these posts


@dataclass(frozen=True, slots=True)
class Unasked:
    """The posts to ask about, by their digests, and how."""

    posts: Mapping[str, Post]
    instruction: str
    labels: Labels


def price(tokens_in: float, tokens_out: float, prices: tuple[float, float]) -> float:
    """Return what tokens cost; `prices` are those of a million tokens in and out."""
    return (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6


class Spending:
    """What answers cost, and whether there is money for more. Without prices there is."""

    def __init__(self, prices: tuple[float, float] | None, most: float | None, answers: Iterable[JudgeAnswer]) -> None:
        self._prices, self._most = prices, most
        self._spent = self._dearest = 0.0
        for answer in answers:
            self.add(answer)

    def add(self, answer: JudgeAnswer) -> None:
        """Count an answer."""
        if self._prices is not None:
            cost = price(answer.tokens_in, answer.tokens_out, self._prices)
            self._spent += cost
            self._dearest = max(self._dearest, cost)

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._most is not None

    def allows(self, under_way: int) -> bool:
        """Return whether another request fits, each as dear as the dearest yet."""
        return self._most is None or self._spent + (under_way + 1) * self._dearest <= self._most

    def spent_line(self, answered: int, posts: int) -> str:
        """Return a line for when the money is spent."""
        return (
            f"judge: {amount(self._spent)} of the budget of {self._most:g} is spent, {answered:,} of {posts:,} posts "
            "are answered; the same command with a larger --judge-budget goes on. It has no row until all are"
        )


def ask_all(unasked: Unasked, endpoint: Endpoint, spending: Spending, store: AnswerStore, progress: Progress) -> int:
    """Ask about all posts as far as the budget goes; return how many are left.

    The first is asked alone: a wrong key costs one request. Raises `JudgeError` where the endpoint cannot be asked;
    whatever ends it, answers that came are kept.
    """
    todo, total, done = deque(unasked.posts), len(unasked.posts), 0
    under_way: dict[Future[_Asked], str] = {}
    rejected: dict[str, _Asked] = {}  # kept back until something is answered

    def keep(digest: str, asked: _Asked) -> None:
        nonlocal done
        done += 1
        if asked.answer.outcome == "rejected" and not endpoint.taken:
            rejected[digest] = asked
            if len(rejected) == _REJECTED:
                raise _rejection(rejected)
            return
        for one, late in {**rejected, digest: asked}.items():
            store.add({one: late.answer})
            spending.add(late.answer)
        rejected.clear()
        progress("asking the judge", done, total)

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        while todo or under_way:
            most = _AT_ONCE if endpoint.taken else 1
            while todo and len(under_way) < most and spending.allows(len(under_way)):
                digest = todo.popleft()
                under_way[pool.submit(_ask, unasked, unasked.posts[digest], endpoint, spending)] = digest
            if not under_way:
                break
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                keep(under_way.pop(future), future.result())
    finally:
        endpoint.stop()
        pool.shutdown(cancel_futures=True)
        for future, digest in under_way.items():  # when something ended it: these are paid for
            if not future.cancelled() and future.exception() is None and endpoint.taken:
                store.add({digest: future.result().answer})
    if rejected:
        raise _rejection(rejected)
    return len(todo)


def _rejection(rejected: Mapping[str, _Asked]) -> JudgeError:
    return JudgeError(f"the judge rejected the first {len(rejected)} posts: {next(iter(rejected.values())).reason}")


@dataclass(frozen=True, slots=True)
class _Asked:
    answer: JudgeAnswer
    reason: str = ""


def _ask(unasked: Unasked, post: Post, endpoint: Endpoint, spending: Spending) -> _Asked:
    messages = messages_for(post, unasked.instruction)
    if messages is None:
        return _Asked(JudgeAnswer("empty"))
    try:
        found = endpoint.complete(messages)
    except NoAnswerError:
        endpoint.complete(messages_of_text(_SOUND, unasked.instruction))  # no answer to that either: it is not the post
        return _Asked(JudgeAnswer("failed"))
    if spending.limited and found.tokens_in is None and not found.refused and not found.rejected:
        raise JudgeError("the judge's endpoint does not tell its tokens (usage): a budget cannot be kept")
    return _Asked(_read(found, unasked.labels), found.rejected)


def _read(found: Completion, labels: Labels) -> JudgeAnswer:
    facts = (found.tokens_in or 0, found.tokens_out or 0, found.seconds)
    if found.rejected:
        return JudgeAnswer("rejected", None, *facts)
    if (label := label_in(found.text, labels.names)) is not None and not found.refused:
        return JudgeAnswer("answered", label, *facts)
    return JudgeAnswer("refused" if found.refused else "unclear", None, *facts)
