"""The tables of words: the words, each owner's vocabulary, the queue of words that wait for a picture, the pictures, and
the requests that were made for them. ``db.words`` has the statements that several services run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    func,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base

WORD_TICKETS = Sequence("word_tickets", metadata=Base.metadata)
"""The order in which words were queued."""
WORD_REVISIONS = Sequence("word_revisions", metadata=Base.metadata)
"""The order of changes. One for all words, so that a word that is deleted and sent again goes on from where it was."""


class Word(Base):
    """One word, shared by all owners. ``id`` is the clients'; ``key`` follows from it (``db.words.entries.key_of``).

    ``rejected`` are photos (``provider:id``) that somebody did not want. ``missed_at``: no picture was found then, because
    of ``miss_code`` and ``miss_reason``, and it is not searched before ``search_again_at``. ``revision`` is raised with
    each event, and never goes back."""

    __tablename__ = "words"
    __table_args__ = (
        Index("ix_words_id", "id", unique=True),
        Index("ix_words_language_rank", "language", "rank", "key", postgresql_where=sql("rank IS NOT NULL")),
        Index("ix_words_created_at", "created_at"),
    )

    key: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[str]
    text: Mapped[str]
    language: Mapped[str]
    translation: Mapped[str | None]
    rank: Mapped[int | None] = mapped_column(Integer)
    rejected: Mapped[list[Any]] = mapped_column(JSONB, server_default=sql("'[]'"))
    missed_at: Mapped[datetime | None]
    search_again_at: Mapped[datetime | None]
    miss_code: Mapped[str | None]
    miss_reason: Mapped[str | None]
    revision: Mapped[int] = mapped_column(BigInteger, server_default=WORD_REVISIONS.next_value())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class VocabularyWord(Base):
    """A word that an owner learns."""

    __tablename__ = "vocabulary"
    __table_args__ = (Index("ix_vocabulary_word_key", "word_key"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    word_key: Mapped[UUID] = mapped_column(ForeignKey("words.key", ondelete="CASCADE"), primary_key=True)
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class QueuedWord(Base):
    """A word that waits for a picture, or for the next step on its way to one. It is here once at most.

    ``lane`` and ``ticket`` are its place (``db.words.queue``); ``task`` is the next step, ``step`` the fallback of a search,
    ``photo_id`` what is looked up. ``asked_by``: the client that asked for it. ``sent``: there is work for it;
    ``active``: an attempt, with ``fence``, is under way. ``failures``: attempts that failed while its provider was well.
    """

    __tablename__ = "word_queue"
    __table_args__ = (
        Index("ix_word_queue_lane_ticket", "lane", "ticket"),
        Index("ix_word_queue_next", "lane", "ticket", postgresql_where=sql("status = 'queued'")),
        Index("ix_word_queue_asked_by", "asked_by", postgresql_where=sql("asked_by IS NOT NULL")),
        CheckConstraint("status IN ('queued', 'sent', 'active')", name="status"),
        CheckConstraint("task IN ('search', 'photo', 'download')", name="task"),
        {"postgresql_with": {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02}},
    )

    word_key: Mapped[UUID] = mapped_column(ForeignKey("words.key", ondelete="CASCADE"), primary_key=True)
    lane: Mapped[int] = mapped_column(SmallInteger)
    ticket: Mapped[int] = mapped_column(BigInteger, server_default=WORD_TICKETS.next_value())
    task: Mapped[str] = mapped_column(server_default="search")
    step: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    photo_id: Mapped[str | None]
    asked_by: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="queued")
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    not_before: Mapped[datetime | None]
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())


class QueueBlock(Base):
    """How many words wait in one block of tickets of a lane. Triggers on ``word_queue`` keep it."""

    __tablename__ = "word_queue_blocks"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    waiting: Mapped[int] = mapped_column(Integer)


class WordImage(Base):
    """The picture of a word. ``photo`` is the whole of it (``contracts.word_messages.Photo``), ``candidates`` are others of
    the same search, the better first; ``query`` is what found it. ``named``: somebody chose it. ``downloaded_at``: its
    provider was told. ``storing``: whether a copy is kept, which is ``image_id``."""

    __tablename__ = "word_images"
    __table_args__ = (
        Index("ix_word_images_image_id", "image_id"),
        CheckConstraint("storing IN ('no', 'pending', 'done', 'failed')", name="storing"),
    )

    word_key: Mapped[UUID] = mapped_column(ForeignKey("words.key", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str]
    photo_id: Mapped[str]
    photo: Mapped[dict[str, Any]]
    candidates: Mapped[list[Any]] = mapped_column(JSONB, server_default=sql("'[]'"))
    query: Mapped[str | None]
    score: Mapped[float | None] = mapped_column(Float)
    named: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))
    downloaded_at: Mapped[datetime | None]
    image_id: Mapped[UUID | None] = mapped_column(ForeignKey("images.id", ondelete="SET NULL"))
    storing: Mapped[str] = mapped_column(server_default="no")
    error: Mapped[str | None]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProviderRequest(Base):
    """One request that was charged to a provider's hourly budget, at the moment before it was made."""

    __tablename__ = "provider_requests"
    __table_args__ = (Index("ix_provider_requests_budget_at", "budget", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    budget: Mapped[str]
    at: Mapped[datetime]
    word_key: Mapped[UUID | None]
    task: Mapped[str]


class WordSchedule(Base):
    """When the populator ran last; one row."""

    __tablename__ = "word_schedule"
    __table_args__ = (CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=sql("true"))
    populated_at: Mapped[datetime | None]
