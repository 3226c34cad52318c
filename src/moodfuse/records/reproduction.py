"""`report.json` of a reproduction: what a course report said beside what is found here (docs/reproductions.md)."""

from __future__ import annotations

from pathlib import Path

from moodfuse.records.record import Number, Record
from moodfuse.records.results import MeanScore

FORMAT = 1


class ReproducedSystem(Record):
    """A system: its scores in the report, and here on posts that its training never saw.

    `chosen_on` are its mean scores on the posts that chose its epoch, which is what the reports give.
    """

    name: str
    recipe: str
    reads: str
    reported: dict[str, float]
    said: str
    trap: str
    found: dict[str, MeanScore]
    chosen_on: dict[str, float]
    seconds: float


class WithheldArm(Record):
    """A system that is given one modality alone, without further training."""

    name: str
    found: dict[str, MeanScore]


class TriedPoint(Record):
    """A point of a grid: its mean validation score over the cells, and how many cells chose it."""

    system: str
    settings: dict[str, Number]
    score: float | None
    cells: int
    chosen: int


class Submission(Record):
    """The answers for the unlabelled posts: how many of each label, by which system."""

    system: str
    labels: dict[str, int]


class Reproduction(Record):
    """All of `report.json`. `cut`: what is smaller than in the report; `headlines`: the tested verdicts.

    `unseen` says whether the tested posts chose nothing; with `--validation` they chose the epoch and the settings.
    """

    format: int
    report: str
    title: str
    about: str
    encoders: dict[str, str]
    budget: str
    cut: list[str]
    finished: bool
    posts: int
    tested: int
    seeds: int
    split: str
    split_here: str
    silent: list[str]
    changed: list[str]
    systems: list[ReproducedSystem]
    withheld: list[WithheldArm]
    points: list[TriedPoint]
    headlines: list[str]
    submission: Submission | None = None
    made: str = ""
    unseen: bool = True


class ReproductionFolder:
    """The paths of a reproduction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "report.json"
        self.page, self.markdown, self.table = (path / f"report.{kind}" for kind in ("html", "md", "csv"))
        self.wrong = path / "wrong.csv"
        self.submission = path / "submission.csv"
        self.picture = path / "picture.svg"
        self.curves = path / "curves"
        self.runs = path / "runs"
        #: the parts of the first cell, on which the best fusion is trained by itself
        self.split = path / "split.json"
