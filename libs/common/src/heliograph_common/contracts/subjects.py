"""Every subject name is built here, so that a change of their shape (a partition token, say) is one change."""

from __future__ import annotations

from enum import StrEnum

WORK_STREAM = "WORK"
EVENTS_STREAM = "EVENTS"
DEAD_STREAM = "DEAD"

PARAMETERS = {
    "priority": "Priority of the work.",
    "profile": "Analysis profile.",
    "source": "Source of the import.",
    "task": "Next step towards the image of a word: `search`, `photo` or `download`.",
    "service": "Service that gave up on the message.",
    "reporter": "Service whose workers report.",
}
"""What the part of a subject that varies means."""

TEMPLATES = (
    "work.render.{priority}",
    "work.analyze.{profile}",
    "work.import.{source}",
    "work.fetch.{source}",
    "work.words.{task}",
    "dead.{service}",
    "workers.{reporter}",
)
"""Subjects with a part that varies, by which traces group them."""

_TEMPLATE_BY_PREFIX = {template.rpartition(".")[0]: template for template in TEMPLATES}

EVENT_SUBJECTS = ("events.image.*", "events.import.*", "events.word.*")
DEAD_SUBJECTS = ("dead.*",)
WORKER_SUBJECTS = "workers.*"
"""Reports of all workers, on core NATS: no stream takes them."""


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


def list_folder(source: str) -> str:
    """The subject of commands that list one page of a folder, such as ``work.import.google_drive``."""
    return f"work.import.{source}"


def fetch_file(source: str) -> str:
    """The subject of commands that fetch one file, such as ``work.fetch.google_drive``."""
    return f"work.fetch.{source}"


def words(task: str) -> str:
    """The subject of commands that find pictures for words, such as ``work.words.search``."""
    return f"work.words.{task}"


def event(event_type: str) -> str:
    """The subject of an event type, such as ``events.image.ready`` for ``image.ready``."""
    return f"events.{event_type}"


def dead(service: str) -> str:
    """The subject of a service's dead letters, such as ``dead.thumbnailer``."""
    return f"dead.{service}"


def workers(service: str) -> str:
    """The subject of the reports of a service's workers (``contracts.worker_report``), such as ``workers.thumbnailer``."""
    return f"workers.{service}"


def template_of(subject: str) -> str:
    """``subject`` with what varies named: ``work.render.high`` gives ``work.render.{priority}``. Events keep their name, of
    which there are few."""
    return _TEMPLATE_BY_PREFIX.get(subject.rpartition(".")[0], subject)
