"""Streams and consumers as data; ``bus.provision`` makes them so and corrects drift. Durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from heliograph_common.contracts import subjects
from heliograph_common.contracts.subjects import Priority

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """One JetStream stream on file storage. ``max_age`` in seconds, 0 keeps for ever; ``duplicate_window`` too."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["workqueue", "limits"]
    discard: Literal["new", "old"]
    max_age: float = 0.0
    duplicate_window: float = 120.0


@dataclass(frozen=True, kw_only=True)
class ConsumerSpec:
    """One durable pull consumer. ``max_ack_pending`` is shared by all replicas: at least maximum replicas times slots.

    There is no ``max_deliver``: messages past it stop being delivered and show in no lag figure. The worker bounds
    attempts itself when it receives a message (see ``messaging.worker``).
    """

    durable: str
    stream: str
    filter_subject: str
    max_ack_pending: int = 1000


STREAMS: tuple[StreamSpec, ...] = (
    StreamSpec(name=subjects.WORK_STREAM, subjects=subjects.WORK_SUBJECTS, retention="workqueue", discard="new"),
    StreamSpec(
        name=subjects.EVENTS_STREAM,
        subjects=subjects.EVENT_SUBJECTS,
        retention="limits",
        discard="old",
        max_age=7 * DAY,
    ),
    StreamSpec(
        name=subjects.DEAD_STREAM,
        subjects=subjects.DEAD_SUBJECTS,
        retention="limits",
        discard="old",
        max_age=30 * DAY,
    ),
)


def thumbnailer(priority: Priority) -> ConsumerSpec:
    """The consumer from which thumbnailers take renders of one priority."""
    return ConsumerSpec(
        durable=f"thumbnailer-{priority.value}",
        stream=subjects.WORK_STREAM,
        filter_subject=subjects.render(priority),
    )


THUMBNAILER: tuple[ConsumerSpec, ...] = tuple(thumbnailer(priority) for priority in Priority)
CONSUMERS: tuple[ConsumerSpec, ...] = THUMBNAILER


def consumer_for(subject: str) -> ConsumerSpec | None:
    """The consumer that takes ``subject``."""
    return next((spec for spec in CONSUMERS if spec.filter_subject == subject), None)
