"""From words to the call they ask for: tyro makes options, types and help from the functions."""

import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence

from tyro.extras import SubcommandApp

from huashi.commands.table import Command, Group


def parse(words: Sequence[str], commands: Mapping[str, Command | Group]) -> Callable[[], None]:
    """The command that ``words`` ask for, with its arguments.

    Raises:
        ValueError: in one line, what is wrong with them.
        SystemExit: help was asked for, and is written.
    """
    app = _app(words, commands)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return app.cli(prog="huashi", args=list(words))
    except SystemExit as stop:
        if stop.code:
            raise ValueError(_one_line(complaint.getvalue())) from None
        raise


def _app(words: Sequence[str], commands: Mapping[str, Command | Group]) -> SubcommandApp:
    """What tyro parses: the command asked for as it is, of the others name and help."""
    app = SubcommandApp()
    for name, command in commands.items():
        asked = bool(words) and words[0].replace("_", "-") == name.replace("_", "-")
        if isinstance(command, Group):
            if asked:
                inner = _app(words[1:], command.commands(words[1:]))
                app.command(inner, name=name, help=command.help)
            else:
                app.command(name=name, help=command.help)(_nothing(""))
        else:
            app.command(name=name)(command.load() if asked else _nothing(command.help()))
    return app


def _nothing(doc: str) -> Callable[[], None]:
    """A command that is there to be listed."""

    def nothing() -> None: ...

    nothing.__doc__ = doc
    return nothing


def _one_line(complaint: str) -> str:
    """Tyro's complaint in one line, with what it suggests.

    It is a box with a title, in which lines are drawn between the complaint and each suggestion.
    """
    inside = re.sub(r"[│╭╮╰╯]", " ", complaint.partition("\n")[2])
    parts = [" ".join(part.split()) for part in re.split(r"[─-]{3,}", inside)]
    first, *others = filter(None, parts)
    for other in others:
        if suggestion := re.match(r"Available subcommands.*|Perhaps you meant: --[\w-]+", other):
            return f"{first}. {suggestion[0]}"
    return first
