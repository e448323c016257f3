"""What the word system that Heliograph replaces answered. Leaves out how rows become these (``word_shapes``)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from heliograph_gateway.http.parameters import WHOLE
from heliograph_gateway.http.schemas import Shape
from heliograph_gateway.words.pictures.schemas import CREDIT, FILE, PAGE, PERSON
from heliograph_gateway.words.schemas import WORD_ID
from heliograph_gateway.words.spelling import LONGEST

_LIMIT, _USED = 25, 17
_LENGTH, _CACHED = 25_643, 1_187
"""Examples."""


class OldPopulate(Shape):
    """Which words to queue. Other members are ignored."""

    model_config = ConfigDict(extra="ignore")

    type: Annotated[
        Literal["all", "top100", "vocabulary", "recent"] | None,
        Field(description="Kind of the words. Defaults to `all`.", examples=["all"]),
    ] = None
    days: Annotated[
        int | None, Field(ge=1, le=3_650, description="Days for which a word is recent.", examples=[7]), WHOLE
    ] = None


class OldQueueStatus(Shape):
    """State of the queue of words."""

    queue_length: Annotated[int, Field(description="Words that wait for an image.", examples=[_LENGTH])]
    cached_images: Annotated[int, Field(description="Words with an image.", examples=[_CACHED])]
    requests_this_hour: Annotated[int, Field(description="Requests in the last hour.", examples=[_USED])]
    max_requests_per_hour: Annotated[int, Field(description="Requests allowed per hour.", examples=[_LIMIT])]


class OldPopulated(Shape):
    """What was queued."""

    success: Annotated[Literal[True], Field(description="The request succeeded.")]
    message: Annotated[
        str, Field(description="Message for people.", examples=["Added 1500 words to image processing queue"])
    ]
    added_count: Annotated[int, Field(description="Words that are new in the queue.", examples=[1500])]
    queue_status: Annotated[OldQueueStatus, Field(description="State of the queue.")]


class OldWord(Shape):
    """One word, by its id or its text. Other members are ignored."""

    model_config = ConfigDict(extra="ignore")

    word_id: Annotated[str | int | None, Field(description="Id of the word.", examples=[WORD_ID])] = None
    word: Annotated[str | None, Field(max_length=LONGEST, description="The word.", examples=["lighthouse"])] = None
    query: Annotated[str | None, Field(max_length=LONGEST, description="The same as `word`.", examples=[None])] = None


class OldWordImage(Shape):
    """The image of a word, or its place in the queue."""

    success: Annotated[Literal[True], Field(description="The request succeeded.")]
    status: Annotated[Literal["completed", "queued"], Field(description="`queued` while the word waits for an image.")]
    message: Annotated[str, Field(description="Message for people.", examples=["Image found"])]
    word_id: Annotated[str, Field(description="Id of the word.", examples=[WORD_ID])]
    word: Annotated[str, Field(description="The word.", examples=["lighthouse"])]
    cached: Annotated[bool, Field(description="Whether the word has an image.")]
    image_url: Annotated[str | None, Field(description="URL of the image. Null while queued.", examples=[FILE])]
    thumbnail_url: Annotated[
        str | None, Field(description="URL of a small version. Null while queued.", examples=[FILE])
    ]
    photographer: Annotated[
        str | None, Field(description="Name of the photographer. Null while queued.", examples=["Jeff Sheldon"])
    ]
    photographer_url: Annotated[
        str | None, Field(description="Page of the photographer. Null while queued.", examples=[PERSON])
    ]
    source: Annotated[str | None, Field(description="Provider of the image. Null while queued.", examples=["unsplash"])]
    source_url: Annotated[
        str | None, Field(description="Page of the image at the provider. Null while queued.", examples=[PAGE])
    ]
    attribution: Annotated[
        str | None, Field(description="Credit as HTML, to be shown. Null while queued.", examples=[CREDIT])
    ]
    queue_position: Annotated[int | None, Field(description="Place in the queue. Null if not queued.", examples=[None])]
    due_at: Annotated[
        datetime | None, Field(description="Estimate of when the word is due. Null if not queued.", examples=[None])
    ]


class OldCleared(Shape):
    """The image of a word was forgotten."""

    success: Annotated[Literal[True], Field(description="The request succeeded.")]
    message: Annotated[str, Field(description="Message for people.", examples=["Image cache cleared"])]
    word_id: Annotated[str, Field(description="Id of the word.", examples=[WORD_ID])]
    cleared_count: Annotated[int, Field(description="Images forgotten: 0 or 1.", examples=[1])]


class OldCacheStats(Shape):
    """Numbers of words and of their images."""

    total_words: Annotated[int, Field(description="All words.", examples=[28_343])]
    cached_images: Annotated[int, Field(description="Words with an image.", examples=[_CACHED])]
    missing_images: Annotated[int, Field(description="Words without one.", examples=[27_156])]
    failed_images: Annotated[int, Field(description="Words for which none was found lately.", examples=[13])]
    queue_length: Annotated[int, Field(description="Words that wait for one.", examples=[_LENGTH])]


class OldBackground(OldQueueStatus):
    """State of the search for images."""

    status: Annotated[
        Literal["running", "paused", "idle"],
        Field(description="`idle` if no word waits; `paused` while the provider allows no requests."),
    ]
    running: Annotated[bool, Field(description="Whether `status` is `running`.")]
    next_request_at: Annotated[datetime, Field(description="When the next request may be made.")]
    last_populated_at: Annotated[
        datetime | None, Field(description="When the queue was last populated by itself. Null before the first time.")
    ]
    error: Annotated[str | None, Field(description="Why the search is paused. Null if not.", examples=[None])]
