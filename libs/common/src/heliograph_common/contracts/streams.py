"""Streams and consumers as data, those of commands from what the commands say of themselves; ``bus.provision`` makes them so
and corrects drift. Durations are seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.messages import COMMANDS, RenderImage

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """One JetStream stream on file storage. ``max_age`` in seconds, 0 keeps for ever; ``duplicate_window`` too.
    ``max_bytes`` names the field of ``NatsSettings`` with the bytes that JetStream reserves for it, so that no stream can
    take the disk that another needs."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["workqueue", "limits"]
    discard: Literal["new", "old"]
    max_bytes: Literal["work_bytes", "events_bytes", "dead_bytes"]
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


def _pattern(subject: str) -> str:
    """``work.analyze.*`` for ``work.analyze.{profile}``."""
    return re.sub(r"\{\w+\}", "*", subject)


STREAMS: tuple[StreamSpec, ...] = (
    StreamSpec(
        name=subjects.WORK_STREAM,
        subjects=tuple(_pattern(subject) for command in COMMANDS for subject in command.receivers),
        retention="workqueue",
        discard="new",
        max_bytes="work_bytes",
    ),
    StreamSpec(
        name=subjects.EVENTS_STREAM,
        subjects=subjects.EVENT_SUBJECTS,
        retention="limits",
        discard="old",
        max_bytes="events_bytes",
        max_age=7 * DAY,
    ),
    StreamSpec(
        name=subjects.DEAD_STREAM,
        subjects=subjects.DEAD_SUBJECTS,
        retention="limits",
        discard="old",
        max_bytes="dead_bytes",
        max_age=30 * DAY,
    ),
)


def consumers_of(command: type[Command]) -> tuple[ConsumerSpec, ...]:
    """The consumers from which ``command`` is taken, the most urgent first."""
    return tuple(
        ConsumerSpec(durable=receiver.durable, stream=subjects.WORK_STREAM, filter_subject=_pattern(subject))
        for subject, receiver in command.receivers.items()
        if receiver.durable is not None
    )


THUMBNAILER: tuple[ConsumerSpec, ...] = consumers_of(RenderImage)
CONSUMERS: tuple[ConsumerSpec, ...] = tuple(spec for command in COMMANDS for spec in consumers_of(command))


def stream_for(subject: str) -> StreamSpec | None:
    """The stream that stores messages of ``subject``; ``None`` when this version knows of none."""
    return next((spec for spec in STREAMS if any(takes(pattern, subject) for pattern in spec.subjects)), None)


def consumer_for(subject: str) -> ConsumerSpec | None:
    """The consumer that takes messages of ``subject``; ``None`` when this version knows of none."""
    return next((spec for spec in CONSUMERS if takes(spec.filter_subject, subject)), None)


def takes(pattern: str, subject: str) -> bool:
    """Whether ``pattern`` matches: ``*`` stands for one token, ``>`` at the end for one or more."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1] if len(given) >= len(wanted) else []
    return len(wanted) == len(given) and all(each in {"*", token} for each, token in zip(wanted, given, strict=True))
