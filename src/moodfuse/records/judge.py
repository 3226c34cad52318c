"""The judge of a comparison: what is asked of which endpoint, what it answered, and what that was worth."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from moodfuse.errors import DataError
from moodfuse.records.record import Record

#: What became of a post: its label, or why there is none. `refused`: the endpoint says so; `unclear`: not one of the
#: labels; `rejected`: the request itself is refused; `failed`: an error each time; `empty`: nothing to send.
Outcome = Literal["answered", "refused", "unclear", "rejected", "failed", "empty"]
#: What an arm of a judge reads: whatever the endpoint makes of a text and images.
READS = "judge"
_IN_WORDS: dict[Outcome, str] = {
    "refused": "it refused",
    "unclear": "it answered with none of the labels, or with several",
    "rejected": "the endpoint did not take",
    "failed": "the endpoint failed on, each time",
    "empty": "had nothing to send",
}


def amount(money: float) -> str:
    """Return a sum of money with two digits behind the point, a small one with its first two that are not 0."""
    return f"{money:,.2f}" if money >= 1 or not money else f"{money:.2g}"


class PlannedJudge(Record):
    """What makes a judge's answers: another endpoint, model, instruction or image size is another judge."""

    name: str
    url: str
    model: str
    instruction: str
    #: images are sent as JPEGs of at most so many pixels a side
    side: int

    def settings(self) -> dict[str, JsonValue]:
        """Return its settings with dotted names."""
        return {f"judge.{key}": value for key, value in self.as_json().items()}


class JudgeFacts(Record):
    """`judge.json`: how many of the posts had which outcome, tokens in and out, and their price if one is known.

    `seconds` is the median of an answer.
    """

    name: str
    url: str
    model: str
    posts: int
    outcomes: dict[str, int] = Field({})
    tokens_in: int = 0
    tokens_out: int = 0
    money: float | None = None
    seconds: float = 0.0

    def sentences(self) -> list[str]:
        """Return what a reader of its scores must know."""
        answered = self.outcomes.get("answered", 0)
        lost = [f"{n} {_IN_WORDS[kind]}" for kind in _IN_WORDS if (n := self.outcomes.get(kind, 0))]
        price = f", {amount(self.money)} at the prices given" if self.money is not None else ""
        return [
            f"{self.name} is {self.model} at {self.url}, a model that cannot be checked for having seen these posts "
            "and their labels in its training: its score may not be one on unseen posts. It was asked once about each "
            "post, and that answer stands for every seed.",
            f"{self.name} answered {answered:,} of {self.posts:,} posts"
            + (f"; {', '.join(lost)}: these count as wrong" if lost else "")
            + f" ({self.tokens_in:,} tokens in, {self.tokens_out:,} out{price}; {self.seconds:.1f} s an answer).",
        ]


@dataclass(frozen=True, slots=True)
class JudgeAnswer:
    """What came of one post: `label` where it was answered; tokens as the endpoint counts them; seconds."""

    outcome: Outcome
    label: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


class AnswerStore:
    """`judge.sqlite`: every answer, kept as it comes, by the content of its post. No text and no key is in it.

    Raises `DataError` for a file that is no such store. Used from one thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told():
            self._base = sqlite3.connect(path, isolation_level=None)
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS answers (post TEXT PRIMARY KEY, outcome TEXT NOT NULL, label TEXT, "
                "tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID"
            )

    def read(self) -> dict[str, JudgeAnswer]:
        """Return all answers, by the digests of their posts."""
        with self._told():
            rows = self._base.execute("SELECT post, outcome, label, tokens_in, tokens_out, seconds FROM answers")
            return {post: JudgeAnswer(*answer) for post, *answer in rows}

    def add(self, answers: Mapping[str, JudgeAnswer]) -> None:
        """Keep answers, by the digests of their posts."""
        with self._told():
            rows = [(post, *astuple(answer)) for post, answer in answers.items()]
            self._base.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(f"{self._path}: the answers of a judge cannot be kept there ({error})") from None
