"""Identifiers: UUIDv7 (RFC 9562), so that ids sort by creation and indexes grow at one end."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A new UUIDv7."""
    return uuid_utils.compat.uuid7()
