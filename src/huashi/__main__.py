"""The command line ``huashi``; its commands are those of :mod:`huashi.commands.table`.

A wrong input is one line on standard error and exit code 2.
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence

import huashi
from huashi.commands.parsing import parse
from huashi.commands.table import commands
from huashi.run import Paused

PAUSED = 75


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit.

    With 0, with 2 for a wrong input, with 75 (``EX_TEMPFAIL``) where a training has paused, with
    130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if sys.stderr is None:  # closed: nobody listens
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (as long as the process)
    try:
        if sys.stdout is None:
            raise ValueError("standard output must be open, it is closed; > /dev/null drops it")
        if arguments == ["--version"]:
            print(f"huashi {huashi.__version__}")
            return
        command = parse(arguments, commands())
        command()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_output()
        sys.exit(1)
    except (ValueError, OSError) as error:
        _say(f"huashi: {' '.join(str(error).split())}")
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:  # as the disk is full
            _drop_output()
        sys.exit(2)
    except (KeyboardInterrupt, Paused) as stop:
        if arguments[:1] in (["train"], ["path"]):
            told = " ".join(["Stopped", *map(str, stop.args)])
            _say(f"{told}; to go on: huashi {shlex.join(arguments)}")
        sys.exit(PAUSED if isinstance(stop, Paused) else 130)
    finally:
        try:
            sys.stderr.flush()
        except OSError:  # what could not be said must not be tried once more at the end
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _say(line: str) -> None:
    """Write a line on standard error, where it can be written."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr)


def _drop_output() -> None:
    """Let nothing more be written: Python would try it once more, and complain, as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
