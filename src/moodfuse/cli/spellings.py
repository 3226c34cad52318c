"""Options that were called otherwise: the old spelling goes on working, with a note."""

from __future__ import annotations

from collections.abc import Sequence

from moodfuse.cli.progress import note

_READS = {"--format": "--from"}
#: By verb, what an option is called now.
_NEW = dict.fromkeys(("train", "compare", "search", "audit", "evaluate", "convert"), _READS)
_NEW["predict"] = {"--format": "--to", "--input-format": "--from"}


def new_spellings(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments with the names that options have now, and say on stderr which was called otherwise.

    What stands behind `--` is no option.
    """
    names = _NEW.get(arguments[0], {}) if arguments else {}
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [*(_new(one, names) for one in arguments[:end]), *arguments[end:]]


def _new(argument: str, names: dict[str, str]) -> str:
    option, equals, value = argument.partition("=")
    if option not in names:
        return argument
    note(f"{option} is called {names[option]} now")
    return f"{names[option]}{equals}{value}"
