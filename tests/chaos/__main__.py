"""``python -m tests.chaos [1,2,5] [--quick] [--seed N] [--jobs N]``: runs fault tests, prints a table, exits 1 on any
failure. Each test is a process of its own, on a stack of its own, so that several can run side by side (``--jobs``) and some
in a network of their own (``network.py``)."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.chaos.checker import Finding
from tests.chaos.network import isolation
from tests.chaos.scenarios import (
    burst,
    bus,
    frozen,
    full,
    poison,
    readonly,
    slow,
    storage,
    streams,
    unreachable,
    workers,
)
from tests.chaos.world import world

SCENARIOS: tuple[ModuleType, ...] = (
    workers,
    bus,
    storage,
    frozen,
    slow,
    poison,
    burst,
    readonly,
    unreachable,
    full,
    streams,
)

_SHOWN = 12
_LIMIT_QUICK, _LIMIT = 600.0, 1800.0
_QUICK_JOBS = 2
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

    def count(self, kind: str) -> int:
        """How many things (not findings) were lost, duplicated or wrong."""
        return len({finding.subject for finding in self.findings if finding.kind == kind})


async def run(scenario: ModuleType, seed: int, *, quick: bool, keep: bool) -> Result:
    """One fault test on a stack of its own."""
    began = time.monotonic()

    def say(line: str) -> None:
        _console.print(f"[{time.monotonic() - began:6.1f} s] {scenario.NUMBER} {line}", markup=False)

    findings: list[Finding] = [Finding("wrong", "test", "did not come to its end")]
    rng = random.Random(f"{seed} {scenario.NUMBER}")
    options: Mapping[str, Any] = {"environment": scenario.ENVIRONMENT, **getattr(scenario, "WORLD", {})}
    async with world(rng, say, keep=lambda: keep or bool(findings), **options) as here:
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
    return Result(scenario.NUMBER, scenario.TITLE, len(here.history.sent), here.kills, findings, here.notes, seconds)


def table(results: list[Result], seed: int) -> Table:
    """What came out."""
    shown = Table("test", "pictures", "kills", "lost", "duplicated", "wrong", "seconds", "verdict", "measured")
    shown.title = f"Fault tests, seed {seed}"
    for result in results:
        counts = [str(result.count(kind)) for kind in ("lost", "duplicated", "wrong")]
        verdict = "FAILED" if result.findings else "ok"
        name = f"{result.number} {result.title}"
        line = [name, str(result.pictures), str(result.kills), *counts, f"{result.seconds:.0f}", verdict]
        shown.add_row(*line, "\n".join(result.notes))
    return shown


async def run_all(scenarios: Sequence[ModuleType], seed: int, *, quick: bool, keep: bool, jobs: int) -> list[Result]:
    """Each in a process of its own, ``jobs`` at a time, the longest first."""
    free, isolating = asyncio.Semaphore(jobs), isolation()

    async def one(scenario: ModuleType) -> Result:
        async with free:
            before = isolating if getattr(scenario, "ISOLATED", False) else []
            return await _apart(scenario, seed, before, quick=quick, keep=keep)

    return list(await asyncio.gather(*(one(scenario) for scenario in scenarios)))


async def _apart(scenario: ModuleType, seed: int, before: Sequence[str], *, quick: bool, keep: bool) -> Result:
    """One fault test in a process of its own; ``before`` is put before its command."""
    flags = [*(["--quick"] if quick else []), *(["--keep"] if keep else [])]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "result.json"
        command = [
            sys.executable,
            "-m",
            "tests.chaos",
            str(scenario.NUMBER),
            "--seed",
            str(seed),
            "--report",
            str(report),
        ]
        child = await asyncio.create_subprocess_exec(*before, *command, *flags)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGINT)  # it takes its stack down
            await child.wait()
            raise
        if report.exists():
            return _read(report)
    died = [Finding("wrong", "test", f"its process ended with {code} and no report")]
    return Result(scenario.NUMBER, scenario.TITLE, 0, 0, died, [], 0.0)


def _read(report: Path) -> Result:
    values = json.loads(report.read_text(encoding="utf-8"))
    return Result(**{**values, "findings": [Finding(**finding) for finding in values["findings"]]})


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    known = {scenario.NUMBER: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Fault tests over the embedded stack.")
    parser.add_argument("tests", nargs="?", help=f"numbers, such as 1,2; there are {', '.join(map(str, known))}")
    parser.add_argument("--quick", action="store_true", help="fewer pictures and faults, under five minutes in all")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="repeats the choices of a run")
    parser.add_argument("--jobs", type=int, help=f"tests at one time; 1, with --quick {_QUICK_JOBS}")
    parser.add_argument("--keep", action="store_true", help="keep the data folders; those of failed tests always stay")
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)  # one test, in this process: see _apart
    options = parser.parse_args(arguments)
    try:
        chosen = [known[int(number)] for number in options.tests.split(",")] if options.tests else list(SCENARIOS)
    except (KeyError, ValueError):
        parser.error(f"there is no test {options.tests}; choose from {', '.join(map(str, known))}")
    if options.report:
        result = asyncio.run(run(chosen[0], options.seed, quick=options.quick, keep=options.keep))
        options.report.write_text(json.dumps(asdict(result)), encoding="utf-8")
        return 0
    _console.print(f"seed {options.seed}")
    jobs = options.jobs or (_QUICK_JOBS if options.quick else 1)
    results = asyncio.run(run_all(chosen, options.seed, quick=options.quick, keep=options.keep, jobs=jobs))
    _console.print(table(results, options.seed))
    return 1 if any(result.findings for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
