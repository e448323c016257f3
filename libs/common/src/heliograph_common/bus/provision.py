"""Makes streams and durable consumers what ``contracts.streams`` says they are. Existing ones are corrected, because a
durable silently keeps the configuration that it was created with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.streams import CONSUMERS, STREAMS, ConsumerSpec, StreamSpec
from heliograph_common.settings import NatsSettings

log = structlog.get_logger(__name__)

_RETENTION = {"workqueue": RetentionPolicy.WORK_QUEUE, "limits": RetentionPolicy.LIMITS}
_DISCARD = {"new": DiscardPolicy.NEW, "old": DiscardPolicy.OLD}


@dataclass(frozen=True)
class ConsumerStanding:
    delivered: int
    pending: int
    paused: bool


@dataclass(frozen=True)
class WorkStanding:
    created: datetime
    last_seq: int
    consumers: Mapping[str, ConsumerStanding]


async def stream_standing(bus: Bus) -> WorkStanding:
    info = await bus.jetstream.stream_info("WORK")
    assert info.created is not None  # noqa: S101
    consumers = {}
    for spec in CONSUMERS:
        found = await bus.jetstream.consumer_info("WORK", spec.durable)
        consumers[spec.durable] = ConsumerStanding(found.delivered.stream_seq, found.num_pending or 0, False)
    return WorkStanding(info.created, info.state.last_seq, consumers)


async def provision(jetstream: JetStreamContext, settings: NatsSettings) -> list[str]:
    """Creates what is missing and corrects what differs; returns what it did, empty when all was well."""
    done = []
    for stream in STREAMS:
        done += await _provision_stream(jetstream, stream, settings)
    for consumer in CONSUMERS:
        done += await _provision_consumer(jetstream, consumer, settings)
    return done


async def _provision_stream(jetstream: JetStreamContext, spec: StreamSpec, settings: NatsSettings) -> list[str]:
    wanted = StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        retention=_RETENTION[spec.retention],
        discard=_DISCARD[spec.discard],
        max_age=spec.max_age,
        duplicate_window=spec.duplicate_window,
        storage=StorageType.FILE,
        num_replicas=settings.replicas,
        allow_direct=True,
    )
    try:
        found = (await jetstream.stream_info(spec.name)).config
    except NotFoundError:
        await jetstream.add_stream(wanted)
        return [f"created stream {spec.name}"]
    drift = _differences(wanted, found)
    if not drift:
        return []
    await jetstream.update_stream(wanted)
    return [f"corrected stream {spec.name}: {', '.join(drift)}"]


async def _provision_consumer(jetstream: JetStreamContext, spec: ConsumerSpec, settings: NatsSettings) -> list[str]:
    wanted = ConsumerConfig(
        durable_name=spec.durable,
        filter_subject=spec.filter_subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait,
        max_deliver=-1,
        max_ack_pending=spec.max_ack_pending,
    )
    try:
        found = (await jetstream.consumer_info(spec.stream, spec.durable)).config
    except NotFoundError:
        await jetstream.add_consumer(spec.stream, wanted)
        return [f"created consumer {spec.durable}"]
    drift = _differences(wanted, found)
    if not drift:
        return []
    await jetstream.add_consumer(spec.stream, wanted)  # creating a durable again updates it
    return [f"corrected consumer {spec.durable}: {', '.join(drift)}"]


def _differences(wanted: StreamConfig | ConsumerConfig, found: StreamConfig | ConsumerConfig) -> list[str]:
    """Names of the fields that we set and that the server has otherwise. ``None`` leaves a field to the server."""
    fields = {name: value for name, value in vars(wanted).items() if value is not None}
    # nats-py's defaults of fields that we do not set are no wish of ours.
    ours = {
        "subjects", "retention", "discard", "max_age", "duplicate_window", "num_replicas", "allow_direct",
        "filter_subject", "ack_wait", "max_deliver", "max_ack_pending",
    }  # fmt: skip
    return [name for name in fields if name in ours and _plain(fields[name]) != _plain(getattr(found, name))]


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, list) else getattr(value, "value", value)
