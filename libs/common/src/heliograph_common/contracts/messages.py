"""The body of every message, one class a type. A released field is never removed, renamed or retyped; a change that
old readers would misunderstand raises ``version``. Golden samples of every version are kept in ``tests/contracts``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec

from heliograph_common.contracts import subjects
from heliograph_common.contracts.subjects import Priority

StageState = Literal["pending", "processing", "complete", "failed"]

Revision = Annotated[
    int,
    msgspec.Meta(
        description="Of the image that the event tells of: higher with each change. Drop an event whose revision is lower "
        "than one seen of the same image. 0: unknown, of a service that did not count."
    ),
]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What all bodies have: the type's name and the version of its contract."""

    type: ClassVar[str]
    version: ClassVar[int] = 1


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """The state of each step of one picture, so that any one event is enough to draw a progress bar.
    ``analysis`` is ``None`` when nobody asked for one."""

    stored: StageState = "complete"
    thumbnails: StageState = "pending"
    variants: StageState = "pending"
    analysis: StageState | None = None


_WEIGHTS = (("stored", 20), ("thumbnails", 40), ("variants", 40), ("analysis", 25))


def progress(stages: Stages) -> int:
    """How far a picture is, 0 to 100, from its stages' weights; a stage that nobody asked for weighs nothing."""
    wanted = [(getattr(stages, name), weight) for name, weight in _WEIGHTS if getattr(stages, name) is not None]
    done = sum(weight for state, weight in wanted if state == "complete")
    return round(100 * done / sum(weight for _, weight in wanted))


@dataclass(frozen=True)
class Receiver:
    """Who takes the commands of a subject, in a sentence for readers of the document, and the ``durable`` consumer that they
    are taken from; ``None`` where nobody takes them yet."""

    sentence: str
    durable: str | None


class Command(Body, frozen=True, kw_only=True):
    """What all commands have: the kind of work that they ask for, and what it is done to. Both together name the row of the
    work (``db.work_models``), which says whether it is still to be done. ``receivers`` are the subjects that it is sent on,
    the most urgent first, with a name in braces for a part that varies, and who takes it there. Stream, consumers and
    document follow from them."""

    kind: ClassVar[str]
    receivers: ClassVar[Mapping[str, Receiver]]

    @property
    def target(self) -> UUID:
        """The id of what the work is done to."""
        raise NotImplementedError


class ImageCommand(Command, frozen=True, kw_only=True):
    """What commands about one image have. Its work ends with the image: deleting one forgets all of them."""

    image_id: UUID

    @property
    def target(self) -> UUID:
        """The image."""
        return self.image_id


class RenderImage(ImageCommand, frozen=True, kw_only=True):
    """Command: render what is missing of one picture. The row in ``images`` says all the rest."""

    type: ClassVar[str] = "render.image"
    kind: ClassVar[str] = "render"
    receivers: ClassVar[Mapping[str, Receiver]] = {
        subjects.render(priority): Receiver(
            f"By thumbnailers; {priority.value} in its turn.", durable=f"thumbnailer-{priority.value}"
        )
        for priority in Priority
    }


class AnalyzeImage(ImageCommand, frozen=True, kw_only=True):
    """Command: have a vision model tell about one picture, as ``profile`` says. Its thumbnails can be fetched."""

    type: ClassVar[str] = "analyze.image"
    kind: ClassVar[str] = "analyze"
    receivers: ClassVar[Mapping[str, Receiver]] = {
        subjects.analyze("{profile}"): Receiver("By analyzers of the profile.", durable=None)
    }

    profile: str


COMMANDS: tuple[type[Command], ...] = (RenderImage, AnalyzeImage)
IMAGE_KINDS = tuple(command.kind for command in COMMANDS if issubclass(command, ImageCommand))
"""The kinds of work on images."""


class RenditionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A rendition as events tell of it: pixels, format (``jpeg``, ``webp``), size in bytes; ``limited`` when the source
    was smaller than what was asked for."""

    name: str
    kind: Literal["thumbnail", "variant"]
    width: int
    height: int
    format: str
    bytes: int
    limited: bool = False


class ImageEvent(Body, frozen=True, kw_only=True):
    """What all events about a picture carry: ``progress`` (0 to 100), the state of each stage, and the ``revision`` of the
    picture that the event tells of, because events may come out of their order. ``db.statements.event_facts`` gives these
    from the row that the change returned, and nothing else does."""

    image_id: UUID
    name: str
    progress: int
    stages: Stages
    revision: Revision = 0


class ImageStored(ImageEvent, frozen=True, kw_only=True):
    """Event: the original is in the object store and its row is committed."""

    type: ClassVar[str] = "image.stored"

    source: str
    mime_type: str
    bytes: int
    width: int
    height: int
    priority: Priority


class ThumbnailsReady(ImageEvent, frozen=True, kw_only=True):
    """Event: all thumbnails can be fetched."""

    type: ClassVar[str] = "image.thumbnails_ready"

    renditions: list[RenditionInfo]
    thumbhash: str | None = None
    dominant_color: str | None = None


class VariantsReady(ImageEvent, frozen=True, kw_only=True):
    """Event: all display variants can be fetched."""

    type: ClassVar[str] = "image.variants_ready"

    renditions: list[RenditionInfo]


class ImageReady(ImageEvent, frozen=True, kw_only=True):
    """Event: every rendition of the picture can be fetched. An analysis may still be to come: see ``stages``."""

    type: ClassVar[str] = "image.ready"

    accepted_at: datetime


class ImageFailed(ImageEvent, frozen=True, kw_only=True):
    """Event: the picture could not be rendered; ``reason`` is for people, ``retryable``: asking again can help."""

    type: ClassVar[str] = "image.failed"

    reason: str
    attempts: int
    retryable: bool


class ImageRetried(ImageEvent, frozen=True, kw_only=True):
    """Event: someone closed the circuit of a failed picture and queued it again."""

    type: ClassVar[str] = "image.retried"


class ImageDeleted(ImageEvent, frozen=True, kw_only=True):
    """Event: the owner deleted the picture; its blobs go after the grace period."""

    type: ClassVar[str] = "image.deleted"


class DeadLetter(Body, frozen=True, kw_only=True):
    """A message that could not be handled, whole, with its reason and the trace it belonged to."""

    type: ClassVar[str] = "dead.letter"

    service: str
    subject: str
    headers: dict[str, str]
    payload: str
    reason: str
    error: str
    deliveries: int
    died_at: datetime


EVENTS: tuple[type[ImageEvent], ...] = (
    ImageStored,
    ThumbnailsReady,
    VariantsReady,
    ImageReady,
    ImageFailed,
    ImageRetried,
    ImageDeleted,
)
