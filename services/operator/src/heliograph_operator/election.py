"""Elects the operator that acts, by a Lease. ``lease.py`` decides; this reads and writes."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from heliograph_common.errors import Temporary
from heliograph_operator.cluster.port import Cluster, ClusterError, Conflict
from heliograph_operator.lease import Candidate

RELEASE_SECONDS = 3.0
"""How long a stop may take to release the Lease; another takes it after a while without that."""

log = structlog.get_logger(__name__)


class Election:
    """A component. It goes on through every failure of the API server; ``acting`` ends by itself when the Lease cannot be
    renewed. ``clock`` tells seconds that never go back, ``now`` the time of day for people who read the Lease."""

    name = "election"

    def __init__(
        self,
        cluster: Cluster,
        lease: str,
        identity: str,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._lease = lease
        self._seconds = math.ceil(seconds)
        self._candidate = Candidate(identity, self._seconds)
        self._clock = clock
        self._now = now
        self._problem = ""
        self._answered_at = clock()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def acting(self) -> bool:
        """Whether this operator may act, now: ask again before each write."""
        return self._candidate.acting(self._clock())

    @property
    def holder(self) -> str:
        """The identity of the operator that held the Lease when it was last read; may be empty."""
        return self._candidate.holder

    async def start(self) -> None:
        """Begins to stand for election; does not wait for the API server."""
        self._task = asyncio.create_task(self._run(), name="election")

    async def stop(self, deadline_seconds: float) -> None:
        """Acts no more, and releases the Lease, so that another takes over at once."""
        self._candidate.stop()  # a round in hand may finish: it does not make it act again
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=min(deadline_seconds / 2, RELEASE_SECONDS))
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(min(deadline_seconds / 2, RELEASE_SECONDS)):
                await self._release()
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease could not be released", lease=self._lease, error=str(error) or "not in time")

    async def died(self) -> None:
        """Raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def check(self) -> None:
        """For ``Health``: raises when the API server has not let it see the Lease for a whole lease."""
        if self._clock() - self._answered_at > self._seconds:
            raise Temporary(f"the Lease {self._lease} cannot be read or written: {self._problem or 'no answer yet'}")

    async def round(self) -> float:
        """Reads the Lease, and takes or renews it where it may. Returns the seconds until the next."""
        try:
            await self._stand()
        except Conflict:
            self._candidate.contested()
            return self._seconds / 20
        except ClusterError as error:
            self._failed(str(error))
            return self._seconds / 10
        self._worked()
        return self._candidate.wait(self._clock())

    async def _stand(self) -> None:
        candidate = self._candidate
        candidate.see(await self._cluster.lease(self._lease), self._clock())
        before = candidate.holder
        began = self._clock()
        planned = candidate.plan(began, self._now())
        if planned is None:
            return
        candidate.wrote(await self._cluster.write_lease(self._lease, planned), began)
        if before != candidate.holder:
            log.info("took the Lease", lease=self._lease, holder=candidate.holder, before=before)

    async def _release(self) -> None:
        self._candidate.see(await self._cluster.lease(self._lease), self._clock())
        released = self._candidate.released(self._now())
        if released is not None:
            await self._cluster.write_lease(self._lease, released)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            seconds = await self.round()
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("the Lease cannot be read or written", lease=self._lease, error=problem)
        self._problem = problem

    def _worked(self) -> None:
        if self._problem:
            log.info("the Lease can be read and written again", lease=self._lease)
        self._problem = ""
        self._answered_at = self._clock()
