"""The table of idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, SmallInteger, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base


class IdempotencyKey(Base):
    """A client's ``Idempotency-Key`` and the answer that its request got. ``status`` is null while the request is in
    flight; ``claim`` names whoever handles it, until ``claimed_until`` unless that is moved. ``fingerprint`` is of
    method, path, query and body; ``body_bytes`` the length of the request's body. ``headers`` and ``body``: the answer's."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    claim: Mapped[UUID]
    claimed_until: Mapped[datetime]
    fingerprint: Mapped[str | None]
    body_bytes: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[list[Any] | None] = mapped_column(JSONB)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
