"""`--lang`, wherever it stands in a command, and the help of every verb in the language that it names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args

import typer

from moodfuse.errors import ConfigError
from moodfuse.language import Language, language, speak, system_language, translate

#: For the help alone: `choose_language` has taken the option out before a command is parsed.
Lang = Annotated[Language | None, typer.Option("--lang", help="Language of what people read; by default the system's.")]
#: What Typer says around a command's help, by the names that it keeps them under.
_TYPER = {
    "ARGUMENTS_PANEL_TITLE": "Arguments",
    "OPTIONS_PANEL_TITLE": "Options",
    "COMMANDS_PANEL_TITLE": "Commands",
    "DEFAULT_STRING": "[default: {}]",
    "REQUIRED_LONG_STRING": "[required]",
}


def choose_language(arguments: Sequence[str]) -> list[str]:
    """Speak the language of `--lang`, else the system's, and return the other arguments.

    What stands behind `--` is no option. Raises `ConfigError` for a language that moodfuse does not speak.
    """
    speak(system_language())
    end = arguments.index("--") if "--" in arguments else len(arguments)
    left: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        option, equals, value = word.partition("=")
        if option != "--lang":
            left.append(word)
            continue
        named = value if equals else next(words, "nothing")
        if named not in get_args(Language):
            raise ConfigError(f"--lang: expected {' or '.join(get_args(Language))}, found {named}")
        speak(named)  # type: ignore[arg-type]
    return [*left, *arguments[end:]]


def translate_help(command: Any) -> None:
    """Put the help of a command, and of all commands below it, into the language that is spoken."""
    if language() == "en":
        return
    from typer import rich_utils

    for name, text in _TYPER.items():
        setattr(rich_utils, name, translate(text))
    if make := getattr(rich_utils, "_make_rich_text", None):
        rich_utils._make_rich_text = _folded(make)
    _translate(command)


def _folded(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of texts that wrap anywhere: Rich cuts long words, and a Chinese sentence is one to it."""

    def make_folded(**text: Any) -> Any:
        made = make(**text)
        made.overflow = "fold"
        return made

    return make_folded


def _translate(command: Any) -> None:
    command.help = command.help and translate(command.help)
    for one in command.params:
        if getattr(one, "help", None):
            one.help = translate(one.help)
    for below in getattr(command, "commands", {}).values():
        _translate(below)
