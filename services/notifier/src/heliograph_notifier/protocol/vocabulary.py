"""Every frame of ``heliograph.v1`` beside the events, both ways, as types: what ``websocket`` and ``sse`` speak with, and
what ``asyncapi`` documents. A released frame is never removed or retyped; a new field has a default."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec

CursorText = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{1,16}\.(0|[1-9][0-9]{0,18})$")]
"""As ``cursor.parse_cursor`` reads it."""

ResetReason = Literal["malformed", "unknown", "other_epoch", "rewound", "too_old", "deleted"]
"""Why a cursor could not be honoured: it is none; it is ahead of the stream; it belongs to a stream that was replaced, or
that was set back; the events after it are gone; or some after it were deleted."""


MAX_ENTRIES = 1000

_Words = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(max_length=MAX_ENTRIES)
]


class FilterRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A filter as clients write it.

    ``types``: event types, with or without the ``dev.heliograph.`` prefix; ``image.*`` takes all that begin so.
    ``image_ids``: pictures. An empty list lets everything pass. ``all_owners`` needs the admin scope.
    """

    types: _Words = []
    image_ids: _Words = []
    all_owners: bool = False


class _FromClient(msgspec.Struct, tag_field="op", forbid_unknown_fields=True, kw_only=True):
    """What clients send has no unknown fields: a misspelt filter must not look like none."""


class Auth(_FromClient, tag="auth"):
    """The first frame where the handshake had no token; later a new token for the same subject."""

    token: str


class Subscribe(FilterRequest, tag_field="op", tag="subscribe", kw_only=True, forbid_unknown_fields=True):
    """Starts the events, after ``cursor`` or from now on; anew where they have started already."""

    cursor: str | None = None


class Narrow(FilterRequest, tag_field="op", tag="filter", kw_only=True, forbid_unknown_fields=True):
    """Another filter, from now on."""


class Ping(_FromClient, tag="ping"):
    """Asks for a pong."""


FromClient = Auth | Subscribe | Narrow | Ping


class FromServer(msgspec.Struct, tag_field="op", kw_only=True):
    """What the server sends; clients ignore fields and frames that they do not know."""


class AuthOk(FromServer, tag="auth_ok"):
    """The token is taken; the socket is closed at ``expires_at`` unless another comes before."""

    subject: str
    expires_at: datetime


class Ready(FromServer, tag="ready"):
    """All events after ``cursor`` follow."""

    cursor: CursorText


class Pong(FromServer, tag="pong"):
    """The answer to ping, behind all events that waited. ``cursor`` is null before the events have started."""

    cursor: CursorText | None


class Draining(FromServer, tag="draining"):
    """The process ends: come back, with the cursor of the last event, after this time."""

    reconnect_in_ms: Annotated[int, msgspec.Meta(ge=0)]


class Reset(FromServer, tag="reset"):
    """Events are missing: read the state anew from the HTTP API. The events after ``cursor`` follow."""

    reason: ResetReason
    cursor: CursorText


class Error(FromServer, tag="error"):
    """A frame of the client was not carried out; ``problem`` as RFC 9457 has it. The socket goes on."""

    problem: dict[str, Any]


class Closing(FromServer, tag="closing"):
    """Server-sent events only, which have no close frame: the last event, with a close code."""

    code: int
    reason: str


FROM_SERVER: tuple[type[FromServer], ...] = (AuthOk, Ready, Pong, Draining, Reset, Error)
ON_SSE: tuple[type[FromServer], ...] = (Reset, Draining, Closing)
"""Those that a stream of server-sent events has beside the events."""
FROM_CLIENT: tuple[type[msgspec.Struct], ...] = get_args(FromClient)
