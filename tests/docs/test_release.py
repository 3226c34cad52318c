"""The version, its day and its changes are told alike wherever they stand."""

import re

import yaml
from pages import read_page

from moodfuse.version import __version__

CHANGES = read_page("CHANGELOG.md")
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_citation_names_the_version_and_its_day_as_the_changelog_does() -> None:
    headings = re.findall(r"^## (.+)$", CHANGES, re.MULTILINE)
    cited = yaml.safe_load(read_page("CITATION.cff"))
    assert headings[:2] == ["Unreleased", f"{__version__} - {cited['date-released']}"]
    assert cited["version"] == __version__


def test_every_version_tells_its_changes_in_the_order_of_keep_a_changelog() -> None:
    for section in CHANGES.split("\n## ")[1:]:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert kinds == [kind for kind in KINDS if kind in kinds]
