"""What the API is told and answers about words and their images, as pydantic models; ``models`` has all others."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from heliograph_client.models import Model

WordState = Literal["found", "queued", "missed", "none"]
WordFilter = Literal["with", "without", "missed", "queued"]
WhichWords = Literal["all", "top100", "vocabulary", "recent"]


class WordEntry(Model):
    """A word as it is sent; without ``id`` the server makes one from text and language."""

    id: str | None = None
    text: str
    language: str
    translation: str | None = None
    rank: int | None = None


class Word(Model):
    """A word of the installation. ``picture``: whether it has an image."""

    id: str
    revision: int = 0
    text: str
    language: str
    translation: str | None = None
    rank: int | None = None
    picture: str
    created_at: datetime
    updated_at: datetime
    links: dict[str, str] = Field(default_factory=dict)


class WordsWritten(Model):
    """What became of words that were sent."""

    received: int
    created: int
    updated: int
    unchanged: int
    duplicates: int = 0

    def __add__(self, other: WordsWritten) -> WordsWritten:
        """Of both."""
        names = WordsWritten.model_fields
        return WordsWritten(**{name: getattr(self, name) + getattr(other, name) for name in names})


class WordQueue(Model):
    """How many words wait for an image, the most urgent first."""

    under_way: int
    requested: int
    top: int
    vocabulary: int
    recent: int
    rest: int
    total: int


class WordBudget(Model):
    """Requests to the provider in the last hour, of the whole installation; ``reason`` is why they are paused."""

    limit: int
    used: int
    next_at: datetime
    paused_until: datetime | None = None
    reason: str | None = None


class WordsQueued(Model):
    """How many words were added to the queue, and how it stands."""

    added: int
    queue: WordQueue
    budget: WordBudget


class WordStats(Model):
    """Numbers of words, of their images, and of those that wait for one."""

    words: int
    with_picture: int
    missed: int
    queue: WordQueue
    budget: WordBudget
    populated_at: datetime | None = None
    next_population_at: datetime | None = None


class Attribution(Model):
    """What the provider asks to be shown with a photo, as plain text and as HTML with links."""

    text: str
    html: str
    photographer: str
    photographer_url: str
    provider: str
    provider_url: str


class Photo(Model):
    """A photo of a provider. ``url`` is what to show, about 1,080 pixels wide; ``width`` and ``height`` are of
    ``full_url``."""

    photo_id: str
    url: str
    thumb_url: str
    full_url: str
    width: int
    height: int
    color: str | None = None
    blur_hash: str | None = None
    description: str | None = None
    attribution: Attribution


class StoredRendition(Model):
    """A rendered file of the stored copy, behind a signed URL."""

    name: str
    kind: str
    width: int
    height: int
    format: str
    url: str


class StoredCopy(Model):
    """The copy that the installation stores; ``state`` is ``none`` where it only links to the photo."""

    state: str
    image_id: UUID | None = None
    renditions: list[StoredRendition] = Field(default_factory=list)
    expires_at: datetime | None = None
    error: str | None = None


class WordImage(Model):
    """The image of a word. ``alternatives`` can take its place at once."""

    word_id: str
    revision: int = 0
    status: Literal["found"]
    text: str
    language: str
    photo: Photo
    stored: StoredCopy = Field(alias="copy")
    query: str | None = None
    named: bool = False
    found_at: datetime
    alternatives: list[Photo] = Field(default_factory=list)
    links: dict[str, str] = Field(default_factory=dict)


class WordWaiting(Model):
    """A word that waits for its image: its ``place`` in the queue (1 is next), and when it is due, about."""

    word_id: str
    status: Literal["queued"]
    place: int
    due_at: datetime
    waiting_for: str
    reason: str
    links: dict[str, str] = Field(default_factory=dict)


class VocabularyEntry(Model):
    """A word that the caller learns."""

    word: Word
    added_at: datetime


class WordPage(Model):
    """A page of words."""

    words: list[Word]
    next: str | None


class VocabularyPage(Model):
    """A page of the caller's vocabulary."""

    vocabulary: list[VocabularyEntry]
    next: str | None
