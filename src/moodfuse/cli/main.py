"""The command line: finds the verb, in a file of its own, and turns errors into a line and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import typer

from moodfuse.cli.languages import Lang, choose_language, translate_help
from moodfuse.cli.progress import complain, console
from moodfuse.cli.spellings import new_spellings
from moodfuse.errors import MoodfuseError
from moodfuse.files import NO_RIGHT, NO_ROOM
from moodfuse.language import translate
from moodfuse.version import __version__

#: Typer bundles its own click, or uses the installed package, depending on its version: its errors show which.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_ClickError: type[Exception] = _UsageError.__mro__[1]

#: In the order of the help. Each has a file `cli/VERB.py` with a function of its name; `config` has an `app`.
VERBS = (
    "audit",
    "train",
    "predict",
    "evaluate",
    "compare",
    "search",
    "summary",
    "review",
    "adapt",
    "explain",
    "fusions",
    "encoders",
    "push",
    "report",
    "reproduce",
    "doctor",
    "convert",
    "serve",
    "synthetic",
    "config",
)


def command_line(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """Return the command line with these verbs. Importing and building all of them takes a tenth of a second."""
    app = typer.Typer(
        name="moodfuse",
        help="Sentiment of posts with text and image: train, predict, evaluate.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for verb in verbs:
        module = import_module(f"moodfuse.cli.{verb}")
        if verb == "config":
            app.add_typer(module.app, name=verb)
        else:
            app.command(verb)(getattr(module, verb))
    return app


def _root(version: bool = typer.Option(False, "--version", help="Print the version."), _lang: Lang = None) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; exit with 0 done, 1 wrong input, 2 wrong usage, 3 a fault of moodfuse, 130 Ctrl-C."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        left = new_spellings(choose_language(arguments))
        command = typer.main.get_command(command_line(left[:1] if left and left[0] in VERBS else VERBS))
        translate_help(command)
        code = command(left, prog_name="moodfuse", standalone_mode=False)
        return _interrupted() if code == 130 else code if isinstance(code, int) else 0
    except MoodfuseError as error:
        complain(str(error))
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except typer.Exit as stop:
        return int(stop.exit_code)
    except _ClickError as error:
        _show(error)
        return 2
    except (BrokenPipeError, SystemExit):  # `moodfuse predict ... | head`; Typer and Rich raise SystemExit
        _drop_output()
        return 0
    except ModuleNotFoundError as error:
        return _missing_module(error)
    except OSError as error:
        return _no_place(error) if error.errno in NO_ROOM | NO_RIGHT else _ours()
    except MemoryError:
        complain("out of memory; of a training make train.batch_size smaller")
        return 3
    except Exception:
        return _ours()


def _show(error: Any) -> None:
    """Show what is wrong with a command as Typer does, in the language that is spoken."""
    told = io.StringIO()
    error.show(told)
    sys.stderr.write(translate(told.getvalue()))


def _interrupted() -> int:
    told = translate("interrupted: no file is half-written; the same command continues, or starts again")
    console.print(told, markup=False)
    return 130


def _drop_output() -> None:
    """Discard what stdout still holds: at exit, Python would try to write it again, and fail with a traceback."""
    with contextlib.suppress(OSError):  # stdout is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _no_place(error: OSError) -> int:
    _drop_output()
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in NO_ROOM:
        complain(f"{where}cannot be written ({error.strerror}); make room, or write elsewhere")
    else:  # which of the two it was to be, the error does not say
        complain(f"{where}cannot be read or written ({error.strerror}); get the right to it, or name another place")
    return 1


def _ours() -> int:
    console.print(traceback.format_exc(), markup=False)
    complain("this is a fault of moodfuse, not of your input; please report the lines above")
    return 3


def _missing_module(error: ModuleNotFoundError) -> int:
    numbers = {"sklearn", "scipy", "imagehash", "rapidfuzz"}
    extra = "eval" if (error.name or "").split(".")[0] in numbers else "train"
    complain(f"{error.name} is not installed; pip install 'moodfuse[{extra}]'")
    return 1
