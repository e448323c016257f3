"""``python -m tests.chaos [1,2,5] [--quick] [--seed N]``: runs fault tests, prints a table, exits 1 on any failure.
``--mutants``: runs them against products that are broken on purpose, and exits 1 where a test finds nothing."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.chaos.checker import Finding
from tests.chaos.mutants import Mutant, mutants
from tests.chaos.scenarios import (
    bus,
    disk,
    frozen,
    messages,
    objects,
    order,
    poison,
    repair,
    reported,
    reupload,
    slow,
    storage,
    workers,
)
from tests.chaos.world import world

SCENARIOS: tuple[ModuleType, ...] = (
    workers,
    bus,
    storage,
    reported,
    frozen,
    slow,
    poison,
    disk,
    repair,
    objects,
    messages,
    order,
    reupload,
)

_SHOWN = 12
_console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


@dataclass
class Result:
    """One line of the table."""

    number: int
    title: str
    pictures: int
    kills: int
    findings: list[Finding]
    notes: list[str]
    seconds: float
    mutant: Mutant | None = None

    @property
    def ok(self) -> bool:
        """A sound product without findings, or a mutant with some. That the test itself went wrong finds no mutant."""
        if self.mutant is None:
            return not self.findings
        return any(finding.subject != "test" for finding in self.findings)

    def count(self, kind: str) -> int:
        """How many things (not findings) were lost, duplicated or wrong."""
        return len({finding.subject for finding in self.findings if finding.kind == kind})


async def run(scenario: ModuleType, seed: int, *, quick: bool, keep: bool, mutant: Mutant | None = None) -> Result:
    """One fault test on a stack of its own."""
    began = time.monotonic()

    def say(line: str) -> None:
        _console.print(f"[{time.monotonic() - began:6.1f} s] {scenario.NUMBER} {line}", markup=False)

    findings: list[Finding] = [Finding("wrong", "test", "did not come to its end")]
    rng = random.Random(f"{seed} {scenario.NUMBER}")
    environment = {**scenario.ENVIRONMENT, **(mutant.environment if mutant else {})}
    options: dict[str, Any] = {"thumbnailers": getattr(scenario, "THUMBNAILERS", 2), "environment": environment}
    options |= getattr(scenario, "WORLD", {})
    if mutant:
        say(f"a mutant: {mutant.what}")
    async with world(rng, say, keep=lambda: keep or (bool(findings) and mutant is None), **options) as here:
        try:
            async with asyncio.timeout(600):
                await scenario.run(here, quick=quick)
                findings = await here.judged()
        except Exception as error:  # noqa: BLE001 - the table shall still show the other tests
            findings = [*here.failures, Finding("wrong", "test", f"ended early: {error!r}")]
            _console.print_exception()
    for finding in findings[:_SHOWN]:
        say(f"{finding.kind}: {finding.subject}: {finding.what}")
    if len(findings) > _SHOWN:
        say(f"… and {len(findings) - _SHOWN} more")
    seconds = time.monotonic() - began
    title = f"{scenario.TITLE}: {mutant.name}" if mutant else scenario.TITLE
    sent = len(here.history.sent)
    return Result(scenario.NUMBER, title, sent, here.kills, findings, here.notes, seconds, mutant)


def table(results: list[Result], seed: int) -> Table:
    """What came out."""
    kinds = ("lost", "duplicated", "wrong", "out of order")
    shown = Table("test", "pictures", "kills", *kinds, "seconds", "verdict", "measured")
    shown.title = f"Fault tests, seed {seed}"
    for result in results:
        counts = [str(result.count(kind)) for kind in ("lost", "duplicated", "wrong", "disordered")]
        verdict = ("ok" if result.ok else "FAILED") if result.mutant is None else "found" if result.ok else "MISSED"
        name = f"{result.number} {result.title}"
        line = [name, str(result.pictures), str(result.kills), *counts, f"{result.seconds:.0f}", verdict]
        shown.add_row(*line, "\n".join(result.notes))
    return shown


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    known = {scenario.NUMBER: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Fault tests over the embedded stack.")
    parser.add_argument("tests", nargs="?", help=f"numbers, such as 1,2; there are {', '.join(map(str, known))}")
    parser.add_argument("--quick", action="store_true", help="fewer pictures and faults, under three minutes")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="repeats the choices of a run")
    parser.add_argument("--keep", action="store_true", help="keep the data folders; those of failed tests always stay")
    parser.add_argument("--mutants", action="store_true", help="quick form against products broken on purpose")
    options = parser.parse_args(arguments)
    try:
        chosen = [known[int(number)] for number in options.tests.split(",")] if options.tests else list(SCENARIOS)
    except (KeyError, ValueError):
        parser.error(f"there is no test {options.tests}; choose from {', '.join(map(str, known))}")
    _console.print(f"seed {options.seed}")
    runs: list[tuple[ModuleType, Mutant | None]] = [(scenario, None) for scenario in chosen]
    if options.mutants:
        runs = [(scenario, mutant) for scenario in chosen for mutant in mutants(scenario.NUMBER)]
    quick = options.quick or options.mutants
    results = [
        asyncio.run(run(scenario, options.seed, quick=quick, keep=options.keep, mutant=mutant))
        for scenario, mutant in runs
    ]
    _console.print(table(results, options.seed))
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
