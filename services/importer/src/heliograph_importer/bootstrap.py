"""Wires an importer. The only module of it that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from heliograph_common.auth.sealing import Sealer
from heliograph_common.db import provider_states
from heliograph_common.db.engine import Database
from heliograph_common.db.single import SingleStatements
from heliograph_common.ingest.accept import Ingest
from heliograph_common.ingest.spool import limits_of
from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.ratelimit.store import PostgresRateLimits
from heliograph_common.runtime.adapters import Closing
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.background import Periodic, Wakeup
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_importer.fetching.handler import FetchHandler
from heliograph_importer.listing.handler import ListHandler
from heliograph_importer.providers.credentials import Credentials
from heliograph_importer.providers.sources import Quota, Sources
from heliograph_importer.settings import ImporterSettings
from heliograph_importer.sources.dropbox.provider import Dropbox
from heliograph_importer.sources.google_drive.provider import GoogleDrive
from heliograph_importer.sources.urls.source import UrlList
from heliograph_importer.tally import queries as tally_rows
from heliograph_importer.tally.tally import Tally
from heliograph_importer.turns.dispatcher import Dispatcher

NAME = "importer"

_DISPATCH_EVERY = 0.2
_COUNT_EVERY = 0.5
_TAKE_BACK_EVERY = 60.0
_FORGET_EVERY = 3_600.0
_FORGET_AT_ONCE = 100


async def build(settings: ImporterSettings, health: Health) -> Sequence[Component]:
    """The components in the order in which they start."""
    quotas = [
        Quota(GoogleDrive(settings.google_drive), settings.google_drive.requests_per_minute),
        Quota(Dropbox(settings.dropbox), settings.dropbox.requests_per_minute),
        Quota(UrlList(settings.urls), settings.urls.requests_per_minute),
    ]
    return wire(Backbone.connect(NAME, settings, health), settings, quotas)


def wire(backbone: Backbone, settings: ImporterSettings, quotas: Sequence[Quota]) -> Sequence[Component]:
    """The same, for the providers in ``quotas``."""
    database, messenger, own = backbone.database, backbone.messenger, settings.importer
    statements = SingleStatements(settings.database, application="heliograph-importer-budgets")
    credentials = Credentials(settings, Sealer(settings.imports.token_keys))
    sources = Sources(quotas, credentials, PostgresRateLimits(statements))
    dispatcher, tally = Dispatcher(messenger, window=own.window), Tally(messenger, longest=timedelta(days=own.max_days))

    wakeup = Wakeup()

    def ended(import_id: UUID) -> None:
        tally.note(import_id)
        wakeup.wake()

    async def dispatch() -> None:
        await dispatcher.run_once()
        await wakeup.wait(1.0)

    async def forget() -> None:
        await _forget(database, keep=timedelta(days=settings.imports.keep_days))

    ingest = Ingest(database, messenger, backbone.blobs, waiting_before_low=settings.limits.waiting_before_low)
    limits = limits_of(settings.limits)
    listing = backbone.worker(
        ListHandler(sources, max_bytes=limits.max_bytes, max_files=own.max_files, ended=ended),
        WorkerSettings(own.list_slots, max_temporary_failures=own.max_attempts, hold_seconds=own.hold_seconds),
        patience=own.patience,
        available=(),
    )
    fetching = backbone.worker(
        FetchHandler(sources, ingest, limits, max_attempts=own.max_attempts, ended=ended),
        WorkerSettings(own.slots, max_temporary_failures=own.max_attempts, hold_seconds=own.hold_seconds),
        patience=own.patience,
        available=(backbone.blobs.writable,),
    )
    return [
        *backbone.components,
        Closing("budgets-database", statements.close),
        Closing("providers", sources.close),
        Periodic("dispatch", interval=_DISPATCH_EVERY, function=dispatch),
        Periodic("take-back", interval=_TAKE_BACK_EVERY, function=dispatcher.take_back),
        Periodic("tally", interval=_COUNT_EVERY, function=tally.run_once),
        Periodic("forget-imports", interval=_FORGET_EVERY, function=forget),
        *listing,
        *fetching,
    ]


async def _forget(database: Database, *, keep: timedelta) -> None:
    async with database.transaction() as connection:
        await provider_states.forget(connection)
    while True:
        async with database.transaction(statement_seconds=60.0) as connection:
            if await tally_rows.forget(connection, before=keep, limit=_FORGET_AT_ONCE) < _FORGET_AT_ONCE:
                return
