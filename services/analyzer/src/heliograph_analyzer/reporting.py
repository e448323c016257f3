"""Tells the other services whether analyses can be done: health and clients that wait ask for that."""

from __future__ import annotations

import asyncio
import time

import structlog

from heliograph_analyzer.models.port import VisionModel
from heliograph_analyzer.turns import queries
from heliograph_common.auth.late_key import LateKey
from heliograph_common.db import analyses, provider_states
from heliograph_common.db.engine import Database
from heliograph_common.errors import HeliographError, Unavailable
from heliograph_common.telemetry import metrics

log = structlog.get_logger(__name__)

_REPORT_SECONDS = 10.0
"""How often it reports what has not changed; reports are believed for a minute."""
_PROBE_SECONDS = 30.0
"""How often a refused key is tried again: its rights may have been corrected."""
_REFUSED = "the API key was refused: replace it"


class Reporter:
    """Keeps the row of ``analyzer_state``."""

    def __init__(self, database: Database, credentials: LateKey, model: VisionModel) -> None:
        self._database = database
        self._credentials = credentials
        self._model = model
        self._told: str | None = None
        self._told_at = 0.0
        self._probed_at = 0.0

    async def run_once(self) -> None:
        """Reports, if there is something to say.

        Raises:
            DatabaseUnavailable: nobody heard it.
        """
        state = self._credentials.state()
        if state == "refused":
            await self._probe()
            state = self._credentials.state()
        metrics.analysis_configured.set(state == "configured")
        if state == self._told and time.monotonic() - self._told_at < _REPORT_SECONDS:
            return
        if state != self._told:
            log.info("credentials of the vision model", state=state)
        reason = {"configured": None, "refused": _REFUSED}.get(state, analyses.MISSING_CREDENTIALS)
        async with self._database.transaction() as connection:
            retracted = self._told == "configured" != state
            await analyses.report(connection, configured=state == "configured", reason=reason, retracted=retracted)
            paused = await provider_states.state_of(connection, analyses.BUDGET)
            oldest = await queries.oldest_age(connection)
        metrics.analysis_paused.set(paused.paused)
        metrics.analysis_oldest_age.set(oldest)
        self._told, self._told_at = state, time.monotonic()

    async def ready(self) -> None:
        """Health check.

        Raises:
            Unavailable: there are no credentials; analyses wait.
        """
        state = self._credentials.state()
        if state != "configured":
            raise Unavailable(_REFUSED if state == "refused" else analyses.MISSING_CREDENTIALS)

    async def _probe(self) -> None:
        if time.monotonic() - self._probed_at < _PROBE_SECONDS:
            return
        self._probed_at = time.monotonic()
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._model.probe()
        except (HeliographError, TimeoutError) as error:
            log.warning("API key still refused", error=type(error).__name__)
