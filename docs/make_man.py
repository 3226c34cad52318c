"""Write the man page, docs/moodfuse.1, from the command line itself: make man

The wheel installs it as share/man/man1/moodfuse.1; `man -l docs/moodfuse.1` shows it from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from moodfuse.cli.main import command_line
from moodfuse.version import __version__

PAGE = Path(__file__).with_name("moodfuse.1")
_HEAD = """.\\" Written by docs/make_man.py: change the command line, not this file.
.TH MOODFUSE 1 "" "moodfuse {version}" "User Commands"
.SH NAME
moodfuse \\- sentiment of posts that are text + image
.SH SYNOPSIS
.B moodfuse
.I VERB
[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...
.SH DESCRIPTION
Labels posts as negative, neutral or positive, offline, with the model that it brings or one of your own; trains,
compares and searches such models; tells how often each label is. Results go to standard output, progress and notes to
standard error.
.SH VERBS
"""
_FOOT = """.SH EXIT STATUS
0 done; 1 wrong input, told in a line; 2 wrong usage; 3 a fault of moodfuse; 130 ended by Ctrl-C.
.SH ENVIRONMENT
.TP
.B MOODFUSE_CACHE
the folder of the feature store, of models and of fetched images
.TP
.B MOODFUSE_LANG
the language of what people read, en or zh; \\fB\\-\\-lang\\fR goes before it, LC_ALL, LC_MESSAGES and LANG come after
.SH FILES
.TP
.I runs/NAME/
a training: configuration, split, history, metrics, predictions, report.html and bundle/
.SH SEE ALSO
.BR moodfuse " \\fIVERB\\fR \\-\\-help"
"""


def man_page() -> str:
    """Return the whole page as troff."""
    command = get_command(command_line())
    verbs = "".join(line + "\n" for name, verb in _verbs(command) for line in _verb(name, verb))
    return _HEAD.format(version=__version__) + verbs + _FOOT


def _verbs(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every verb with its full name (`config show`), in alphabetical order."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _verbs(command, f"{before}{name} ")
        else:
            yield before + name, command


def _verb(name: str, verb: Any) -> Iterator[str]:
    context = verb.make_context(name, [], resilient_parsing=True)
    arguments = [
        " ".join(one.get_usage_pieces(context)).strip("{}") for one in verb.params if one.param_type_name == "argument"
    ]
    yield ".SS " + _escaped(" ".join([name, *arguments]))
    yield _escaped(verb.help or "")
    for one in verb.params:
        if record := one.get_help_record(context):
            yield f".TP\n.B {_escaped(record[0])}\n{_escaped(record[1])}"


def _escaped(text: str) -> str:
    """Return a text in one line that troff shows as it is: no escapes, no requests, hyphens that can be copied."""
    text = re.sub(r"\s+", " ", text).strip().replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


if __name__ == "__main__":
    PAGE.write_text(man_page(), "utf-8")
