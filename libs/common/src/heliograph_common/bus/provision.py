"""Makes streams and durable consumers what ``contracts.streams`` says they are.

``provision`` is for installing: existing ones are corrected, because a durable silently keeps the configuration that it
was created with. ``ensure`` is for running services: it creates again what was lost and corrects nothing, so that services
of two versions do not undo each other's corrections.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
from nats.js.errors import APIError, NotFoundError

from heliograph_common.bus.api import answered
from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.streams import CONSUMERS, STREAMS, ConsumerSpec, StreamSpec
from heliograph_common.errors import StreamFull
from heliograph_common.setting_sources import PREFIX
from heliograph_common.settings import NatsSettings

log = structlog.get_logger(__name__)

_RETENTION = {"workqueue": RetentionPolicy.WORK_QUEUE, "limits": RetentionPolicy.LIMITS}
_DISCARD = {"new": DiscardPolicy.NEW, "old": DiscardPolicy.OLD}
_NO_STORAGE = {10002, 10023, 10047}  # limits of the account exceeded, insufficient resources, insufficient storage


async def provision(jetstream: JetStreamContext, settings: NatsSettings) -> list[str]:
    """Creates what is missing and corrects what differs; returns what it did, empty when all was well.

    Raises:
        StreamFull: JetStream has less storage than the streams reserve; names the settings.
    """
    done = []
    for stream in STREAMS:
        done += await _provision_stream(jetstream, stream, settings, correct=True)
    for consumer in CONSUMERS:
        done += await _provision_consumer(jetstream, consumer, settings, correct=True)
    return done


async def ensure(bus: Bus) -> list[str]:
    """Creates the streams and consumers that are missing; returns what it made, empty when all were there.

    Raises:
        StreamFull: JetStream has less storage than the streams reserve; names the settings.
        BusUnavailable: NATS is away, does not answer, or refuses.
    """
    done = []
    with answered(bus, "streams and consumers"):
        for stream in STREAMS:
            done += await _provision_stream(bus.jetstream, stream, bus.settings, correct=False)
        for consumer in CONSUMERS:
            done += await _provision_consumer(bus.jetstream, consumer, bus.settings, correct=False)
    return done


async def _provision_stream(
    jetstream: JetStreamContext, spec: StreamSpec, settings: NatsSettings, *, correct: bool
) -> list[str]:
    wanted = StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        retention=_RETENTION[spec.retention],
        discard=_DISCARD[spec.discard],
        max_bytes=getattr(settings, spec.max_bytes),
        max_age=spec.max_age,
        duplicate_window=spec.duplicate_window,
        storage=StorageType.FILE,
        num_replicas=settings.replicas,
        allow_direct=True,
    )
    try:
        found = (await jetstream.stream_info(spec.name)).config
    except NotFoundError:
        with _storage_for(spec, settings):
            await jetstream.add_stream(wanted)
        return [f"created stream {spec.name}"]
    drift = _differences(wanted, found) if correct else []
    if not drift:
        return []
    with _storage_for(spec, settings):
        await jetstream.update_stream(wanted)
    return [f"corrected stream {spec.name}: {', '.join(drift)}"]


@contextmanager
def _storage_for(spec: StreamSpec, settings: NatsSettings) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        if error.err_code not in _NO_STORAGE:
            raise
        raise StreamFull(
            f"JetStream has no storage for the {getattr(settings, spec.max_bytes)} bytes of stream {spec.name}: lower "
            f"{PREFIX}NATS__{spec.max_bytes.upper()} or give the server more (max_file_store)"
        ) from error


async def _provision_consumer(
    jetstream: JetStreamContext, spec: ConsumerSpec, settings: NatsSettings, *, correct: bool
) -> list[str]:
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
    drift = _differences(wanted, found) if correct else []
    if not drift:
        return []
    await jetstream.add_consumer(spec.stream, wanted)  # creating a durable again updates it
    return [f"corrected consumer {spec.durable}: {', '.join(drift)}"]


def _differences(wanted: StreamConfig | ConsumerConfig, found: StreamConfig | ConsumerConfig) -> list[str]:
    """Names of the fields that we set and that the server has otherwise. ``None`` leaves a field to the server."""
    fields = {name: value for name, value in vars(wanted).items() if value is not None}
    # nats-py's defaults of fields that we do not set are no wish of ours.
    ours = {
        "subjects", "retention", "discard", "max_bytes", "max_age", "duplicate_window", "num_replicas", "allow_direct",
        "filter_subject", "ack_wait", "max_deliver", "max_ack_pending",
    }  # fmt: skip
    return [name for name in fields if name in ours and _plain(fields[name]) != _plain(getattr(found, name))]


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, list) else getattr(value, "value", value)
