"""A judge in a comparison: a row on the same posts and tests, whatever it answers, and never asked twice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judge_server import KEY, completion, failure, serving, slow
from judge_server import Endpoint as Server
from PIL import Image
from test_comparison_results import IDS, POSTS, TRUE, make, plan, write

from moodfuse.cli.main import run as moodfuse
from moodfuse.data.duplicates import Groups
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.data.splits import Split
from moodfuse.errors import ConfigError
from moodfuse.labels import SENTIMENT
from moodfuse.records.claim import Claim
from moodfuse.records.comparison import ComparisonFolder, open_comparison, read_comparison
from moodfuse.records.judge import JudgeFacts, amount
from moodfuse.records.record import read_record
from moodfuse.report.comparison import comparison_document
from moodfuse.report.markdown import markdown
from moodfuse.workflows.comparison.judge_endpoint import Attempts, JudgeError
from moodfuse.workflows.comparison.judging import Judge, ask_judge, check_sending, with_judge
from moodfuse.workflows.comparison.results import build_results

QUICK = Attempts(seconds=2.0, tries=2, wait=0.01)


def content(i: int) -> str:
    """Ten posts of each label have the same content as others, and are asked about once."""
    return f"{SENTIMENT.names[TRUE[i]]} day {i % 20}"


def make_posts() -> Posts:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).save(file, "PNG")
    image = ImageRef(file.getvalue())
    return Posts(
        [Post(i, content(n), image if n % 20 == 3 else None, SENTIMENT.names[TRUE[n]]) for n, i in enumerate(IDS)]
    )


DIGESTS = {i: content(n).replace(" ", "-") for n, i in enumerate(IDS)}


def say(asked: Any, _: int = 0) -> tuple[int, dict[str, str], bytes]:
    """Answer as a judge that is right about all days but those up to the fifth, each wrong in its own way."""
    if asked.text == "What a day!":  # whether it lives
        return completion("positive")
    label, _, day = asked.text.split()
    return {
        "0": completion(None, refusal="I will not"),
        "1": completion("it depends"),
        "2": failure(400, "the image is odd"),
        "3": completion("neutral" if label == "positive" else "positive"),
        "4": failure(500) if label == "neutral" else completion(label),
    }.get(day, completion(f"**{label.capitalize()}**"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MOODFUSE_JUDGE_KEY", KEY)
    with serving() as endpoint:
        endpoint.answer = say
        yield endpoint


def judge_at(server: Server, **changes: Any) -> Judge:
    settings: dict[str, Any] = {"rate": 1e6, "prices": (1.0, 10.0), "send": True, "attempts": QUICK}
    return Judge(server.url, "some/vision:1", **(settings | changes))


def comparison_with(judge: Judge, folder: Path) -> ComparisonFolder:
    """A comparison of `gated`, `text` and a judge, of which the first two have their cells."""
    made = make(folder / "without", ["gated", "text"], [0, 1])
    planned = with_judge(plan(["gated", "text"], [0, 1]), judge.planned(SENTIMENT))
    split, groups = Split.load(made.split), Groups.load(made.groups)
    comparison = open_comparison(Claim("comparison", folder, "judged"), planned, split, groups)
    for key in comparison.cells():
        if key.model in ("gated", "text"):
            write(comparison, key)
    return comparison


def ask(comparison: ComparisonFolder, judge: Judge, told: list[str] | None = None) -> None:
    ask_judge(comparison, judge, make_posts(), DIGESTS, lambda *_: None, (told if told is not None else []).append)


def test_a_judge_is_a_row_like_any_other_and_its_silence_is_wrong(server: Server, tmp_path: Path) -> None:
    server.answer = lambda *asked: slow(0.01, say(*asked))
    comparison = comparison_with(judge_at(server), tmp_path)
    ask(comparison, judge_at(server))
    assert len(set(server.texts)) == 60 + 1
    assert server.most > 1
    results = build_results(comparison)
    assert results.finished
    row = next(row for row in results.rows if row.arm == "judge some-vision-1")
    days = np.array([n % 20 for n in range(POSTS)])
    right = (days > 4) | ((days == 4) & (np.array(SENTIMENT.names)[TRUE] != "neutral"))
    assert row.accuracy.value == pytest.approx(right.mean())
    assert (row.reads, row.parameters, row.accuracy.sd_seeds) == ("judge", 0, 0)
    pairs = {frozenset((pair.a, pair.b)) for pair in results.pairs}
    assert {frozenset(("judge some-vision-1", other)) for other in ("gated", "text")} <= pairs
    assert not any("judge" in verdict.a for verdict in results.verdicts if verdict.kind == "against text")
    assert next(one for one in results.calibration if one.arm == row.arm).ece < 0.05
    facts = read_record(comparison.judge, JudgeFacts)
    assert facts.outcomes["refused"] == facts.outcomes["unclear"] == facts.outcomes["rejected"] == 30
    assert facts.outcomes["failed"] == np.sum((days == 4) & (TRUE == 1))
    assert sum(facts.outcomes.values()) == POSTS
    assert facts.money == pytest.approx((facts.tokens_in + 10 * facts.tokens_out) / 1e6)
    assert facts.tokens_in == 100 * (60 - 3 - 1)  # each content once, and what failed costs nothing
    page = markdown(comparison_document(read_comparison(comparison.path)))
    assert "cannot be checked for having seen these posts" in page
    assert "30 it refused, 30 it answered with none of the labels" in page
    assert "What the judge is told" in page


def test_no_key_and_no_text_gets_into_a_file(server: Server, tmp_path: Path) -> None:
    comparison = comparison_with(judge_at(server), tmp_path)
    ask(comparison, judge_at(server))
    inside = b"".join(path.read_bytes() for path in comparison.path.rglob("*") if path.is_file())
    assert KEY.encode() not in inside
    assert b" day 7" not in inside


def test_whatever_ends_it_what_was_answered_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    judge = judge_at(server)
    comparison = comparison_with(judge, tmp_path)
    server.answer = lambda asked, times: failure(500) if len(server.asked) > 20 else completion("neutral")
    with pytest.raises(JudgeError, match="no answer in 2 attempts"):
        ask(comparison, judge)
    before = set(server.texts[:20])
    server.asked.clear()
    server.answer = lambda *_: completion("neutral")
    ask(comparison, judge)
    assert before.isdisjoint(server.texts)
    server.asked.clear()
    ask(comparison, judge_at(server, send=False))
    assert not server.asked
    assert read_record(comparison.judge, JudgeFacts).outcomes == {"answered": POSTS}


def test_ctrl_c_keeps_what_is_under_way(server: Server, tmp_path: Path) -> None:
    comparison = comparison_with(judge_at(server), tmp_path)

    def progress(_what: str, done: int, _total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    server.answer = lambda *_: slow(0.05, completion("neutral"))
    with pytest.raises(KeyboardInterrupt):
        ask_judge(comparison, judge_at(server), make_posts(), DIGESTS, progress, lambda _: None)
    asked = set(server.texts)
    assert 10 <= len(asked) < 30
    server.asked.clear()
    ask(comparison, judge_at(server))
    assert asked.isdisjoint(server.texts)
    assert len(server.texts) == 60 - len(asked)


def test_a_small_sum_is_no_zero() -> None:
    assert [amount(money) for money in (0.0, 0.0042, 0.5, 1.0, 1234.5)] == ["0.00", "0.0042", "0.5", "1.00", "1,234.50"]


def test_the_money_ends_before_the_budget_is_exceeded(server: Server, tmp_path: Path) -> None:
    server.answer = lambda *_: completion("neutral")  # 120 millionths each
    told: list[str] = []
    comparison = comparison_with(judge_at(server), tmp_path)
    ask(comparison, judge_at(server, budget=0.0025), told)
    assert len(server.asked) == 20
    [line] = told
    assert "judge: 0.0024 of the budget of 0.0025 is spent, 20 of 60 posts are answered" in line
    assert {key.model for key in comparison.todo()} == {"judge some-vision-1"}
    ask(comparison, judge_at(server, budget=1.0))
    assert len(server.asked) == 60
    server.answer = lambda *_: completion("neutral", tokens=False)
    with pytest.raises(JudgeError, match="does not tell its tokens"):
        ask(comparison_with(judge_at(server), tmp_path / "more"), judge_at(server, budget=1.0))


def test_what_is_wrong_with_all_posts_is_no_result(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = comparison_with(judge_at(server), tmp_path)
    server.answer = lambda *_: failure(400, "no such setting")
    with pytest.raises(JudgeError, match="rejected the first 5 posts: status 400: no such setting"):
        ask(comparison, judge_at(server))
    assert server.most == 1  # one after the other, until something is answered
    monkeypatch.setenv("MOODFUSE_JUDGE_KEY", "sk-wrong")
    server.asked.clear()
    with pytest.raises(JudgeError, match="is not taken"):
        ask(comparison, judge_at(server))
    assert not server.asked
    monkeypatch.setenv("MOODFUSE_JUDGE_KEY", KEY)
    server.answer = say
    ask(comparison, judge_at(server))  # nothing of it was kept
    assert read_record(comparison.judge, JudgeFacts).outcomes["rejected"] == 30


def test_nothing_is_sent_before_it_is_allowed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing was sent") as told:
        check_sending(judge_at(server, send=False), tmp_path, make_posts(), DIGESTS)
    assert "600 posts (30 images of at most 768 pixels a side" in str(told.value)
    assert f"would leave this machine for {server.url}/chat/completions, model some/vision:1; say --yes-send" in str(
        told.value
    )
    assert "at the prices given" in str(told.value)


def test_the_command_line_says_what_would_be_sent_and_stops(
    server: Server, synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", str(synthetic_folder), "--fusions", "text", "--folds", "2", "--comparisons", str(tmp_path)]
    assert moodfuse([*words, "--quiet", "--judge", server.url, "--judge-model", "some/vision:1"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --judge: nothing was sent. 48 posts (")
    assert not server.asked
    assert not (tmp_path / "comparison").exists()
    assert moodfuse([*words, "--judge-model", "x"]) == 1
    assert "need --judge URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": 1.0, "prices": None}, "--judge-budget needs --judge-prices"),
        ({"rate": 0.0}, "--judge-rate: expected a number above 0, found 0"),
        ({"budget": -1.0}, "--judge-budget: expected a number above 0"),
        ({"prices": (-1.0, 1.0)}, "--judge-prices: expected two numbers"),
    ],
)
def test_settings_that_will_not_do(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Judge("https://h/v1", "m", **changes)
