"""What the API answers, as pydantic models. Fields that a newer server adds are kept, not refused.

Shapes are those of the server's OpenAPI document; sizes are bytes, pixels are upright, times UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["pending", "processing", "complete", "failed"]
Priority = Literal["high", "normal", "low"]

Item = TypeVar("Item")


class Model(BaseModel):
    """Immutable; unknown fields are allowed, because servers may be newer than this client."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Problem(Model):
    """A problem document (RFC 9457); ``remedy`` and ``trace_id`` are this API's own members."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    remedy: str | None = None
    trace_id: str | None = None

    def __str__(self) -> str:
        """``Detail. Remedy.`` in one line."""
        said = (self.detail or self.title or f"the server answered {self.status}").rstrip(". ")
        if not self.remedy:
            return said
        return f"{said}. {self.remedy}"


class Rendition(Model):
    """One rendered file of an image; ``limited``: the source was smaller than the requested size."""

    name: str
    kind: str
    width: int
    height: int
    format: str
    bytes: int
    limited: bool = False
    url: str


class SignedUrl(Model):
    """Where the bytes of a rendition can be fetched without a token, until ``expires_at``."""

    url: str
    expires_at: datetime


class Stages(Model):
    """The state of each step; ``analysis`` is ``None`` where no analysis was requested."""

    stored: Status = "complete"
    thumbnails: Status = "pending"
    variants: Status = "pending"
    analysis: Status | None = None


class ImageError(Model):
    """Why an image failed, after how many attempts, and whether asking again can help."""

    reason: str
    retryable: bool = False
    attempts: int = 0


class Image(Model):
    """An image with its renditions. ``revision`` rises with each change of it (0: the server does not count them): an event
    with a lower one is older than this. ``progress`` runs from 0 to 100. ``created`` is only set on the answer to an upload:
    ``False`` when the same bytes were there already. ``requested_priority`` is the priority that the upload
    gave, where ``priority`` is lower because many of the caller's images were waiting; ``notice`` says so. ``caption``,
    ``alt_text`` and ``tags`` are ``None`` until an analysis tells."""

    id: UUID
    revision: int = 0
    name: str
    source: str
    sha256: str
    bytes: int
    mime_type: str
    width: int
    height: int
    frames: int = 1
    taken_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    priority: Priority = "normal"
    requested_priority: Priority | None = None
    notice: str | None = None
    thumbhash: str | None = None
    dominant_color: str | None = None
    phash: str | None = None
    exif: dict[str, Any] | None = None
    caption: str | None = None
    alt_text: str | None = None
    tags: list[str] | None = None
    status: Status
    progress: int
    stages: Stages
    error: ImageError | None = None
    renditions: list[Rendition] = []
    links: dict[str, str] = {}
    created: bool | None = Field(default=None, exclude=True)

    @property
    def finished(self) -> bool:
        """Nothing more will happen to it unless someone asks: complete or failed."""
        return self.status in {"complete", "failed"}

    @property
    def original(self) -> Rendition:
        """The file as it was uploaded, in the form of a rendition, so that it can be downloaded like one."""
        return Rendition(
            name="original",
            kind="original",
            width=self.width,
            height=self.height,
            format=self.mime_type.removeprefix("image/"),
            bytes=self.bytes,
            url=self.links.get("original", f"/v1/images/{self.id}/renditions/original"),
        )


class Page(Model, Generic[Item]):
    """One page of a list; ``next_cursor`` is ``None`` on the last one."""

    items: list[Item]
    next_cursor: str | None = None


class DisplaySize(Model):
    """A size that every image is rendered in. Pixels; ``contain`` fits into the box, ``cover`` fills it and crops."""

    name: str
    kind: Literal["thumbnail", "variant"]
    width: int
    height: int
    fit: Literal["cover", "contain"]
    format: Literal["jpeg", "webp"] = "jpeg"
    quality: int = 82


class ConsumerQueue(Model):
    """Work of one consumer; ``delayed`` has failed at least once and waits for its next attempt."""

    consumer: str
    subject: str
    waiting: int
    active: int
    delayed: int
    oldest_seconds: float | None = None


class OutboxStatus(Model):
    """Messages that are committed and not yet in NATS. ``quarantined`` ones, which are not part of ``depth``, can never be
    published as they are and wait for an administrator."""

    depth: int
    oldest_seconds: float
    quarantined: int = 0


class QueueStatus(Model):
    """The processing queue (``None`` while NATS is unavailable), and what was finished in the last 24 hours: the caller's
    own, or everyone's for administrators (``counted``)."""

    nats: Literal["available", "unavailable"]
    waiting: int | None
    active: int | None
    delayed: int | None
    oldest_seconds: float | None
    consumers: list[ConsumerQueue]
    completed: int
    failed: int
    counted: Literal["own", "all"]
    outbox: OutboxStatus


class DeadLetter(Model):
    """A message that could not be handled, whole. ``payload`` and ``headers`` are the original's."""

    id: str
    service: str
    subject: str
    owner: str
    reason: str
    error: str
    deliveries: int
    died_at: datetime
    image_id: str | None = None
    trace_id: str | None = None
    headers: dict[str, str] = {}
    payload: str = ""


class Replayed(Model):
    """A dead letter that was sent again under a new id; ``circuit_closed``: its image had failed and is pending again."""

    message_id: UUID
    subject: str
    circuit_closed: bool


class QuarantinedMessage(Model):
    """A message that can never be published as it is, for ``reason``. ``bytes``: the length of its payload; ``created_at``:
    when it was committed."""

    id: UUID
    subject: str
    owner: str | None = None
    reason: str
    bytes: int
    created_at: datetime
    quarantined_at: datetime
    trace_id: str | None = None


class FindingSample(Model):
    """One finding of a check: the ids, owner or key that it is about."""

    repaired: bool
    about: dict[str, str]


class Finding(Model):
    """All findings of one kind, how many of them were repaired, what to do about the others, and the first few."""

    kind: str
    found: int
    repaired: int
    repairable: bool = False
    remedy: str = ""
    samples: list[FindingSample] = []


class Check(Model):
    """A comparison of the server's rows with its objects and streams. ``progress`` runs from 0 to 100; ``error``: why it
    failed or what it waits for."""

    id: UUID
    state: Literal["running", "complete", "failed", "cancelled"]
    repair: bool
    progress: int
    step: str | None = None
    found: int
    repaired: int
    findings: list[Finding]
    error: str | None = None
    requested_by: str = ""
    started_at: datetime
    moved_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def left(self) -> int:
        """Findings that were not repaired."""
        return self.found - self.repaired


class Event(Model):
    """A CloudEvent 1.0 as the server sends it. ``type`` is without its ``dev.heliograph.`` prefix; ``subject`` is the id of
    the image or import; ``cursor`` resumes a stream after this event; ``data`` always has ``progress``, and ``stages`` of
    an image or ``counts`` of an import."""

    id: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    cursor: str | None = None
    data: dict[str, Any] = {}

    @property
    def revision(self) -> int:
        """That of the image which the event tells of, to be compared with ``Image.revision``; 0 when it does not say."""
        told = self.data.get("revision")
        return told if isinstance(told, int) else 0


class Reset(Model):
    """The stream could not go on from the cursor: events were missed between it and what follows. Read again what you
    hold of the server's state."""

    reason: str
    cursor: str | None = None
