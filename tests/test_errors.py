"""What an error of another library says, as a line."""

import pytest

from moodfuse.errors import in_a_line
from moodfuse.plugins import describe


@pytest.mark.parametrize(
    ("message", "line", "described"),
    [
        ("no such\n  file", "no such file", "ValueError: no such file"),
        ("", "ValueError", "ValueError"),
        ("\n", "ValueError", "ValueError"),
        ("x" * 300, "x" * 200, "ValueError: " + "x" * 188),
    ],
)
def test_a_message_is_one_line_and_never_empty(message: str, line: str, described: str) -> None:
    assert in_a_line(ValueError(message)) == line
    assert describe(ValueError(message)) == described
