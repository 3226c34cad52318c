"""Bring the Chinese catalogue up to what the source says, and compile it: make catalogue

A message is a text of the source with gaps where its values stand: f"{done} of {cells} cells" is "{0} of {1} cells".
Its translation is kept; a new message has none until somebody writes it into the .po, and one that the source no longer
says is dropped. tests/docs/test_catalogue.py asks that all be translated.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from typer.main import get_command

from moodfuse.cli.main import command_line
from moodfuse.language import CATALOGUE

SOURCE = Path(__file__).parents[1] / "src/moodfuse"
PO = CATALOGUE.with_suffix(".po")
#: The files with what people read most: all prose in them is translated. Of other files it may be.
READ = ["cli/*.py", "errors.py", "settings.py", "labels.py", "files.py", "data/splits.py"]
READ += ["data/formats/columns.py", "data/formats/readers.py", "data/formats/lines.py", "data/formats/guid_tag.py"]
READ += ["data/formats/workbooks.py", "data/formats/records.py", "data/formats/fields.py", "workflows/evaluation.py"]
READ += [
    "workflows/extras.py",
    "workflows/destination.py",
    "workflows/reporting.py",
    "workflows/comparison/verdicts.py",
]
READ += ["evaluate/verdicts.py", "records/run.py", "records/tolerant.py", "report/context.py", "report/gallery.py"]
READ += ["report/run*.py", "report/comparison*.py", "report/summary.py", "decide/sentences.py", "decide/cautions.py"]
READ += [
    "report/figures.py",
    "report/templates/base.html",
    "report/templates/parts.html",
    "decide/adaptation.py",
    "workflows/training*.py",
]
#: What Typer says in the help, and of a wrong command.
TYPER = ["Show this message and exit.", "Install completion for the current shell."]
TYPER += ["Show completion for the current shell, to copy it or customize the installation."]
TYPER += ["Usage: {0}", "Try '{0}' for help.", "Error: {0}", "No such option: {0}", "No such command {0}."]
TYPER += ["No such option: {0} Did you mean {1}?", "No such option: {0} (Possible options: {1})"]
TYPER += ["Missing argument {0}.", "Missing option {0}.", "Option {0} requires an argument."]
TYPER += ["Got unexpected extra argument(s) ({0})", "Invalid value for {0}: {1}", "Value error, {0} is not one of {1}."]
TYPER += ["Input should be a valid integer, unable to parse string as an integer"]
TYPER += ["Input should be a valid number, unable to parse string as a number"]
TYPER += ["Input should be greater than or equal to {0}", "Input should be less than or equal to {0}"]

_PROSE = re.compile(r"[A-Za-z’']{2,},? [A-Za-z’']{2,}")
_IN_TEMPLATE = re.compile(r'_\("([^"]+)"')
_GAP = "\0"
#: Look like prose, and name styles of Rich and places of matplotlib.
_STYLES = {"axes fraction", "bold red", "offset points", "outside lower left"}


def required() -> set[str]:
    """Return every message that has to have a translation: the help of all verbs, and the prose of what is read."""
    paths = {path for pattern in READ for path in SOURCE.glob(pattern)}
    prose = {text for path in paths for text in messages(path) if path.suffix == ".html" or _PROSE.search(text)}
    return prose - _STYLES | set(_helps(get_command(command_line()))) | set(TYPER)


def said() -> set[str]:
    """Return every text of the source as a message, prose or not."""
    return required().union(*(messages(path) for path in SOURCE.rglob("*.py")))


def messages(path: Path) -> set[str]:
    """Return the texts of a file as messages, docstrings left out."""
    text = path.read_text("utf-8")
    if path.suffix == ".html":
        return {_numbered(found.replace("%s", _GAP)) for found in _IN_TEMPLATE.findall(text)}
    tree = ast.parse(text)
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    passed = {id(part) for node in formatted for part in ast.walk(node) if part is not node}
    passed |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        _numbered(found)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in passed
        for found in _texts(node)
        if any(map(str.isalpha, found)) and "%s" not in found  # what is logged
    }


def updated() -> Catalog:
    """Return the catalogue with the messages of the source and the translations that there are."""
    with PO.open("rb") as file:
        known = {message.id: message.string for message in read_po(file, locale="zh") if message.id and message.string}
    day = datetime(2026, 1, 1, tzinfo=UTC)  # the same source gives the same bytes
    catalogue = Catalog("zh", project="moodfuse", creation_date=day, revision_date=day, header_comment="# moodfuse")
    for message in sorted(required() | (said() & known.keys())):
        catalogue.add(message, known.get(message, ""))
    return catalogue


def written(catalogue: Catalog) -> tuple[bytes, bytes]:
    """Return a catalogue as the bytes of a .po and of a .mo file."""
    po, mo = io.BytesIO(), io.BytesIO()
    write_po(po, catalogue, width=0, omit_header=False)
    write_mo(mo, catalogue)
    return po.getvalue(), mo.getvalue()


def _texts(node: ast.AST) -> list[str]:
    """Return what an expression may say: its values are gaps, and of a condition both sides."""
    match node:
        case ast.Constant(value=str() as text):
            return [text.replace(_GAP, "")]
        case ast.IfExp(body=body, orelse=other):
            return [*_texts(body), *_texts(other)]
        case ast.FormattedValue(value=ast.IfExp() | ast.JoinedStr() as value):
            return _texts(value)
        case ast.JoinedStr(values=parts):
            return ["".join(one) for one in product(*map(_texts, parts))]
    return [_GAP]


def _numbered(text: str) -> str:
    pieces = text.strip().split(_GAP)
    return pieces[0] + "".join(f"{{{i}}}{piece}" for i, piece in enumerate(pieces[1:]))


def _helps(command: Any) -> Iterator[str]:
    """Yield each paragraph of the help of a command and of those below it."""
    for paragraph in (command.help or "").split("\n\n"):
        yield " ".join(paragraph.split())
    for below in getattr(command, "commands", {}).values():
        yield from _helps(below)


if __name__ == "__main__":
    catalogue = updated()
    for path, content in zip((PO, CATALOGUE), written(catalogue), strict=True):
        path.write_bytes(content)
    missing = [message.id for message in catalogue if message.id and not message.string]
    print(f"{len(catalogue)} messages, {len(missing)} without a translation", *missing[:20], sep="\n  ")
