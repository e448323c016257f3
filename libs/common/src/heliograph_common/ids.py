"""Identifiers: UUIDv7 (RFC 9562), so that ids sort by creation and indexes grow at one end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def new_id() -> UUID:
    """A new UUIDv7."""
    return uuid_utils.compat.uuid7()


def made_at(identifier: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond; any other UUID gives some time or other."""
    return _EPOCH + timedelta(milliseconds=min(identifier.int >> 80, _LAST_MILLISECOND))
