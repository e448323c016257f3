"""Every frame of ``heliograph.v1`` beside the events, both ways, as types: what ``websocket`` and ``sse`` speak with, and
what ``asyncapi`` documents. A released frame is never removed or retyped; a new field has a default."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec

CursorText = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-f]{1,16}\.(0|[1-9][0-9]{0,18})$",
        description="Position in the stream of events. Resume after it with `cursor`.",
    ),
]
"""As ``cursor.parse_cursor`` reads it."""

ResetReason = Literal["malformed", "unknown", "other_epoch", "rewound", "too_old", "deleted"]
"""Why a cursor could not be honoured: it is none; it is ahead of the stream; it belongs to a stream that was replaced, or
that was set back; the events after it are gone; or some after it were deleted."""


MAX_ENTRIES = 1000

_Words = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(max_length=MAX_ENTRIES)
]


class FilterRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A filter of events."""

    types: Annotated[
        _Words,
        msgspec.Meta(
            description="Event types, with or without the prefix `dev.heliograph.`. `image.*` matches all types that "
            "begin with "
            "`image.`. An empty list matches all types."
        ),
    ] = []
    image_ids: Annotated[
        _Words,
        msgspec.Meta(
            description="Ids of images. If this list, `import_ids` and `word_ids` are all empty, all images, imports and "
            "words match; otherwise those listed in any of them."
        ),
    ] = []
    import_ids: Annotated[_Words, msgspec.Meta(description="Ids of imports. See `image_ids`.")] = []
    word_ids: Annotated[_Words, msgspec.Meta(description="Ids of words. See `image_ids`.")] = []
    all_owners: Annotated[
        bool, msgspec.Meta(description="Whether to include the events of all owners. Requires the scope `admin`.")
    ] = False


class _FromClient(msgspec.Struct, tag_field="op", forbid_unknown_fields=True, kw_only=True):
    """What clients send has no unknown fields: a misspelt filter must not look like none."""


class Auth(_FromClient, tag="auth"):
    """Sends a token: in the first frame if the handshake had none, later to renew it for the same subject."""

    token: Annotated[str, msgspec.Meta(description="Bearer token (JWT).")]


class Subscribe(FilterRequest, tag_field="op", tag="subscribe", kw_only=True, forbid_unknown_fields=True):
    """Starts the events. If they have already started, restarts them with the new filter and cursor."""

    cursor: Annotated[
        str | None, msgspec.Meta(description="Cursor to resume after. Null or missing to start with new events.")
    ] = None


class Narrow(FilterRequest, tag_field="op", tag="filter", kw_only=True, forbid_unknown_fields=True):
    """Replaces the filter for subsequent events."""


class Ping(_FromClient, tag="ping"):
    """Requests a `pong`."""


FromClient = Auth | Subscribe | Narrow | Ping


class FromServer(msgspec.Struct, tag_field="op", kw_only=True):
    """What the server sends; clients ignore fields and frames that they do not know."""


class AuthOk(FromServer, tag="auth_ok"):
    """The token was accepted. The socket is closed when it expires, unless it is renewed before."""

    subject: Annotated[str, msgspec.Meta(description="Subject of the token.")]
    expires_at: Annotated[datetime, msgspec.Meta(description="When the token expires.")]


class Ready(FromServer, tag="ready"):
    """The events have started. All events after ``cursor`` follow."""

    cursor: CursorText


class Pong(FromServer, tag="pong"):
    """The answer to `ping`, sent after all events that were queued before it."""

    cursor: Annotated[
        CursorText | None, msgspec.Meta(description="Cursor of the last event. Null before the events have started.")
    ]


class Draining(FromServer, tag="draining"):
    """The server is shutting down. Reconnect with the cursor of the last event after the given time."""

    reconnect_in_ms: Annotated[
        int, msgspec.Meta(ge=0, description="Time to wait before reconnecting, in milliseconds.")
    ]


class Reset(FromServer, tag="reset"):
    """Events were lost. Read the current state from the HTTP API. The events after ``cursor`` follow."""

    reason: Annotated[
        ResetReason, msgspec.Meta(description="Why the events after the requested cursor are not available.")
    ]
    cursor: CursorText


class Error(FromServer, tag="error"):
    """A frame of the client was rejected. The socket stays open."""

    problem: Annotated[dict[str, Any], msgspec.Meta(description="Problem details (RFC 9457).")]


class Closing(FromServer, tag="closing"):
    """The last event of a stream of server-sent events, which have no close frame."""

    code: Annotated[int, msgspec.Meta(description="Close code, as for WebSockets.")]
    reason: Annotated[str, msgspec.Meta(description="Reason, for people.")]


FROM_SERVER: tuple[type[FromServer], ...] = (AuthOk, Ready, Pong, Draining, Reset, Error)
ON_SSE: tuple[type[FromServer], ...] = (Reset, Draining, Closing)
"""Those that a stream of server-sent events has beside the events."""
FROM_CLIENT: tuple[type[msgspec.Struct], ...] = get_args(FromClient)
