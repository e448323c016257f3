"""Wires an analyzer. The only module of it that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from heliograph_analyzer.handling.handler import AnalyzeHandler, Asking
from heliograph_analyzer.models.connect import connect, credentials_of
from heliograph_analyzer.models.port import VisionModel
from heliograph_analyzer.profiles.registry import PROFILES
from heliograph_analyzer.reporting import Reporter
from heliograph_analyzer.settings import AnalyzerSettings
from heliograph_analyzer.spending import queries as spending
from heliograph_analyzer.spending.budgets import Limits
from heliograph_analyzer.turns.dispatcher import Dispatcher
from heliograph_common.auth.late_key import LateKey
from heliograph_common.db.engine import Database
from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.runtime.adapters import Closing
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.background import Periodic, Wakeup
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component

log = structlog.get_logger(__name__)

NAME = "analyzer"

_REPORT_EVERY = 1.0
_DISPATCH_EVERY = 0.2
_SWEEP_EVERY = 60.0
_FORGET_EVERY = 3_600.0
_FORGET_AT_ONCE = 1_000


async def build(settings: AnalyzerSettings, health: Health) -> Sequence[Component]:
    """The components in the order in which they start."""
    if settings.drain_seconds <= settings.openai.timeout_seconds:
        log.warning("drain_seconds should exceed openai.timeout_seconds: a stop discards answers that are paid for")
    credentials = credentials_of(settings.openai)
    model = connect(settings.openai, credentials)
    return wire(Backbone.connect(NAME, settings, health), settings, health, credentials, model)


def wire(
    backbone: Backbone, settings: AnalyzerSettings, health: Health, credentials: LateKey, model: VisionModel
) -> Sequence[Component]:
    """The same, for ``model``."""
    database, own = backbone.database, settings.analyzer
    reporter = Reporter(database, credentials, model)
    dispatcher = Dispatcher(backbone.messenger, window=own.window, longest=timedelta(days=own.max_days))
    # Without credentials it takes no work, which analyzers that have some would have to wait for.
    health.register("credentials", reporter.ready, critical=False)

    wakeup = Wakeup()

    async def dispatch() -> None:
        await dispatcher.run_once()
        await wakeup.wait(1.0)

    async def forget() -> None:
        await _forget(database, keep=timedelta(days=own.keep_days))

    asking = Asking(
        model=model,
        profiles=PROFILES,
        prices=settings.openai.prices,
        limits=Limits(own.owner_tokens_per_day, own.installation_tokens_per_day),
        hold=timedelta(seconds=own.hold_seconds),
        max_attempts=own.max_attempts,
    )
    worker = backbone.worker(
        AnalyzeHandler(backbone.blobs, asking, ended=wakeup.wake),
        WorkerSettings(own.slots, hold_seconds=own.hold_seconds),
        patience=own.patience,
        available=(backbone.blobs.ready,),
        gate=lambda: credentials.state() == "configured",
    )
    return [
        *backbone.components,
        Closing("model", model.close),
        Periodic("report", interval=_REPORT_EVERY, function=reporter.run_once),
        Periodic("dispatch", interval=_DISPATCH_EVERY, function=dispatch),
        Periodic("sweep", interval=_SWEEP_EVERY, function=dispatcher.sweep),
        Periodic("forget-calls", interval=_FORGET_EVERY, function=forget),
        *worker,
    ]


async def _forget(database: Database, *, keep: timedelta) -> None:
    while True:
        async with database.transaction(statement_seconds=60.0) as connection:
            if await spending.forget(connection, keep=keep, limit=_FORGET_AT_ONCE) < _FORGET_AT_ONCE:
                return
