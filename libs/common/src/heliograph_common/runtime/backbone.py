"""The adapters that services share, wired the same way in each: database, object store, NATS, outbox, worker. Each has one
name in health checks, one time limit and one place in the order of start. What a service has of its own is its
``bootstrap``'s. A service that needs NATS and nothing else calls ``connect_bus``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Self, TypeVar

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.blobs.port import Blobs
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.life_signs import LifeSigns
from heliograph_common.bus.notices import say
from heliograph_common.bus.publish import publish
from heliograph_common.bus.pull import PullSource
from heliograph_common.bus.settled import Settled
from heliograph_common.contracts.streams import ConsumerSpec, consumers_of
from heliograph_common.db.engine import Database
from heliograph_common.messaging.ports import Handler, Source
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.row_source import FallbackSource, RowSource
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.messaging.worker import Worker, WorkerSettings
from heliograph_common.messaging.worker_reports import WorkerReports
from heliograph_common.runtime.adapters import Closing
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_common.settings import ServiceSettings

DATABASE_SECONDS = 2.0
BLOBS_SECONDS = 5.0
NATS_SECONDS = 2.0
"""What the checks ``database``, ``blobs`` and ``nats`` may take; the chart's readiness probe waits 6 s."""

_Claim = TypeVar("_Claim")


def connect_bus(service: str, settings: ServiceSettings, health: Health) -> Bus:
    """A connection to NATS, with its check. It is a component."""
    bus = Bus(settings.nats, client_name=_client_name(service))
    _check_bus(health, bus)
    return bus


class Backbone:
    """Database, object store, NATS and outbox of one service.

    None of their checks is critical: a gateway that nobody reaches could not answer 503 with Retry-After, and a worker waits
    for its servers by itself.
    """

    def __init__(
        self,
        service: str,
        settings: ServiceSettings,
        health: Health,
        *,
        database: Database,
        blobs: Blobs,
        bus: Bus,
    ) -> None:
        self._service = service
        self._settings = settings
        self._health = health
        self.database = database
        self.blobs = blobs
        self.bus = bus
        self.relay = Relay(database, partial(publish, bus), lambda: bus.connected, hold_back=settings.held_back())
        self.messenger = Messenger(database, self.relay)
        self._reports = WorkerReports(service, partial(say, bus))
        health.register("database", database.ready, critical=False, timeout=DATABASE_SECONDS)
        health.register("blobs", blobs.ready, critical=False, timeout=BLOBS_SECONDS)
        _check_bus(health, bus)

    @classmethod
    def connect(cls, service: str, settings: ServiceSettings, health: Health) -> Self:
        """The one of ``settings``. Nothing is connected before its components start."""
        return cls(
            service,
            settings,
            health,
            database=Database(settings.database, application=_client_name(service)),
            blobs=MinioBlobs(settings.s3),
            bus=Bus(settings.nats, client_name=_client_name(service)),
        )

    @property
    def components(self) -> list[Component]:
        """In the order of their start, before those of the service."""
        closing = (Closing("database", self.database.close), Closing("blobs", self.blobs.close))
        return [*closing, self.bus, self.relay, self._reports]

    def worker(
        self,
        handler: Handler[_Claim],
        settings: WorkerSettings,
        *,
        patience: float,
        available: Sequence[Callable[[], Awaitable[None]]],
        gate: Callable[[], bool] = lambda: True,
    ) -> list[Component]:
        """Components that bring the handler's commands to it, the most urgent first; in the order of their start, after the
        others of the service. It registers the check ``worker``, which is critical; where the handler's consumer is not
        called as the service, because that has several, ``worker-<consumer>``.

        NATS may bring nothing for ``patience`` seconds before a command is taken from its row of work. ``available`` are
        checks of what the handler needs beside the database, and ``gate`` whether to take anything (see ``Worker``).
        """
        signs = LifeSigns(self._settings.nats, client_name=_client_name(self._service))
        consumer, consumers = handler.consumer, consumers_of(handler.command)
        settled = {spec.durable: Settled() for spec in consumers}
        worker = Worker(
            self._service,
            self._source(consumers, signs, settled, patience),
            handler,
            self.messenger,
            settings,
            available=(self.database.writable, *available),
            gate=gate,
            name=f"worker-{consumer}",
        )
        self._reports.add(worker.load, settled)
        self._health.register("worker" if consumer == self._service else f"worker-{consumer}", worker.ready)
        return [signs, worker]

    def _source(
        self, consumers: Sequence[ConsumerSpec], signs: LifeSigns, settled: Mapping[str, Settled], patience: float
    ) -> Source:
        subjects = [consumer.filter_subject for consumer in consumers]
        rows = RowSource(self.database, subjects, by=self._service)
        held_back = self._settings.held_back()
        if held_back is not None and all(subject.startswith(held_back) for subject in subjects):
            return rows
        ack_wait = self._settings.nats.ack_wait
        from_nats = PullSource(self.bus, consumers, ack_wait=ack_wait, signs=signs, settled=settled)
        return FallbackSource(from_nats, rows, failing_for=self.bus.down_for, patience=patience)


def _check_bus(health: Health, bus: Bus) -> None:
    """Uploads go on without NATS, and open sockets stay: its check is not critical."""
    health.register("nats", bus.ready, critical=False, timeout=NATS_SECONDS)


def _client_name(service: str) -> str:
    """The name of a service in the servers' lists of connections."""
    return f"heliograph-{service}"
