"""The types of rows and connections, for modules that pass them on and have no statement of their own: those that have one
are named ``queries``, and SQLAlchemy is imported there."""

from __future__ import annotations

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection as Connection

__all__ = ["Connection", "Row"]
