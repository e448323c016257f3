"""Wires a thumbnailer. The only module of it that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.contracts import subjects
from heliograph_common.contracts.streams import THUMBNAILER
from heliograph_common.db.engine import Database
from heliograph_common.ingest.spool import limits_of
from heliograph_common.messaging.ports import Source
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.row_source import FallbackSource, RowSource
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.messaging.worker import Worker, WorkerSettings
from heliograph_common.runtime.adapters import Closing
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_thumbnailer.handler import RenderHandler
from heliograph_thumbnailer.sandbox.pool import PoolLimits, RenderPool
from heliograph_thumbnailer.settings import ThumbnailerSettings

NAME = "thumbnailer"


async def build(settings: ThumbnailerSettings, health: Health) -> Sequence[Component]:
    """The components in the order in which they start."""
    database = Database(settings.database, application=f"heliograph-{NAME}")
    bus = Bus(settings.nats, client_name=f"heliograph-{NAME}")
    signs = LifeSigns(settings.nats, client_name=f"heliograph-{NAME}")
    blobs = MinioBlobs(settings.s3)
    relay = Relay(database, partial(publish, bus), lambda: bus.connected, hold_back=settings.held_back())
    messenger = Messenger(database, relay)
    pool = _pool(settings)
    worker = Worker(
        NAME,
        _source(settings, bus, signs, database),
        RenderHandler(blobs, pool, limits_of(settings.limits), max_attempts=settings.render.max_attempts),
        messenger,
        WorkerSettings(slots=settings.render.slots, hold_seconds=settings.render.hold_seconds),
        available=(database.writable, blobs.writable, pool.ready),
    )
    health.register("database", database.ready, critical=False)  # without its servers it waits for them, as it is to
    health.register("blobs", blobs.ready, critical=False)
    health.register("render-pool", pool.ready, critical=False)
    health.register("worker", worker.ready)
    health.register("bus", bus.ready, critical=False)
    return [
        Closing("database", database.close),
        Closing("blobs", blobs.close),
        bus,
        signs,
        relay,
        pool,
        worker,
    ]


def _pool(settings: ThumbnailerSettings) -> RenderPool:
    render = settings.render
    limits = PoolLimits(wall_seconds=render.wall_seconds, memory_budget=render.memory_mib << 20)
    return RenderPool(render.slots, limits)


def _source(settings: ThumbnailerSettings, bus: Bus, signs: LifeSigns, database: Database) -> Source:
    ack_wait = settings.nats.ack_wait
    rows = RowSource(database, [subjects.render(priority) for priority in subjects.Priority], by=NAME)
    if settings.render_source == "postgresql":
        return rows
    from_nats = PullSource(bus, THUMBNAILER, ack_wait=ack_wait, signs=signs)
    return FallbackSource(from_nats, rows, failing_for=bus.down_for, patience=settings.render.patience)
