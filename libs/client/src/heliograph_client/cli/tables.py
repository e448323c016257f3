"""Tables for people, on standard output. Where that is no terminal, nothing is cut to a width."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from heliograph_client.cli.session import plain

_UNCUT = 10_000


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints ``rows`` under ``columns``; a column whose name ends with ``#`` holds numbers."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for column in columns:
        number = column.endswith("#")
        table.add_column(column.removesuffix("#"), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain("" if cell is None else str(cell))) for cell in row))
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _UNCUT)
    console.print(table)


def quarantined(count: int) -> str:
    """A line that points readers of the queue and of dead letters to the quarantine."""
    these = "1 message" if count == 1 else f"{count} messages"
    return f"{these} in quarantine cannot be published; list with: heliograph quarantine ls"


def size(count: int) -> str:
    """Bytes in a unit that people read, by powers of 1,000 as disks are sold."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def moment(at: datetime | None) -> str:
    """A time in the reader's own zone, to the second."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def age(seconds: float | None) -> str:
    """Seconds in the largest unit that keeps two digits."""
    if seconds is None:
        return ""
    for limit, unit, per in ((100, "s", 1), (6000, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / per:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
