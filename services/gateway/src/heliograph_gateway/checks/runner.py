"""Moves the running check along: one replica at a time, page by page, what was found saved with each page.

``bootstrap`` has ``advance`` called again and again in every replica. No transaction is open while an object is asked for.
A replica that dies in the middle of a page leaves it to be looked at again: its findings are counted once, but what it had
repaired by then is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from heliograph_common.clock import utc_now
from heliograph_common.db.engine import Database
from heliograph_common.errors import Temporary
from heliograph_common.ids import new_id
from heliograph_common.telemetry import metrics
from heliograph_gateway.checks import queries as store
from heliograph_gateway.checks.findings import Finding, Step
from heliograph_gateway.checks.queries import CheckRow

log = structlog.get_logger(__name__)

SAMPLES = 20
"""Findings of each kind that are kept with their ids."""
_SLICE = 2.0
_PATIENCE = timedelta(hours=1)


class Checks:
    """``steps`` in the order in which a check takes them; ``slice_seconds``: how long one ``advance`` goes on for."""

    def __init__(self, database: Database, steps: Sequence[Step], *, slice_seconds: float = _SLICE) -> None:
        self._database = database
        self._steps = steps
        self._slice = slice_seconds

    async def advance(self) -> bool:
        """Looks at some pages of the running check; whether there was one to move along. A server that stays away for more
        than an hour ends it as failed.

        Raises:
            Unavailable: a server is away; the check stands until it is back, and says so.
        """
        lease = new_id()
        async with self._database.transaction() as connection:
            check = await store.claim(connection, lease)
        if check is None:
            return False
        obstacle: str | None = None
        try:
            await self._go_on(check, lease)
        except Temporary as error:
            obstacle = str(error)
            if check.moved_at < utc_now() - _PATIENCE:
                await self._fail(check, lease, obstacle)
            raise
        except Exception as error:
            await self._fail(check, lease, repr(error))
            raise
        finally:
            async with self._database.transaction() as connection:
                await store.release(connection, check.id, lease, error=obstacle)
        return True

    async def _go_on(self, check: CheckRow, lease: UUID) -> None:
        """Page after page until the time is up, the check is over, or it is somebody else's."""
        until = time.monotonic() + self._slice
        names = [step.name for step in self._steps]
        at = names.index(check.position.get("step", names[0]))
        after: str | None = check.position.get("after", "")
        counts, samples = dict(check.counts), dict(check.samples)
        while at < len(self._steps) and time.monotonic() < until:
            page = await self._steps[at].page(after or "", repair=check.repair)
            _add(page.findings, counts, samples)
            progress = self._progress(at, page.fraction)
            after = page.after
            at += after is None
            over = at == len(self._steps)
            place = {"step": names[min(at, len(names) - 1)], "after": after or "", "progress": progress}
            async with self._database.transaction() as connection:
                if not await store.save(
                    connection, check.id, lease, place=place, counts=counts, samples=samples, complete=over
                ):
                    return
            _measure(page.findings)
            if over:
                _tell(check, counts)

    def _progress(self, at: int, fraction: float) -> int:
        weights = [step.weight for step in self._steps]
        return min(99, int(100 * (sum(weights[:at]) + weights[at] * min(fraction, 1.0)) / sum(weights)))

    async def _fail(self, check: CheckRow, lease: UUID, error: str) -> None:
        async with self._database.transaction() as connection:
            await store.fail(connection, check.id, lease, error)


def _add(findings: Iterable[Finding], counts: dict[str, Any], samples: dict[str, Any]) -> None:
    for finding in findings:
        name = finding.kind.name
        found, repaired = counts.get(name, (0, 0))
        counts[name] = [found + 1, repaired + finding.repaired]
        if found < SAMPLES:
            samples[name] = [*samples.get(name, []), {"repaired": finding.repaired, "about": dict(finding.about)}]


def _measure(findings: Iterable[Finding]) -> None:
    for finding in findings:
        metrics.check_findings.labels(kind=finding.kind.name).inc()
        if finding.repaired:
            metrics.check_repairs.labels(kind=finding.kind.name).inc()


def _tell(check: CheckRow, counts: dict[str, Any]) -> None:
    left = {name: found - repaired for name, (found, repaired) in counts.items() if found > repaired}
    say = log.warning if left else log.info
    say("check complete", check=str(check.id), repair=check.repair, findings=counts, left=left)
