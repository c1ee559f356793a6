"""Tables on standard output."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def print_tables(tables: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    console = Console()
    if not console.is_terminal:  # whatever reads this wants whole lines
        console = Console(width=max(console.width, 160))
    for rows in filter(None, tables):
        table = Table(*rows[0], box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(str, row.values()))
        console.print(table, "")
