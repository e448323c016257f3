"""The table of rate limits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from heliograph_common.db.base import Base


class RateLimit(Base):
    """One token bucket: ``full_at`` is when it will be full again (the theoretical arrival time of GCRA). Not logged:
    what a crash forgets is at most one burst. Pages are left half empty and ``full_at`` has no index, so that an update
    touches one page and leaves nothing to vacuum (heap-only tuples)."""

    __tablename__ = "rate_limits"
    __table_args__ = ({"prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}},)

    key: Mapped[str] = mapped_column(primary_key=True)
    full_at: Mapped[datetime]
