"""What every service shares is wired the same way, and its parts may be fakes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.body import Command, Receiver
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.db.engine import Database
from heliograph_common.errors import BlobsUnavailable
from heliograph_common.messaging.row_source import FallbackSource, RowSource
from heliograph_common.messaging.worker import Worker, WorkerSettings
from heliograph_common.runtime.backbone import BLOBS_SECONDS, Backbone, connect_bus
from heliograph_common.runtime.health import Health
from heliograph_common.settings import ServiceSettings
from heliograph_common.testing.blobs import MemoryBlobs


class Other(Command, frozen=True, kw_only=True):
    """A command that is not held back."""

    type = "other"
    kind = "other"
    receivers = {"work.other": Receiver("By others.", durable="other")}  # noqa: RUF012


def backbone(health: Health, **settings: object) -> Backbone:
    """One over a store in memory; nothing of it is started."""
    own = ServiceSettings.model_validate(settings)
    return Backbone(
        "sample",
        own,
        health,
        database=Database(own.database, application="test"),
        blobs=MemoryBlobs(),
        bus=Bus(own.nats, client_name="test"),
    )


class Handler:
    """One that is never asked."""

    consumer = "sample"

    def __init__(self, command: type[Command]) -> None:
        self.command = command


def worker_of(made: Backbone, command: type[Command]) -> Worker[object]:
    handler: Any = Handler(command)
    *_, worker = made.worker(handler, WorkerSettings(slots=1), patience=5.0, available=())
    assert isinstance(worker, Worker)
    return worker


def test_checks_have_one_name_and_time_and_none_is_critical() -> None:
    health = Health()
    backbone(health)
    checks = {name: (found.timeout, found.critical) for name, found in health._checks.items()}
    assert checks == {"database": (2.0, False), "blobs": (BLOBS_SECONDS, False), "nats": (2.0, False)}


def test_a_service_of_nats_alone_has_the_same_check() -> None:
    health, whole = Health(), Health()
    connect_bus("sample", ServiceSettings(), health)
    backbone(whole)
    assert health._checks.keys() == {"nats"}
    assert health._checks["nats"].timeout == whole._checks["nats"].timeout


def test_what_others_use_starts_first() -> None:
    made = backbone(Health())
    assert [component.name for component in made.components] == ["database", "blobs", "bus", "relay", "worker-reports"]


async def test_its_parts_may_be_fakes() -> None:
    health = Health()
    made = backbone(health)
    assert isinstance(made.blobs, MemoryBlobs)
    await made.blobs.put(key := str(uuid4()), b"x", content_type="text/plain")
    assert await made.blobs.get(key) == b"x"
    made.blobs.down = True
    with pytest.raises(BlobsUnavailable):
        await health._checks["blobs"].check()


def test_a_worker_is_a_critical_check() -> None:
    health = Health()
    worker_of(backbone(health), RenderImage)
    assert health._checks["worker"].critical


def test_without_nats_work_that_is_held_back_comes_from_its_rows_alone() -> None:
    settings = {"render_source": "postgresql"}
    assert isinstance(worker_of(backbone(Health(), **settings), RenderImage)._source, RowSource)
    assert isinstance(worker_of(backbone(Health(), **settings), Other)._source, FallbackSource)
    assert isinstance(worker_of(backbone(Health()), RenderImage)._source, FallbackSource)
