"""The command line ``huashi``; its commands are those of :mod:`huashi.commands.table`.

A wrong input is one line on standard error and exit code 2.
"""

import os
import shlex
import sys
from collections.abc import Sequence

from huashi.commands.parsing import parse
from huashi.commands.table import commands


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: with 0, with 2 for a wrong input, with 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        command = parse(arguments, commands())
        command()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, OSError) as error:
        print(f"huashi: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        if arguments[:1] in (["train"], ["path"]):
            print(f"Stopped; to go on: huashi {shlex.join(arguments)}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
