"""Wires an importer. The only module of it that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from heliograph_common.auth.late_key import LateKey
from heliograph_common.auth.sealing import Sealer
from heliograph_common.db import provider_states
from heliograph_common.db.engine import Database
from heliograph_common.db.single import SingleStatements
from heliograph_common.ingest.accept import Ingest
from heliograph_common.ingest.spool import limits_of
from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.outbound.client import GuardedClient
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
from heliograph_importer.words.claims import Clock, Rules
from heliograph_importer.words.dispatcher import WordDispatcher
from heliograph_importer.words.files import Files
from heliograph_importer.words.handler import WordHandler
from heliograph_importer.words.populator import Figures, Populator
from heliograph_importer.words.providers.placeholders import Placeholders
from heliograph_importer.words.providers.port import PhotoProvider
from heliograph_importer.words.providers.unsplash import Unsplash

NAME = "importer"

_DISPATCH_EVERY = 0.2
_COUNT_EVERY = 0.5
_TAKE_BACK_EVERY = 60.0
_FORGET_EVERY = 3_600.0
_FORGET_AT_ONCE = 100
_POPULATE_EVERY = 15.0
"""Seconds between two looks whether the populator is due."""
_FIGURES_EVERY = 10.0
_WORD_SLOTS = 4


async def build(settings: ImporterSettings, health: Health) -> Sequence[Component]:
    """The components in the order in which they start."""
    quotas = [
        Quota(GoogleDrive(settings.google_drive), settings.google_drive.requests_per_minute),
        Quota(Dropbox(settings.dropbox), settings.dropbox.requests_per_minute),
        Quota(UrlList(settings.urls), settings.urls.requests_per_minute),
    ]
    return wire(Backbone.connect(NAME, settings, health), settings, quotas, photo_providers(settings))


def photo_providers(settings: ImporterSettings) -> Sequence[PhotoProvider]:
    """Where pictures of words are searched, one after the other."""
    key = LateKey.of(settings.unsplash.access_key, "unsplash", "access_key")
    unsplash = Unsplash(settings.unsplash, key)
    return [unsplash, Placeholders()] if settings.words.placeholders else [unsplash]


def wire(
    backbone: Backbone, settings: ImporterSettings, quotas: Sequence[Quota], photos: Sequence[PhotoProvider] = ()
) -> Sequence[Component]:
    """The same, for the providers in ``quotas`` and ``photos``."""
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
        *(wire_words(backbone, settings, ingest, photos) if photos else ()),
    ]


def wire_words(
    backbone: Backbone,
    settings: ImporterSettings,
    ingest: Ingest,
    photos: Sequence[PhotoProvider],
    now: Clock | None = None,
) -> Sequence[Component]:
    """What finds pictures for words, with the clock ``now``."""
    words, own = settings.words, settings.importer
    rules = Rules(
        photos,
        quota=words.requests_per_hour,
        store=words.pictures == "stored",
        owner=words.owner,
        miss=timedelta(days=words.miss_days),
        now=now,
    )
    wakeup = Wakeup()
    client = GuardedClient(settings.urls.allowed_networks)
    files = Files(client, ingest, limits_of(settings.limits), owner=words.owner)

    def waits_for() -> str | None:
        return next((each.waits_for() for each in photos if each.budget is not None), None)

    dispatcher = WordDispatcher(backbone.messenger, rules, ready=waits_for)
    every = timedelta(minutes=words.populate_minutes)
    populator = Populator(backbone.database, every=every, days=words.recent_days, now=now)

    async def dispatch() -> None:
        await dispatcher.run_once()
        await wakeup.wait(1.0)

    worker = backbone.worker(
        WordHandler(rules, files, ended=wakeup.wake),
        WorkerSettings(_WORD_SLOTS, hold_seconds=own.hold_seconds),
        patience=own.patience,
        available=(backbone.blobs.writable,) if rules.store else (),
        gate=lambda: waits_for() is None,
    )
    return [
        *(Closing(f"photos-{each.name}", each.close) for each in photos),
        Closing("photo-files", files.close),
        Periodic("populate-words", interval=_POPULATE_EVERY, function=populator.run_once),
        Periodic("dispatch-words", interval=_DISPATCH_EVERY, function=dispatch),
        Periodic("take-back-words", interval=_TAKE_BACK_EVERY, function=dispatcher.take_back),
        Periodic("figures-of-words", interval=_FIGURES_EVERY, function=Figures(backbone.database, rules).run_once),
        Periodic("forget-requests", interval=_FORGET_EVERY, function=populator.forget),
        *worker,
    ]


async def _forget(database: Database, *, keep: timedelta) -> None:
    async with database.transaction() as connection:
        await provider_states.forget(connection)
    while True:
        async with database.transaction(statement_seconds=60.0) as connection:
            if await tally_rows.forget(connection, before=keep, limit=_FORGET_AT_ONCE) < _FORGET_AT_ONCE:
                return
