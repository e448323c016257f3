"""Every subject name is built here, so that a change of their shape (a partition token, say) is one change."""

from __future__ import annotations

from enum import StrEnum

WORK_STREAM = "WORK"
EVENTS_STREAM = "EVENTS"
DEAD_STREAM = "DEAD"

RESERVED_WORK_SUBJECTS = ("work.import.*", "work.fetch.*", "work.words.*")
"""Kept in the stream of work beside those of the commands that there are."""
EVENT_SUBJECTS = ("events.image.*", "events.import.*", "events.word.*")
DEAD_SUBJECTS = ("dead.*",)


class Priority(StrEnum):
    """Priority of a render. Workers take a lower one only when no higher one is waiting."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


def render(priority: Priority) -> str:
    """The subject of render commands, such as ``work.render.normal``."""
    return f"work.render.{priority.value}"


def analyze(profile: str) -> str:
    """The subject of commands that ask a vision model, such as ``work.analyze.food``."""
    return f"work.analyze.{profile}"


def event(event_type: str) -> str:
    """The subject of an event type, such as ``events.image.ready`` for ``image.ready``."""
    return f"events.{event_type}"


def dead(service: str) -> str:
    """The subject of a service's dead letters, such as ``dead.thumbnailer``."""
    return f"dead.{service}"
