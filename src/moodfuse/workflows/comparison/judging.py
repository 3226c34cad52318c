"""The judge of a comparison: an endpoint is asked for the label of every tested post; its answers become cells."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split
from moodfuse.errors import ConfigError
from moodfuse.evaluate.metrics import score
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress
from moodfuse.records.cells import FORMAT, CellKey, CellMetrics, CellSeconds, PartSizes, StoredCell, write_cell
from moodfuse.records.claim import claims_folder
from moodfuse.records.comparison import ComparisonFolder
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.judge import READS, AnswerStore, JudgeAnswer, JudgeFacts, PlannedJudge, amount
from moodfuse.records.plan import ComparisonPlan, PlannedArm
from moodfuse.records.record import write_record
from moodfuse.workflows.comparison.judge_asking import Spending, Unasked, ask_all, price
from moodfuse.workflows.comparison.judge_endpoint import ATTEMPTS, KEY, Attempts, Endpoint, chat_address
from moodfuse.workflows.comparison.judge_prompt import MAX_SENT, SIDE, instruction_for

_STORE = "judge.sqlite"
_SURE = 0.98  # probability of the label that was answered, before the temperature that the other cells ask for
_CHARACTERS_A_TOKEN, _TOKENS_AN_IMAGE, _TOKENS_BESIDE = 3, 1_000, 100  # roughly


@dataclass(frozen=True, slots=True)
class Judge:
    """A model behind an OpenAI-compatible endpoint (`url` ends in /v1), to compare with. Its key is in the environment.

    `rate`: most requests a minute. `prices`: of a million tokens in and out. `budget`: what all answers may cost, in
    the same money. Posts leave this machine only with `send`.
    """

    url: str
    model: str
    rate: float = 60.0
    prices: tuple[float, float] | None = None
    budget: float | None = None
    send: bool = False
    attempts: Attempts = ATTEMPTS

    def __post_init__(self) -> None:
        chat_address(self.url)
        if not self.model:
            raise ConfigError("--judge-model: expected the name of a model at the endpoint, found nothing")
        for flag, value in (("--judge-rate", self.rate), ("--judge-budget", self.budget)):
            if value is not None and not value > 0:
                raise ConfigError(f"{flag}: expected a number above 0, found {value:g}")
        if self.prices is not None and min(self.prices) < 0:
            raise ConfigError("--judge-prices: expected two numbers, of a million tokens in and out")
        if self.budget is not None and self.prices is None:
            raise ConfigError("--judge-budget needs --judge-prices IN,OUT: what a million tokens in and out cost")

    def planned(self, labels: Labels) -> PlannedJudge:
        """Return the judge as a comparison's plan stores it."""
        name = "judge " + re.sub(r"[^\w.+-]+", "-", self.model)[:80]
        address = chat_address(self.url)
        return PlannedJudge(name=name, url=address, model=self.model, instruction=instruction_for(labels), side=SIDE)


def with_judge(plan: ComparisonPlan, judge: PlannedJudge) -> ComparisonPlan:
    """Return a comparison's plan with a judge as one more row."""
    row = PlannedArm(name=judge.name, model=judge.name, reads=READS, withheld=None)
    return plan.model_copy(update={"judge": judge, "arms": [*plan.arms, row]})


def check_sending(judge: Judge, folder: Path, posts: Posts, digests: Mapping[str, str]) -> None:
    """Raise `ConfigError`, which says what would be sent where, if posts are to leave this machine and may not.

    `posts` are the tested ones. What has been answered before is not sent again.
    """
    if judge.send:
        return
    answered = _answers(folder / _STORE)
    new = [post for post in posts if digests[post.id] not in answered]
    if not new:
        return
    images = sum(min(len(post.images), MAX_SENT) for post in new)
    characters = sum(len(post.text or "") for post in new)
    tokens = characters / _CHARACTERS_A_TOKEN + images * _TOKENS_AN_IMAGE + len(new) * _TOKENS_BESIDE
    money = f", {amount(price(tokens, len(new), judge.prices))} at the prices given" if judge.prices else ""
    raise ConfigError(
        f"--judge: nothing was sent. {len(new):,} posts ({images:,} images of at most {SIDE} pixels a side, "
        f"{characters:,} characters of text; some {tokens:,.0f} tokens{money}) would leave this machine for "
        f"{chat_address(judge.url)}, model {judge.model}; say --yes-send to send them"
    )


def ask_judge(
    comparison: ComparisonFolder,
    judge: Judge,
    posts: Posts,
    digests: Mapping[str, str],
    progress: Progress,
    notify: Notify,
) -> None:
    """Ask for every tested post that is not answered yet, and write the judge's cells if all are.

    Answers are kept one by one; the same call again goes on. Raises `JudgeError` where the endpoint cannot be asked.
    """
    planned = comparison.plan.judge
    assert planned is not None
    cells = _tested(comparison)
    wanted = dict.fromkeys(digests[i] for ids in cells.values() for i in ids)
    by_digest = {digests[post.id]: post for post in posts if digests[post.id] in wanted}
    with _alone(comparison.path):
        store = AnswerStore(comparison.path / _STORE)
        try:
            answers = store.read()
            new = {digest: post for digest, post in by_digest.items() if digest not in answers}
            if new:
                endpoint = Endpoint(planned.url, planned.model, os.environ.get(KEY, ""), judge.rate, judge.attempts)
                spending = Spending(judge.prices, judge.budget, answers.values())
                left = ask_all(
                    Unasked(new, planned.instruction, comparison.labels), endpoint, spending, store, progress
                )
                if left:
                    notify(spending.spent_line(len(by_digest) - left, len(by_digest)))
                    return
                answers = store.read()
        finally:
            store.close()
    by_id = {i: answers[digests[i]] for ids in cells.values() for i in ids}
    _write_cells(comparison, planned.name, cells, posts, by_id)
    write_record(comparison.judge, _facts(planned, list(by_id.values()), [answers[one] for one in wanted], judge))


def _answers(path: Path) -> dict[str, JudgeAnswer]:
    if not path.is_file():
        return {}
    store = AnswerStore(path)
    try:
        return store.read()
    finally:
        store.close()


def tested_posts(posts: Posts, split: Split, folds: int) -> Posts:
    """Return the posts that the cells of a comparison test."""
    return posts.subset(i for i in posts.ids if split.folds[i] < 2 * folds)


def _tested(comparison: ComparisonFolder) -> dict[int, list[str]]:
    """Return the ids that each cell tests, in the order of every model's cells."""
    from moodfuse.learn.compare.work import fold_parts

    folds = Split.load(comparison.split).folds
    return {cell: fold_parts(folds, cell)["test"] for cell in range(comparison.plan.folds)}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other commands from asking the same. Raises `ConfigError` if one does."""
    from filelock import FileLock, Timeout

    lock = FileLock(claims_folder(folder) / "judge.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{folder}: another command is asking the judge there; wait for it to end") from None
    try:
        yield
    finally:
        lock.release()


def _write_cells(
    comparison: ComparisonFolder,
    name: str,
    cells: Mapping[int, Sequence[str]],
    posts: Posts,
    answers: Mapping[str, JudgeAnswer],
) -> None:
    labels, named = comparison.labels, dict(zip(posts.ids, posts.labels, strict=True))
    for fold, ids in cells.items():
        true = np.array([labels.id(str(named[i])) for i in ids])
        table = np.stack([_probabilities(answers[i], y, labels) for i, y in zip(ids, true, strict=True)])
        found = score(true, table, labels)
        seconds = sum(answers[i].seconds for i in ids)
        keys = [CellKey(seed, fold, name) for seed in comparison.plan.seeds]
        for key in (key for key in keys if not key.is_done(comparison.path)):
            metrics = CellMetrics(
                format=FORMAT,
                model=name,
                seed=key.seed,
                fold=fold,
                test_folds=[2 * fold, 2 * fold + 1],
                validation_folds=[],
                posts=PartSizes(train=0, validation=0, test=len(ids)),
                temperature=1.0,
                best_epoch=0,
                epochs=0,
                validation={},
                test={"accuracy": found.accuracy, "macro_f1": found.macro_f1},
                parameters=0,
                seconds=CellSeconds(epoch=0.0, fit=0.0, cell=seconds),
                config=StoredConfig({}),
                trials=[],
            )
            cell = StoredCell(key, ids, true, {"": table}, metrics)
            write_cell(comparison.path, cell, [], labels)


def _probabilities(answer: JudgeAnswer, true: int, labels: Labels) -> np.ndarray:
    """Return probabilities (C,). What is no answer stands on a label that is wrong: the one after the right one."""
    count = len(labels)
    said = labels.id(answer.label) if answer.label is not None else (true + 1) % count
    found = np.full(count, (1 - _SURE) / (count - 1))
    found[said] = _SURE
    return found


def _facts(
    planned: PlannedJudge, answers: Sequence[JudgeAnswer], paid: Sequence[JudgeAnswer], judge: Judge
) -> JudgeFacts:
    """Return the facts of the answers to all posts; `paid` holds that to posts of the same content once."""
    tokens_in, tokens_out = sum(one.tokens_in for one in paid), sum(one.tokens_out for one in paid)
    return JudgeFacts(
        name=planned.name,
        url=planned.url,
        model=planned.model,
        posts=len(answers),
        outcomes=dict(Counter(one.outcome for one in answers)),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        money=price(tokens_in, tokens_out, judge.prices) if judge.prices else None,
        seconds=float(np.median([one.seconds for one in paid])),
    )
