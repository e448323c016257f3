"""Why a socket was closed: every close code, in one table. Clients decide by the hundreds: 40xx stop (something on the
client's side must change first), 41xx back off (seconds), 42xx come back now. Codes below 4000 are RFC 6455's and the
IANA registry's. The reason beside a code is for people, except for ``RESET`` (see there)."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class CloseCode(IntEnum):
    """Sent in the close frame of ``/v1/events``; as ``code`` of the last SSE event too. ``meaning``: also what to do."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """``NAME = value, meaning``"""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    POLICY = 1008, "The client sent too many frames per minute. Fix the client."
    SERVICE_RESTART = (
        1012,
        "The server is shutting down. Reconnect with the cursor after the time given in the `draining` frame.",
    )
    TRY_AGAIN_LATER = (
        1013,
        "A connection limit is reached, or the server is still starting. Back off, then reconnect.",
    )

    BAD_FRAME = 4000, "The client sent a frame that the subprotocol does not support. Fix the client."
    UNAUTHENTICATED = 4001, "The token is missing or invalid. Get a new one from your issuer."
    TOKEN_EXPIRED = 4002, "The token expired and was not renewed. Reconnect with a new token and the cursor."
    FORBIDDEN = 4003, "The token lacks a scope, or belongs to a different subject than the socket."
    AUTH_TIMEOUT = 4008, "No token was received in time. Send one in the handshake or in the first frame."

    HISTORY_UNAVAILABLE = (
        4100,
        "The events after the cursor cannot be read at the moment. Reconnect with the same cursor in a few seconds.",
    )

    SLOW = (
        4200,
        "The client reads events too slowly. Reconnect now with the cursor of the last event that it read.",
    )
    RESET = (
        4201,
        "The events after the cursor are lost. Read the current state, then reconnect with the cursor in the close reason.",
    )


def reset_reason(why: str, cursor: str) -> str:
    """The close reason that goes with ``RESET``."""
    return f"reset {why} {cursor}"
