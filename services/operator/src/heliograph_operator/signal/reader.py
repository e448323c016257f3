"""Reads the signal of a scaler: asks NATS for its consumers, and listens to the reports of the workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.consumers import ConsumerState, consumer_state
from heliograph_common.bus.notices import Listener
from heliograph_common.contracts import worker_report
from heliograph_common.contracts.subjects import WORKER_SUBJECTS
from heliograph_common.errors import BusUnavailable, HeliographError, MalformedMessage
from heliograph_common.telemetry import metrics
from heliograph_operator.model import ScalerSpec, Signal
from heliograph_operator.signal.fleet import Fleet, Progress
from heliograph_operator.signal.series import Series

log = structlog.get_logger(__name__)

LISTENING_SECONDS = 2.0
"""In which every worker has reported."""

_ANSWER_SECONDS = 2.0
_TIDY_EVERY = 5.0
_FORGET_AFTER = 600.0
"""Seconds without a look after which what is known for a scaler is forgotten."""


class SignalLost(HeliographError):
    """NATS does not tell how consumers stand, or workers cannot be heard: check the NATS servers."""


class Reader:
    """A component. It remembers what it saw for each set of consumers, so look about once a second, and also where nothing
    is to be done about it (by an operator that stands by, say): rates are of what was seen."""

    name = "signal"

    def __init__(
        self,
        bus: Bus,
        *,
        listening_seconds: float = LISTENING_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``listening_seconds``: how long to listen to workers before what they told counts as all."""
        self._bus = bus
        self._listening_seconds = listening_seconds
        self._clock = clock
        self._listener = Listener(bus, WORKER_SUBJECTS, self._hear)
        self._fleet = Fleet(self._progressed)
        self._series: dict[tuple[str, tuple[str, ...]], Series] = {}
        self._tidied_at = clock()

    async def start(self) -> None:
        """Begins to listen to workers."""
        await self._listener.start()

    async def stop(self, deadline_seconds: float) -> None:
        """Listens no more."""
        await self._listener.stop(deadline_seconds)

    async def look(self, spec: ScalerSpec) -> Signal:
        """The signal now, within two seconds. A consumer that does not exist is named in it and is no error.

        Raises:
            SignalLost: NATS is away or does not answer, or was away until just now, so that workers were not heard yet.
        """
        if not self._bus.connected:
            raise SignalLost("NATS is not connected")
        if not self._listener.listening_for > self._listening_seconds:
            raise SignalLost("workers were not heard yet, since NATS is connected for a moment only")
        states = await self._states(spec)
        if not self._listener.listening_for:
            raise SignalLost("the connection to NATS was lost")
        now = self._clock()
        self._tidy(now)
        series = self._series.setdefault((spec.stream, spec.consumers), Series(spec.consumers, now))
        return series.look(states, self._fleet, spec, now)

    async def _states(self, spec: ScalerSpec) -> dict[str, ConsumerState | None]:
        asked = (
            consumer_state(self._bus, spec.stream, name, timeout_seconds=_ANSWER_SECONDS) for name in spec.consumers
        )
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return dict(zip(spec.consumers, await asyncio.gather(*asked), strict=True))
        except TimeoutError as error:
            raise SignalLost(f"NATS does not answer within {_ANSWER_SECONDS:g} s") from error
        except BusUnavailable as error:
            raise SignalLost(str(error)) from error

    def _hear(self, payload: bytes) -> None:
        try:
            report = worker_report.decode(payload)
        except MalformedMessage as error:
            metrics.worker_reports_ignored.labels(reason="malformed").inc()
            log.debug("report ignored", error=str(error))
            return
        if not self._fleet.hear(report, len(payload), self._clock(), listening=self._listener.listening_for):
            metrics.worker_reports_ignored.labels(reason="too_many").inc()

    def _progressed(self, progress: Progress) -> None:
        for series in self._series.values():
            series.note(progress)

    def _tidy(self, now: float) -> None:
        if now - self._tidied_at >= _TIDY_EVERY:
            self._tidied_at = now
            self._fleet.tidy(now)
            for key in [key for key, series in self._series.items() if now - series.looked_at > _FORGET_AFTER]:
                del self._series[key]
