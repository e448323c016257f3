"""The bodies of messages about words and their pictures. ``messages`` names them among all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Body, Command, Receiver

WordTask = Literal["search", "photo", "download"]


class Photo(msgspec.Struct, frozen=True, kw_only=True):
    """A photo of a provider, as it is kept for a word."""

    provider: Annotated[str, msgspec.Meta(description="Provider of the photo, such as `unsplash`.")]
    id: Annotated[str, msgspec.Meta(description="Id of the photo at its provider.")]
    page_url: Annotated[str, msgspec.Meta(description="Page of the photo at its provider, to link to.")]
    image_url: Annotated[str, msgspec.Meta(description="URL to show the photo from, about 1,080 pixels wide.")]
    thumb_url: Annotated[str, msgspec.Meta(description="URL of a small version, about 200 pixels wide.")]
    full_url: Annotated[str, msgspec.Meta(description="URL of the photo in full size.")]
    width: Annotated[int, msgspec.Meta(description="Width of the photo in full size, in pixels.")]
    height: Annotated[int, msgspec.Meta(description="Height of the photo in full size, in pixels.")]
    photographer: Annotated[str, msgspec.Meta(description="Name of the photographer.")]
    photographer_url: Annotated[str, msgspec.Meta(description="Page of the photographer at the provider.")]
    color: Annotated[str | None, msgspec.Meta(description="Average color as `#rrggbb`. Null if unknown.")] = None
    blur_hash: Annotated[str | None, msgspec.Meta(description="BlurHash placeholder. Null if unknown.")] = None
    description: Annotated[str | None, msgspec.Meta(description="What the photo shows. Null if unknown.")] = None
    tags: Annotated[tuple[str, ...], msgspec.Meta(description="Tags that the provider gives it.")] = ()
    download_location: Annotated[
        str | None,
        msgspec.Meta(description="URL by which the provider is told of a download. Null if it asks for none."),
    ] = None
    safe: Annotated[bool, msgspec.Meta(description="Whether the provider takes it to be suitable for everyone.")] = True


class FindPicture(Command, frozen=True, kw_only=True):
    """Take the next step towards the image of a word: at most one request to a photo provider."""

    type: ClassVar[str] = "find.picture"
    kind: ClassVar[str] = "word"
    receivers: ClassVar[Mapping[str, Receiver]] = {
        subjects.words("{task}"): Receiver("Received by importers.", durable="importer-words")
    }

    word_key: Annotated[UUID, msgspec.Meta(description="Internal key of the word.")]

    @property
    def target(self) -> UUID:
        """The word."""
        return self.word_key


class WordEvent(Body, frozen=True, kw_only=True):
    """What all events about a word carry. Words belong to the whole installation, so everyone may see these events.
    ``db.words.pictures.event_facts`` gives these from the row that the change returned."""

    public: ClassVar[bool] = True

    word_id: Annotated[str, msgspec.Meta(description="Id of the word.")]
    text: Annotated[str, msgspec.Meta(description="The word.")]
    language: Annotated[str, msgspec.Meta(description="Language of the word, such as `en`.")]
    revision: Annotated[
        int,
        msgspec.Meta(
            description="Revision of the word that the event describes. Ignore an event whose revision is lower than "
            "one already seen for the same word."
        ),
    ]


class WordImageFound(WordEvent, frozen=True, kw_only=True):
    """An image was chosen for the word."""

    type: ClassVar[str] = "word.image_found"

    photo: Annotated[Photo, msgspec.Meta(description="The chosen photo.")]


class WordImageStored(WordEvent, frozen=True, kw_only=True):
    """A copy of the word's image was stored and is being rendered."""

    type: ClassVar[str] = "word.image_stored"

    image_id: Annotated[UUID, msgspec.Meta(description="Id of the stored image.")]


class WordImageNotFound(WordEvent, frozen=True, kw_only=True):
    """No image was found for the word."""

    type: ClassVar[str] = "word.image_not_found"

    code: Annotated[
        str, msgspec.Meta(description="Code of the reason: `no_results`, `provider_failed` or `not_found`.")
    ]
    reason: Annotated[str, msgspec.Meta(description="Why no image was found.")]
    search_again_at: Annotated[datetime, msgspec.Meta(description="When the word is searched again, at the earliest.")]


class WordImageRemoved(WordEvent, frozen=True, kw_only=True):
    """The image of the word was removed."""

    type: ClassVar[str] = "word.image_removed"
