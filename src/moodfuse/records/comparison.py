"""The folder of a comparison: `comparisons/NAME/`, its files, and whether a comparison may continue there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from moodfuse.data.duplicates import Groups
from moodfuse.data.splits import Split
from moodfuse.errors import DataError
from moodfuse.labels import Labels
from moodfuse.records.cells import FORMAT, CellKey, TrainedCell, read_stages, read_trained_cells
from moodfuse.records.claim import Claim
from moodfuse.records.plan import ComparisonPlan
from moodfuse.records.record import Record, read_record, write_record
from moodfuse.records.results import ArmRow, ComparisonResults
from moodfuse.records.tolerant import Folder

_PLAN = "comparison.json"
_RESULTS = "results.json"
_SPLIT = "split.json"
_GROUPS = "groups.json"


@dataclass(frozen=True, slots=True)
class ComparisonFolder:
    """The paths of a comparison, and its plan."""

    path: Path
    plan: ComparisonPlan

    @property
    def split(self) -> Path:
        return self.path / _SPLIT

    @property
    def groups(self) -> Path:
        return self.path / _GROUPS

    @property
    def results(self) -> Path:
        return self.path / _RESULTS

    @property
    def robustness(self) -> Path:
        return self.path / "robustness.json"

    @property
    def judge(self) -> Path:
        return self.path / "judge.json"

    @property
    def labels(self) -> Labels:
        return Labels(tuple(self.plan.labels))

    def cells(self) -> list[CellKey]:
        """Return every cell of the plan, in order of seeds."""
        plan = self.plan
        return sorted(CellKey(s, f, name) for s in plan.seeds for f in range(plan.folds) for name in plan.model_names)

    def todo(self) -> list[CellKey]:
        """Return the cells that are not there yet."""
        return [key for key in self.cells() if not key.is_done(self.path)]


def open_comparison(claim: Claim, plan: ComparisonPlan, split: Split, groups: Groups) -> ComparisonFolder:
    """Make the comparison's folder, or continue in it if it compares the same models on the same posts.

    Raises `ConfigError` if it compares something else, `DataError` if its posts are different.
    """
    path = claim.folder
    with claim.deciding():
        if (path / _PLAN).is_file():
            there = load_comparison(path)
            claim.check_posts(there.plan.data.sha256, plan.data.sha256)
            claim.check_settings(there.plan.settings(), plan.settings())
            return there
        comparison = ComparisonFolder(path, plan)
        claim.refuse_foreign({_SPLIT, _GROUPS})  # these are written before the plan
        split.save(comparison.split)
        groups.save(comparison.groups)
        write_record(path / _PLAN, plan)
        return comparison


class _Format(Record):
    format: object


def load_comparison(path: Path) -> ComparisonFolder:
    """Open a comparison's folder. Raises `DataError` if this version cannot read it as a comparison."""
    try:
        number = read_record(path / _PLAN, _Format).format
    except DataError as error:
        raise DataError(f"{path}: expected the folder of a comparison, found none ({error})") from None
    if number != FORMAT:
        raise DataError(
            f"{path}: expected a comparison of format {FORMAT}, found {number!r}; use the version that wrote it"
        )
    return ComparisonFolder(path, read_record(path / _PLAN, ComparisonPlan))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The content of a comparison's folder; plan and results are `None` if they are missing."""

    path: Path
    plan: ComparisonPlan | None
    results: ComparisonResults | None
    cells: dict[str, list[TrainedCell]]
    missing: list[str]
    #: the epochs of each encoder that cells have tuned, cell by cell
    stages: dict[str, list[list[dict[str, float]]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return (self.plan.name if self.plan else "") or self.path.resolve().name

    @property
    def labels(self) -> list[str]:
        return self.plan.labels if self.plan else list(self.rows[0].per_class) if self.rows else []

    @property
    def rows(self) -> list[ArmRow]:
        """The arms that have a score, the best first."""
        rows = self.results.rows if self.results else []
        return sorted(rows, key=lambda row: (-row.macro_f1.value, row.arm))

    @property
    def models(self) -> list[str]:
        """The models with nothing withheld, the best first."""
        return [row.arm for row in self.rows if row.withheld is None]


def is_comparison(folder: Path) -> bool:
    """Return whether `folder` is a comparison, finished or not."""
    return (folder / _PLAN).is_file()


def read_comparison(path: Path) -> Comparison:
    """Read the files of a comparison's folder; `missing` lists those that are absent or damaged."""
    folder = Folder(path)
    plan = folder.record(_PLAN, ComparisonPlan, "what is compared")
    results = folder.record(_RESULTS, ComparisonResults, "scores")
    return Comparison(path, plan, results, read_trained_cells(path), folder.missing, read_stages(path))
