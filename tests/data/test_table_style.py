import re

import pytest

from moodfuse.data.table_style import safe_text

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1", "-", "+", "=", "+49 (0)30"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_cell_that_a_spreadsheet_would_compute_is_text_and_comes_back(cell: str) -> None:
    assert safe_text(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "fine", "-1", "+1.5e-3", "-0,5", "1=2", "'tis", "''", "😡", "a\t=1", "-3 %"[:2]])
def test_every_other_cell_stays(cell: str) -> None:
    assert safe_text(cell) == cell


def test_taking_one_sign_away_gives_back_every_cell() -> None:
    for cell in [*FORMULAS, "fine", "'tis", "-1", "'", "'-1"]:
        written = safe_text(cell)
        assert (written[1:] if re.match("'+[=+@\t\r-]", written) else written) == cell
