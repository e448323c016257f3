"""Wires the gateway: the only place here that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from heliograph_common.auth.sealing import Sealer
from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.blobs.port import Blobs
from heliograph_common.bus.dead_letters import DeadLetters
from heliograph_common.bus.drift import correct, drift
from heliograph_common.bus.lag import lags
from heliograph_common.bus.provision import ensure
from heliograph_common.bus.work_progress import work_progress
from heliograph_common.clock import utc_now
from heliograph_common.contracts.streams import CONSUMERS
from heliograph_common.db.analyses import analysis_configured
from heliograph_common.db.engine import Database
from heliograph_common.db.single import SingleStatements
from heliograph_common.db.upload_models import DirectUpload, TusUpload
from heliograph_common.ingest import unfinished
from heliograph_common.ingest.accept import Ingest
from heliograph_common.ingest.collect import Collector
from heliograph_common.messaging import inbox
from heliograph_common.messaging.reconcile import Reconciler
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.ratelimit.port import RateLimits
from heliograph_common.ratelimit.store import PostgresRateLimits
from heliograph_common.runtime.adapters import Closing
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.background import Periodic
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.runtime.lifecycle import Component
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.analyses.service import Analyses
from heliograph_gateway.app import build_app
from heliograph_gateway.catalog.retries import Retries
from heliograph_gateway.checks import queries as check_rows
from heliograph_gateway.checks.images.step import Images
from heliograph_gateway.checks.originals.step import Originals
from heliograph_gateway.checks.renditions.step import Renditions
from heliograph_gateway.checks.runner import Checks
from heliograph_gateway.checks.streams import Streams
from heliograph_gateway.checks.work.step import WorkRows
from heliograph_gateway.compat.health import Polls
from heliograph_gateway.dead_letters.ports import DeadLetterStore
from heliograph_gateway.display_sizes.service import SizeRuns
from heliograph_gateway.food.diary import Diary
from heliograph_gateway.food.port import UserService
from heliograph_gateway.food.user_service import HttpUserService
from heliograph_gateway.http.services import Services
from heliograph_gateway.idempotency.queries import IdempotencyKeys
from heliograph_gateway.images.search.filling import SearchFilling
from heliograph_gateway.imports.service import Imports
from heliograph_gateway.queue.gauges import observe_lag
from heliograph_gateway.queue.service import Queue
from heliograph_gateway.settings import FoodSettings, GatewaySettings
from heliograph_gateway.uploads.collector import UploadCollector
from heliograph_gateway.uploads.direct.service import DirectUploads
from heliograph_gateway.uploads.form.service import FormUploads
from heliograph_gateway.uploads.tus.service import ResumableUploads
from heliograph_gateway.words.pictures.service import Pictures
from heliograph_gateway.words.queue.service import WordQueue
from heliograph_gateway.words.service import Words

NAME = "gateway"

_LAG_EVERY = 10.0
_STREAMS_EVERY = 5.0
_CLEAN_EVERY = 300.0
_ORPHANS_EVERY = 3600.0
_CHECK_EVERY = 1.0
_SEARCH_EVERY = 5.0
_CHECK_DUE_EVERY = 300.0


async def build(settings: GatewaySettings, health: Health) -> Sequence[Component]:
    """The gateway's components in the order of their start."""
    backbone = Backbone.connect(NAME, settings, health)
    database, blobs, bus, messenger = backbone.database, backbone.blobs, backbone.bus, backbone.messenger
    ingest = Ingest(database, messenger, blobs, waiting_before_low=settings.limits.waiting_before_low)
    idempotency_keys = IdempotencyKeys(database)
    statements = SingleStatements(settings.database, application="heliograph-gateway-rate-limits")
    rate_limits = PostgresRateLimits(statements)
    form_uploads = FormUploads(ingest, settings.limits, settings.gateway.analysis_profiles)
    analyses = Analyses(
        database,
        messenger,
        form_uploads,
        waiting=settings.gateway.analysis_waits,
        stopping=lambda: health.phase == "draining",
    )
    diary = Diary(database, _user_service(settings.food))
    queue = Queue(database, partial(lags, bus, CONSUMERS))
    word_queue = WordQueue(database, settings.words)

    async def configured() -> bool:
        async with database.transaction() as connection:
            return await analysis_configured(connection)

    app = build_app(
        Services(
            {
                GatewaySettings: settings,
                Database: database,
                Messenger: messenger,
                Blobs: blobs,
                Callers: Callers(TokenVerifier(settings.auth), anonymous_owner=settings.compat.anonymous_owner),
                IdempotencyKeys: idempotency_keys,
                RateLimits: rate_limits,
                Retries: Retries(messenger, blobs, before_low=settings.limits.waiting_before_low),
                FormUploads: form_uploads,
                Analyses: analyses,
                Diary: diary,
                ResumableUploads: ResumableUploads(database, ingest, blobs, settings.limits, settings.gateway),
                DirectUploads: DirectUploads(
                    database,
                    ingest,
                    blobs,
                    settings.limits,
                    settings.gateway,
                    signed_url_seconds=settings.s3.signed_url_seconds,
                ),
                Imports: Imports(
                    database, messenger, Sealer(settings.imports.token_keys), active=settings.gateway.active_imports
                ),
                Words: Words(messenger, owner=settings.words.owner),
                WordQueue: word_queue,
                Pictures: Pictures(database, messenger, word_queue, settings.words),
                Queue: queue,
                Polls: Polls(queue, configured),
                DeadLetterStore: DeadLetters(bus),
            }
        ),
        health,
        settings,
    )
    reconciler = Reconciler(messenger, partial(work_progress, bus), adopt=(unfinished.adopt,))
    size_runs = SizeRuns(messenger, waiting=settings.gateway.apply_waiting)
    grace = timedelta(days=settings.gateway.collect_after_days)
    collector = Collector(database, blobs, grace=grace)
    upload_collector = UploadCollector(database, blobs, (DirectUpload, TusUpload))

    checks = Checks(
        database,
        [
            Streams(partial(drift, bus, settings.nats), partial(correct, bus, settings.nats)),
            Originals(database, blobs, grace=grace),
            Renditions(messenger, database, blobs, grace=grace),
            Images(messenger, database),
            WorkRows(database),
        ],
    )

    async def check_when_due() -> None:
        if settings.gateway.check_hours:
            every = timedelta(hours=settings.gateway.check_hours)
            async with database.transaction() as connection:
                await check_rows.start_when_due(connection, every=every, requested_by="schedule")

    async def observe() -> None:
        if bus.connected:
            await observe_lag(partial(lags, bus, CONSUMERS), utc_now)

    async def reconcile() -> None:
        if bus.connected:  # without NATS nobody can tell what is lost and what waits
            await reconciler.run_once()

    async def keep_streams() -> None:
        if bus.connected and await ensure(bus):
            await reconciler.run_once()  # what they held is sent again at once

    return [
        *backbone.components,
        Closing("rate-limits-database", statements.close),
        Closing("user-service", diary.close),
        Periodic("reconciler", interval=settings.gateway.reconcile_seconds, function=reconcile),
        Periodic("streams", interval=_STREAMS_EVERY, function=keep_streams),
        Periodic("inbox", interval=_CLEAN_EVERY, function=partial(inbox.forget_old, database)),
        Periodic("lag", interval=_LAG_EVERY, function=observe),
        Periodic("display-sizes", interval=settings.gateway.apply_seconds, function=size_runs.advance),
        Periodic("collector", interval=settings.gateway.collect_seconds, function=collector.run_once),
        Periodic("uploads", interval=settings.gateway.collect_seconds, function=upload_collector.collect_expired),
        Periodic("upload-orphans", interval=_ORPHANS_EVERY, function=upload_collector.collect_orphans),
        Periodic("food-entries", interval=settings.food.deliver_seconds, function=diary.deliver_left),
        Periodic("search", interval=_SEARCH_EVERY, function=SearchFilling(database).advance),
        Periodic("checks", interval=_CHECK_EVERY, function=checks.advance),
        Periodic("checks-due", interval=_CHECK_DUE_EVERY, function=check_when_due),
        Periodic("idempotency-keys", interval=_CLEAN_EVERY, function=idempotency_keys.forget),
        Periodic("rate-limits", interval=_CLEAN_EVERY, function=rate_limits.forget),
        HttpServer("api", app, host=settings.http.host, port=settings.http.port),
    ]


def _user_service(food: FoodSettings) -> UserService | None:
    if not food.user_service_url:
        return None
    return HttpUserService(food.user_service_url, food.user_service_token, seconds=food.user_service_seconds)
