"""One row a thing that was tried, and the table of them all."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

Verdict = Literal["ok", "FAILED", "not run"]

console = Console(highlight=False, width=None if sys.stdout.isatty() else 170)


@dataclass(frozen=True)
class Row:
    """What was tried, and what came of it. ``not run``: the machine lacks what it needs, as ``got`` says."""

    case: str
    expected: str
    got: str
    verdict: Verdict

    @property
    def failed(self) -> bool:
        """In CI what could not be tried is a failure, unless the machine cannot have what it needs."""
        missing = self.verdict == "not run" and os.environ.get("CI") == "true" and "not on this machine" not in self.got
        return self.verdict == "FAILED" or missing


def row(case: str, expected: str, got: str) -> Row:
    """A row that is good when it went as expected."""
    return Row(case, expected, got, "ok" if got == expected else "FAILED")


def show(title: str, rows: Sequence[Row]) -> None:
    """Prints one part's table."""
    table = Table("tried", "expected", "got", "verdict", title=title)
    for each in rows:
        table.add_row(each.case, each.expected, each.got, each.verdict)
    console.print(table, markup=False)


def say(line: str) -> None:
    """One line on the way."""
    console.print(line, markup=False)
