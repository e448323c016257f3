"""Opaque cursors: where a page ended, bound to the query that it belongs to. Pure.

A cursor is not secret and not signed: it only says where to go on, and every page filters by owner anyway. It is
opaque so that its form may change.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from uuid import UUID

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import INVALID_CURSOR

_VERSION = 1
_LONGEST = 512


def encode(position: str, query: object) -> str:
    """The cursor after ``position`` in the results of ``query`` (anything that JSON can write)."""
    token = json.dumps([_VERSION, position, _digest(query)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def decode(cursor: str, query: object) -> str:
    """The position in ``cursor``.

    Raises:
        Problem: it is no cursor, or one of another query.
    """
    try:
        padded = cursor[:_LONGEST] + "=" * (-len(cursor[:_LONGEST]) % 4)
        version, position, digest = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise not_issued() from None
    if version != _VERSION or not isinstance(position, str) or digest != _digest(query):
        raise Problem(
            INVALID_CURSOR,
            "The `cursor` belongs to a query with different filters; only `limit` may change between pages.",
        )
    return position


def decode_id(cursor: str, query: object) -> UUID:
    """The position in ``cursor``, which is an id.

    Raises:
        Problem: as ``decode``, or the position is no id.
    """
    return id_in(decode(cursor, query))


def id_in(position: str) -> UUID:
    """An id as it stands in a position.

    Raises:
        Problem: it is no id.
    """
    try:
        return UUID(position)
    except ValueError:
        raise not_issued() from None


def not_issued() -> Problem:
    """400 for a cursor that was made by someone else."""
    return Problem(INVALID_CURSOR, "The `cursor` was not issued by this server.")


def _digest(query: object) -> str:
    canonical = json.dumps(query, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()
