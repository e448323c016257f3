"""The tables that images are searched by. Triggers on ``images`` keep them (migration 0009), so no service writes them;
``search.fill`` writes what is older than the triggers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base


class ImageDocument(Base):
    """The words of an image that is not deleted, with their places: what a search is compared with."""

    __tablename__ = "image_documents"

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    words: Mapped[Any] = mapped_column(TSVECTOR, nullable=False)


class ImageWord(Base):
    """A word of an image. The primary key is the index: an owner's images with a word, in the order of their ids, which a
    page can begin at and stop in anywhere (ADR 0021). Words are ordered by their bytes, so that beginnings are ranges."""

    __tablename__ = "image_words"

    owner: Mapped[str] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    image_id: Mapped[UUID] = mapped_column(primary_key=True)


class SearchFill(Base):
    """How far images that are older than these tables were given their words, newest first. One row."""

    __tablename__ = "search_fill"
    __table_args__ = (CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    before: Mapped[UUID]
    finished_at: Mapped[datetime | None]
