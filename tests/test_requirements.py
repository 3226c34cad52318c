"""What may be installed: versions with known faults may not, and the pinned ones are within the ranges."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def ranges() -> list[Requirement]:
    """Every requirement of every extra, but for those on moodfuse's own extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [found for found in map(Requirement, lines) if found.name != "moodfuse"]


def named(name: str) -> str:
    return name.lower().replace("_", "-")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("scikit-learn", "1.7.2"),  # StratifiedGroupKFold(shuffle=True) makes folds of 16 to 38 of 300 posts in groups
        ("cleanlab", "2.7.1"),  # AGPL
        ("lightning", "2.6.2"),
        ("lightning", "2.6.3"),
    ],
)
def test_versions_that_will_not_do_are_refused(name: str, version: str) -> None:
    [found] = [one for one in ranges() if named(one.name) == name]
    assert not found.specifier.contains(version)


def test_what_is_pinned_is_within_every_range() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    pinned = {named(name): version for name, version in pins.items()}
    beyond = [str(one) for one in ranges() if (pin := pinned.get(named(one.name))) and pin not in one.specifier]
    assert beyond == []
    assert {named(one.name) for one in ranges()} <= pinned.keys()
