"""The body of every message, one class a type. A released field is never removed, renamed or retyped; a change that
old readers would misunderstand raises ``version``. Golden samples of every version are kept in ``tests/contracts``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Body, Command, Receiver
from heliograph_common.contracts.import_messages import (
    FetchFile,
    ImportCanceled,
    ImportCompleted,
    ImportEvent,
    ImportFailed,
    ImportProgress,
    ImportStarted,
    ListFolder,
)
from heliograph_common.contracts.subjects import Priority
from heliograph_common.contracts.word_messages import (
    FindPicture,
    WordEvent,
    WordImageFound,
    WordImageNotFound,
    WordImageRemoved,
    WordImageStored,
)

StageState = Literal["pending", "processing", "complete", "failed"]

Revision = Annotated[
    int,
    msgspec.Meta(
        description="Revision of the image that the event describes. It increases with every change of the image. "
        "Ignore an event "
        "whose revision is lower than one already seen for the same image. 0 if unknown."
    ),
]
ImageId = Annotated[UUID, msgspec.Meta(description="Id of the image.")]
AnalysisId = Annotated[UUID, msgspec.Meta(description="Id of the analysis.")]


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """State of each processing stage of an image."""

    stored: Annotated[StageState, msgspec.Meta(description="State of storing the original.")] = "complete"
    thumbnails: Annotated[StageState, msgspec.Meta(description="State of rendering the thumbnails.")] = "pending"
    variants: Annotated[StageState, msgspec.Meta(description="State of rendering the display variants.")] = "pending"
    analysis: Annotated[
        StageState | None, msgspec.Meta(description="State of the analysis. Null if none was requested.")
    ] = None


_WEIGHTS = (("stored", 20), ("thumbnails", 40), ("variants", 40), ("analysis", 25))


def progress(stages: Stages) -> int:
    """How far an image is, 0 to 100, from its stages' weights; a stage that was not requested weighs nothing."""
    wanted = [(getattr(stages, name), weight) for name, weight in _WEIGHTS if getattr(stages, name) is not None]
    done = sum(weight for state, weight in wanted if state == "complete")
    return round(100 * done / sum(weight for _, weight in wanted))


class ImageCommand(Command, frozen=True, kw_only=True):
    """What commands about one image have. Its work ends with the image: deleting one forgets all of them."""

    image_id: ImageId

    @property
    def target(self) -> UUID:
        """The image."""
        return self.image_id


class RenderImage(ImageCommand, frozen=True, kw_only=True):
    """Render the missing renditions of an image."""

    type: ClassVar[str] = "render.image"
    kind: ClassVar[str] = "render"
    receivers: ClassVar[Mapping[str, Receiver]] = {
        subjects.render(priority): Receiver(
            f"Received by thumbnailers, at priority {priority.value}.", durable=f"thumbnailer-{priority.value}"
        )
        for priority in Priority
    }


class AnalyzeImage(Command, frozen=True, kw_only=True):
    """Analyze an image with a vision model. The rendition that the model is shown is there."""

    type: ClassVar[str] = "analyze.image"
    kind: ClassVar[str] = "analyze"
    receivers: ClassVar[Mapping[str, Receiver]] = {
        subjects.analyze("{profile}"): Receiver("Received by analyzers.", durable="analyzer")
    }

    image_id: ImageId
    profile: Annotated[str, msgspec.Meta(description="Analysis profile.")]
    analysis_id: Annotated[
        UUID | None, msgspec.Meta(description="Id of the analysis. Null: the one of the image and the profile.")
    ] = None

    @property
    def target(self) -> UUID:
        """The analysis."""
        return self.analysis_id or self.image_id


COMMANDS: tuple[type[Command], ...] = (RenderImage, AnalyzeImage, ListFolder, FetchFile, FindPicture)
IMAGE_KINDS = tuple(command.kind for command in COMMANDS if issubclass(command, ImageCommand))
"""The kinds of work on images."""


class RenditionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered file of an image."""

    name: Annotated[str, msgspec.Meta(description="Name of the display size that the file was rendered in.")]
    kind: Annotated[Literal["thumbnail", "variant"], msgspec.Meta(description="Kind of the display size.")]
    width: Annotated[int, msgspec.Meta(description="Width in pixels.")]
    height: Annotated[int, msgspec.Meta(description="Height in pixels.")]
    format: Annotated[str, msgspec.Meta(description="File format: `jpeg` or `webp`.")]
    bytes: Annotated[int, msgspec.Meta(description="File size in bytes.")]
    limited: Annotated[bool, msgspec.Meta(description="Whether the original is smaller than the display size.")] = False


class ImageEvent(Body, frozen=True, kw_only=True):
    """What all events about an image carry, so that any one event is enough to draw a progress bar. ``revision`` is
    there because events may come out of their order. ``db.statements.event_facts`` gives these from the row that the
    change returned, and nothing else does."""

    image_id: ImageId
    name: Annotated[str, msgspec.Meta(description="File name given at the upload.")]
    progress: Annotated[int, msgspec.Meta(description="Processing progress in percent, from 0 to 100.")]
    stages: Annotated[Stages, msgspec.Meta(description="State of each processing stage.")]
    revision: Revision = 0


class ImageStored(ImageEvent, frozen=True, kw_only=True):
    """The image was accepted and its original is stored."""

    type: ClassVar[str] = "image.stored"

    source: Annotated[str, msgspec.Meta(description="Where the image came from.")]
    mime_type: Annotated[str, msgspec.Meta(description="Media type of the original.")]
    bytes: Annotated[int, msgspec.Meta(description="Size of the original file in bytes.")]
    width: Annotated[int, msgspec.Meta(description="Width of the original in pixels.")]
    height: Annotated[int, msgspec.Meta(description="Height of the original in pixels.")]
    priority: Annotated[Priority, msgspec.Meta(description="Priority at which the image is rendered.")]


class ThumbnailsReady(ImageEvent, frozen=True, kw_only=True):
    """All thumbnails are rendered."""

    type: ClassVar[str] = "image.thumbnails_ready"

    renditions: Annotated[list[RenditionInfo], msgspec.Meta(description="The thumbnails.")]
    thumbhash: Annotated[str | None, msgspec.Meta(description="ThumbHash placeholder in Base64. Null if unknown.")] = (
        None
    )
    dominant_color: Annotated[str | None, msgspec.Meta(description="Dominant color as `#rrggbb`. Null if unknown.")] = (
        None
    )


class VariantsReady(ImageEvent, frozen=True, kw_only=True):
    """All display variants are rendered."""

    type: ClassVar[str] = "image.variants_ready"

    renditions: Annotated[list[RenditionInfo], msgspec.Meta(description="The display variants.")]


class ImageReady(ImageEvent, frozen=True, kw_only=True):
    """All renditions of the image are rendered. A requested analysis may still be pending; see ``stages``."""

    type: ClassVar[str] = "image.ready"

    accepted_at: Annotated[datetime, msgspec.Meta(description="When the image was accepted.")]


class ImageFailed(ImageEvent, frozen=True, kw_only=True):
    """The image could not be rendered."""

    type: ClassVar[str] = "image.failed"

    reason: Annotated[
        str, msgspec.Meta(description="Reason for the failure and, after the colon, what to do about it.")
    ]
    attempts: Annotated[int, msgspec.Meta(description="Number of processing attempts so far.")]
    retryable: Annotated[bool, msgspec.Meta(description="Whether a retry can succeed.")]


class ImageRetried(ImageEvent, frozen=True, kw_only=True):
    """A retry queued the image again."""

    type: ClassVar[str] = "image.retried"


class ImageAnalyzed(ImageEvent, frozen=True, kw_only=True):
    """An analysis of the image is complete."""

    type: ClassVar[str] = "image.analyzed"

    analysis_id: AnalysisId
    profile: Annotated[str, msgspec.Meta(description="Analysis profile.")]
    result: Annotated[dict[str, Any], msgspec.Meta(description="Result of the analysis, in the form of the profile.")]
    source: Annotated[
        Literal["api", "cache"],
        msgspec.Meta(description="`api` if the model was asked, `cache` if the answer was known."),
    ]
    model: Annotated[str, msgspec.Meta(description="Model that analyzed the image.")]


class ImageAnalysisFailed(ImageEvent, frozen=True, kw_only=True):
    """An analysis of the image failed."""

    type: ClassVar[str] = "image.analysis_failed"

    analysis_id: AnalysisId
    profile: Annotated[str, msgspec.Meta(description="Analysis profile.")]
    code: Annotated[str, msgspec.Meta(description="Code of the failure, such as `refused`.")]
    reason: Annotated[
        str, msgspec.Meta(description="Reason for the failure and, after the colon, what to do about it.")
    ]


class ImageDeleted(ImageEvent, frozen=True, kw_only=True):
    """The owner deleted the image. Its files are deleted after a grace period."""

    type: ClassVar[str] = "image.deleted"


class DeadLetter(Body, frozen=True, kw_only=True):
    """A message that a service could not process."""

    type: ClassVar[str] = "dead.letter"

    service: Annotated[str, msgspec.Meta(description="Service that gave up on the message.")]
    subject: Annotated[str, msgspec.Meta(description="Subject of the message.")]
    headers: Annotated[dict[str, str], msgspec.Meta(description="Headers of the message.")]
    payload: Annotated[str, msgspec.Meta(description="Body of the message, as text.")]
    reason: Annotated[str, msgspec.Meta(description="Why the message could not be processed.")]
    error: Annotated[str, msgspec.Meta(description="Type of the error.")]
    deliveries: Annotated[int, msgspec.Meta(description="Number of times the message was delivered.")]
    died_at: Annotated[datetime, msgspec.Meta(description="When the service gave up.")]


Event = ImageEvent | ImportEvent | WordEvent

EVENTS: tuple[type[Event], ...] = (
    ImageStored,
    ThumbnailsReady,
    VariantsReady,
    ImageReady,
    ImageFailed,
    ImageRetried,
    ImageAnalyzed,
    ImageAnalysisFailed,
    ImageDeleted,
    ImportStarted,
    ImportProgress,
    ImportCompleted,
    ImportFailed,
    ImportCanceled,
    WordImageFound,
    WordImageStored,
    WordImageNotFound,
    WordImageRemoved,
)
PUBLIC_EVENTS = frozenset(event.type for event in EVENTS if event.public)
"""Types of the events that every client may see. One that this version does not know is its owner's alone."""
