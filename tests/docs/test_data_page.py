"""The page of posts and answers is true of the readers: its columns and statuses are the code's."""

import re

import pytest
from pages import read_page, read_rows, read_section

from moodfuse.data.formats.columns import NAMES, ROLES
from moodfuse.data.posts import Status

PAGE = read_page("docs/data.md")


@pytest.mark.parametrize("role", ROLES)
def test_the_names_of_columns_are_those_that_are_known_in_their_order(role: str) -> None:
    rows = {row[0].strip("`"): row[1:] for row in read_rows(read_section(PAGE, "Columns"))}
    told = re.findall(r"`(\w+)`", " ".join(rows[role]))
    assert told == [name for names in NAMES[role] for name in names]


def test_the_statuses_are_those_that_there_are() -> None:
    told = [row[0].strip("`") for row in read_rows(read_section(PAGE, "Status"))]
    assert set(told) == set(map(str, Status))
    assert len(told) == len(Status)
