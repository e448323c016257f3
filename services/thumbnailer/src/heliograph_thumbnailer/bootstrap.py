"""Wires a thumbnailer. The only module of it that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph_common.ingest.spool import limits_of
from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_thumbnailer.handler import RenderHandler
from heliograph_thumbnailer.sandbox.pool import PoolLimits, RenderPool
from heliograph_thumbnailer.settings import ThumbnailerSettings

NAME = "thumbnailer"


async def build(settings: ThumbnailerSettings, health: Health) -> Sequence[Component]:
    """The components in the order in which they start."""
    backbone = Backbone.connect(NAME, settings, health)
    pool = _pool(settings)
    health.register("render-pool", pool.ready, critical=False)
    worker = backbone.worker(
        RenderHandler(backbone.blobs, pool, limits_of(settings.limits), max_attempts=settings.render.max_attempts),
        WorkerSettings(slots=settings.render.slots, hold_seconds=settings.render.hold_seconds),
        patience=settings.render.patience,
        available=(backbone.blobs.writable, pool.ready),
    )
    return [*backbone.components, pool, *worker]


def _pool(settings: ThumbnailerSettings) -> RenderPool:
    render = settings.render
    limits = PoolLimits(wall_seconds=render.wall_seconds, memory_budget=render.memory_mib << 20)
    return RenderPool(render.slots, limits)
