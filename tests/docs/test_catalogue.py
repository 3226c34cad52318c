"""The Chinese catalogue says all that has to be said, with the same gaps, and is the one that is compiled."""

import re

import pytest
from babel.messages.pofile import read_po
from pages import load_script

from moodfuse.language import CATALOGUE

SCRIPT = load_script("make_catalogue.py")
with SCRIPT["PO"].open("rb") as file:
    TRANSLATIONS = {message.id: message.string for message in read_po(file, locale="zh") if message.id}


@pytest.fixture(scope="module")
def required() -> set[str]:
    return SCRIPT["required"]()


def test_everything_that_has_to_be_is_translated(required: set[str]) -> None:
    missing = sorted(message for message in required if not TRANSLATIONS.get(message))
    assert missing == [], "run make catalogue, and translate what it names"
    assert len(required) > 400


@pytest.mark.parametrize("message", TRANSLATIONS)
def test_a_translation_has_the_gaps_of_its_message(message: str) -> None:
    gaps, filled = (sorted(re.findall(r"\{\d*\}", text)) for text in (message, TRANSLATIONS[message]))
    assert gaps == filled


def test_both_files_are_what_the_source_says() -> None:
    po, mo = SCRIPT["written"](SCRIPT["updated"]())
    assert SCRIPT["PO"].read_bytes() == po, "run make catalogue"
    assert CATALOGUE.read_bytes() == mo, "run make catalogue"


def test_a_message_is_read_from_its_f_string_with_both_sides_of_a_condition(tmp_path) -> None:  # type: ignore[no-untyped-def]
    source = tmp_path / "said.py"
    source.write_text(
        """f"{n} post{'' if n == 1 else 's'} in {where!r}{f', {left:,} left' if left else ''}."\n""", "utf-8"
    )
    source.write_text(f'"""No message."""\nsay({source.read_text("utf-8").strip()}, "whole")\n', "utf-8")
    assert SCRIPT["messages"](source) == {
        "whole",
        "{0} post in {1}.",
        "{0} posts in {1}.",
        "{0} post in {1}, {2} left.",
        "{0} posts in {1}, {2} left.",
    }
