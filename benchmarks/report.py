"""Tables, progress, medians and percentiles: what all benchmarks print with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_console = Console(highlight=False, soft_wrap=True)
_WIDTH = 200


def progress() -> Progress:
    """A bar on standard error, where that is a terminal."""
    return Progress(
        TextColumn("{task.description:<44}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )


def step(text: str) -> None:
    """One line of what goes on now."""
    Console(stderr=True, highlight=False).print(f"… {text}", style="dim")


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> None:
    """Prints one table and its notes on standard output; the first column is text, the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = _console if _console.is_terminal else Console(highlight=False, width=_WIDTH)
    console.print(table)
    for note in notes:
        _console.print(f"  {note}", markup=False)
    _console.print()


def lines(title: str, found: Sequence[str]) -> None:
    """Prints ``found`` under a title, one below the other."""
    _console.print(title, style="bold")
    for line in found:
        _console.print(f"  {line}", markup=False)
    _console.print()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that at least ``percent`` % of them do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def verdict(met: bool) -> str:
    """How a row says whether its aim is met."""
    return "met" if met else "missed"
