"""``python -m tests.chaos [1,2,5] [--quick] [--seed N] [--jobs N]``: runs fault tests, prints a table, exits 1 on any
failure. ``--mutants``: runs them against products that are broken on purpose, and exits 1 where a test finds nothing.

Each test is a process of its own, on a stack of its own, so that several can run side by side (``--jobs``) and some in a
network of their own (``network.py``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.chaos.checker import Finding
from tests.chaos.mutants import Mutant, mutants
from tests.chaos.network import isolation
from tests.chaos.scenarios import (
    analyses,
    burst,
    bus,
    disk,
    frozen,
    full,
    imports,
    messages,
    objects,
    order,
    poison,
    readonly,
    repair,
    reported,
    reupload,
    slow,
    storage,
    streams,
    unreachable,
    words,
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
    burst,
    readonly,
    unreachable,
    full,
    streams,
    objects,
    messages,
    order,
    reupload,
    imports,
    analyses,
    words,
)

_SHOWN = 12
_LIMIT_QUICK, _LIMIT = 600.0, 1800.0
_QUICK_JOBS = 3 if (os.cpu_count() or 2) >= 4 else 2
_QUICK = (1, 2, 3, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23)
"""What `--quick` runs unless it is told: what finds most in a time that every change can wait for."""
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


Run = tuple[ModuleType, Mutant | None]


async def run(scenario: ModuleType, seed: int, *, quick: bool, keep: bool, mutant: Mutant | None = None) -> Result:
    """One fault test on a stack of its own."""
    began = time.monotonic()

    def say(line: str) -> None:
        _console.print(f"[{time.monotonic() - began:6.1f} s] {scenario.NUMBER} {line}", markup=False)

    findings: list[Finding] = [Finding("wrong", "test", "did not come to its end")]
    rng = random.Random(f"{seed} {scenario.NUMBER}")
    environment = {**scenario.ENVIRONMENT, **(mutant.environment if mutant else {})}
    options: dict[str, Any] = {"environment": environment, **getattr(scenario, "WORLD", {})}
    if quick:
        options |= getattr(scenario, "QUICK_WORLD", {})
    if mutant:
        say(f"a mutant: {mutant.what}")
    async with world(rng, say, keep=lambda: keep or (bool(findings) and mutant is None), **options) as here:
        try:
            async with asyncio.timeout(_LIMIT_QUICK if quick else _LIMIT):
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


async def run_all(runs: Sequence[Run], seed: int, *, quick: bool, keep: bool, jobs: int) -> list[Result]:
    """Each in a process of its own, ``jobs`` at a time."""
    flags = ["--seed", str(seed), *(["--quick"] if quick else []), *(["--keep"] if keep else [])]
    free, isolating = asyncio.Semaphore(jobs), isolation()

    async def one(scenario: ModuleType, mutant: Mutant | None) -> Result:
        async with free:
            return await _apart(scenario, mutant, flags, isolating if getattr(scenario, "ISOLATED", False) else [])

    return list(await asyncio.gather(*(one(*each) for each in runs)))


async def _apart(scenario: ModuleType, mutant: Mutant | None, flags: Sequence[str], isolating: Sequence[str]) -> Result:
    """One fault test in a process of its own; ``isolating`` is put before its command."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "result.json"
        command = [sys.executable, "-m", "tests.chaos", str(scenario.NUMBER), *flags, "--report", str(report)]
        if mutant:
            command += ["--mutant", mutant.name]
        child = await asyncio.create_subprocess_exec(*isolating, *command)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGINT)  # it takes its stack down
            await child.wait()
            raise
        if report.exists():
            return replace(_read(report), mutant=mutant)
    died = [Finding("wrong", "test", f"its process ended with {code} and no report")]
    return Result(scenario.NUMBER, scenario.TITLE, 0, 0, died, [], 0.0, mutant)


def _run_here(scenario: ModuleType, mutant: str | None, options: argparse.Namespace) -> int:
    """What ``_apart`` starts: one run, whose result goes to ``options.report``."""
    found = next((each for each in mutants(scenario.NUMBER) if each.name == mutant), None)
    result = asyncio.run(run(scenario, options.seed, quick=options.quick, keep=options.keep, mutant=found))
    options.report.write_text(json.dumps(asdict(replace(result, mutant=None))), encoding="utf-8")
    return 0


def _read(report: Path) -> Result:
    values = json.loads(report.read_text(encoding="utf-8"))
    return Result(**{**values, "findings": [Finding(**finding) for finding in values["findings"]]})


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    known = {scenario.NUMBER: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Fault tests over the embedded stack.")
    parser.add_argument(
        "tests",
        nargs="?",
        help=f"numbers, such as 1,2; there are {', '.join(map(str, known))}; all by default, with --quick some",
    )
    parser.add_argument("--quick", action="store_true", help="fewer pictures and faults, under five minutes in all")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="repeats the choices of a run")
    parser.add_argument("--jobs", type=int, help=f"tests at one time; 1, with --quick {_QUICK_JOBS}")
    parser.add_argument("--keep", action="store_true", help="keep the data folders; those of failed tests always stay")
    parser.add_argument("--mutants", action="store_true", help="quick form against products broken on purpose")
    parser.add_argument("--mutant", help=argparse.SUPPRESS)  # these two: one run in this process, see _apart
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        asked = [int(number) for number in options.tests.split(",")] if options.tests else None
        chosen = [known[number] for number in asked or (_QUICK if options.quick else known)]
    except (KeyError, ValueError):
        parser.error(f"there is no test {options.tests}; choose from {', '.join(map(str, known))}")
    if options.report:
        return _run_here(chosen[0], options.mutant, options)
    _console.print(f"seed {options.seed}")
    runs: list[Run] = [(scenario, None) for scenario in chosen]
    if options.mutants:
        runs = [(scenario, mutant) for scenario in chosen for mutant in mutants(scenario.NUMBER)]
        if not runs:
            parser.error("none of these tests has a mutant; write one in tests/chaos/mutants")
    quick = options.quick or options.mutants
    jobs = options.jobs or (_QUICK_JOBS if quick else 1)
    results = asyncio.run(run_all(runs, options.seed, quick=quick, keep=options.keep, jobs=jobs))
    _console.print(table(results, options.seed))
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
