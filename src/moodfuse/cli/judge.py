"""The options of `moodfuse compare` that ask a model behind an endpoint for its labels, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from moodfuse.workflows.comparison.judging import Judge

JudgeUrl = Annotated[
    str | None,
    typer.Option("--judge", metavar="URL", help="Also ask a model with vision: an OpenAI-compatible https://HOST/v1."),
]
JudgeModel = Annotated[str, typer.Option(metavar="NAME", help="The judge's model; its key is MOODFUSE_JUDGE_KEY.")]
JudgeRate = Annotated[float, typer.Option(help="Most requests a minute to the judge.")]
JudgePrices = Annotated[
    str | None, typer.Option(metavar="IN,OUT", help="What a million of the judge's tokens cost, in and out.")
]
JudgeBudget = Annotated[float | None, typer.Option(help="What all the judge's answers may cost, by --judge-prices.")]
YesSend = Annotated[bool, typer.Option("--yes-send", help="Send the posts to the judge; else told is what would be.")]


def judge_of(
    url: str | None, model: str, rate: float, prices: str | None, budget: float | None, send: bool
) -> Judge | None:
    """Return the judge that the options name, `None` without one. Raises `ConfigError` for options without --judge."""
    if url is None:
        if model or prices or budget is not None or send:
            raise ConfigError("--judge-model, --judge-prices, --judge-budget and --yes-send need --judge URL")
        return None
    from moodfuse.workflows.comparison.judging import Judge

    return Judge(url, model, rate, _pair(prices) if prices else None, budget, send)


def _pair(prices: str) -> tuple[float, float]:
    try:
        coming, going = map(float, prices.split(","))
    except ValueError:
        raise ConfigError(f"--judge-prices: expected two numbers such as 0.15,0.60, found {prices!r}") from None
    return coming, going
