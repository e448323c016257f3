"""The shapes of requests and responses, as the OpenAPI document shows them. Responses are built in ``representation``;
a test holds them to these models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from heliograph_gateway.http.parameters import WHOLE

State = Literal["pending", "processing", "complete", "failed"]
PriorityName = Literal["high", "normal", "low"]


class Shape(BaseModel):
    """Nothing beside the fields that are declared."""

    model_config = ConfigDict(extra="forbid")


class ProblemDocument(BaseModel):
    """RFC 9457; ``type`` is the address of a page that explains it."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    trace_id: str | None
    errors: list[dict[str, str]] | None = None


class StagesShape(Shape):
    """The state of each step; ``analysis`` is null when nobody asked for one."""

    stored: State
    thumbnails: State
    variants: State
    analysis: State | None


class RenditionShape(Shape):
    """A rendered file: pixels, size in bytes; ``limited``: the original was smaller than the size asked for."""

    name: str
    kind: Literal["thumbnail", "variant"]
    width: int
    height: int
    format: str
    bytes: int
    limited: bool
    url: str


class ImageError(Shape):
    """Why an image failed."""

    reason: str
    retryable: bool
    attempts: int


class ImageShape(Shape):
    """One image. ``revision`` rises with each change of it: an event about the image whose ``revision`` is lower than this
    one is older than this answer. ``width`` and ``height`` are those of the upright original; ``progress`` is 0 to 100.
    ``requested_priority`` is what was asked for where ``priority`` is lower, because many pictures of the owner were
    waiting; ``notice`` says so in words while this one waits too."""

    id: UUID
    revision: Annotated[int, Field(ge=1)]
    name: str
    source: str
    sha256: str
    bytes: int
    mime_type: str
    width: int
    height: int
    frames: int
    taken_at: datetime | None
    created_at: datetime
    updated_at: datetime
    priority: PriorityName
    requested_priority: PriorityName | None
    notice: str | None
    thumbhash: str | None
    dominant_color: str | None
    phash: str | None
    exif: dict[str, Any] | None
    status: State
    progress: int
    stages: StagesShape
    error: ImageError | None
    completed_at: datetime | None
    renditions: list[RenditionShape]
    links: dict[str, str]


class ImagePage(Shape):
    """Images, newest first; ``next`` is the address of the next page, null on the last."""

    images: list[ImageShape]
    next: str | None


class SizeRunShape(Shape):
    """A pass over all images. ``total``: how many there were; of these ``queued`` were sent to be rendered, of which
    ``waiting`` are not done yet. ``progress`` is 0 to 100."""

    id: UUID
    state: Literal["running", "complete", "superseded"]
    total: int
    queued: int
    waiting: int
    done: int
    progress: int
    started_at: datetime
    finished_at: datetime | None


class NearImage(ImageShape):
    """An image and in how many of 64 bits its perceptual hash differs."""

    distance: int


class NearPage(Shape):
    """Images near another, nearest first; ``next`` as in other pages."""

    images: list[NearImage]
    next: str | None


class FileOutcome(Shape):
    """What became of one file of several."""

    name: str
    status: int
    image: ImageShape | None = None
    problem: ProblemDocument | None = None


class UploadOutcomes(Shape):
    """One entry a file, in the order of the request."""

    images: list[FileOutcome]


class SignedUrl(Shape):
    """An address under which anyone may read the file until it expires."""

    url: str
    expires_at: datetime


class ConsumerQueue(Shape):
    """Work of one consumer. ``delayed`` counts images that failed at least once and wait for their next attempt; NATS
    itself counts them as active, so they are subtracted there. ``oldest_seconds``: age of the oldest message."""

    consumer: str
    subject: str
    waiting: int
    active: int
    delayed: int
    oldest_seconds: float | None


class OutboxShape(Shape):
    """Messages that are committed and not yet in NATS: exact up to 10,000, above that an estimate. ``quarantined`` ones can
    never be published and wait for an administrator; they are not part of ``depth``."""

    depth: int
    oldest_seconds: float
    quarantined: int


class QueueShape(Shape):
    """Totals over all consumers (null while NATS is away), images finished in the last 24 hours (the caller's own; of
    all owners for administrators), and the outbox."""

    nats: Literal["available", "unavailable"]
    waiting: int | None
    active: int | None
    delayed: int | None
    oldest_seconds: float | None
    consumers: list[ConsumerQueue]
    completed: int
    failed: int
    counted: Literal["own", "all"]
    outbox: OutboxShape


class DeadLetterShape(Shape):
    """A message that could not be handled. ``payload`` and ``headers`` are the original's."""

    id: str
    service: str
    subject: str
    owner: str
    reason: str
    error: str
    deliveries: int
    died_at: datetime
    image_id: str | None
    trace_id: str | None
    headers: dict[str, str]
    payload: str


class DeadLetterPage(Shape):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetterShape]
    next: str | None


class Replayed(Shape):
    """The work was asked for again by a new message; ``circuit_closed``: its image had failed and is pending again."""

    message_id: UUID
    subject: str
    circuit_closed: bool


class QuarantinedShape(Shape):
    """A message that can never be published as it is, for ``reason``. ``bytes``: the length of its payload; ``owner``: null
    where that cannot be read; ``created_at``: when it was committed."""

    id: UUID
    subject: str
    owner: str | None
    reason: str
    bytes: int
    created_at: datetime
    quarantined_at: datetime
    trace_id: str | None


class QuarantinePage(Shape):
    """Quarantined messages, newest first."""

    messages: list[QuarantinedShape]
    next: str | None


class Released(Shape):
    """The message waits in the outbox again."""

    message_id: UUID


class Size(Shape):
    """A size that pictures are rendered in, in pixels. ``quality`` is the encoder's."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    kind: Literal["thumbnail", "variant"]
    width: Annotated[int, Field(ge=1, le=16_384), WHOLE]
    height: Annotated[int, Field(ge=1, le=16_384), WHOLE]
    fit: Literal["cover", "contain"]
    format: Literal["jpeg", "webp"]
    quality: Annotated[int, Field(ge=1, le=100), WHOLE]


class DisplaySizes(Shape):
    """All sizes, in the order in which they are rendered."""

    sizes: Annotated[list[Size], Field(min_length=1, max_length=20)]


class TusUploadShape(Shape):
    """A resumable upload: ``offset`` of ``length`` bytes are stored (null: nobody knows yet how many there are to be). The
    link ``image`` is there once ``state`` is complete; ``partial`` ones are for concatenation, and never become one."""

    id: UUID
    state: Literal["open", "complete"]
    name: str
    offset: int
    length: int | None
    partial: bool
    created_at: datetime
    expires_at: datetime
    links: dict[str, str]
