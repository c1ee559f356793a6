"""Tables on standard output."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def print_tables(tables: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Each with a column for each key of its rows, which may lack some.

    Raises:
        ValueError: they are no tables.
    """
    if not isinstance(tables, Sequence):
        raise ValueError(f"tables of a recipe must give a list of tables, got {tables!r}")
    console = Console()
    if not console.is_terminal:  # whatever reads this wants whole lines
        console = Console(width=max(console.width, 160))
    for rows in filter(None, tables):
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = Table(*map(str, columns), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(str(row.get(key, "")) for key in columns))
        console.print(table, "")
