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

    POLICY = 1008, "More frames a minute than the limit: fix the client."
    SERVICE_RESTART = 1012, "This process ends: come back, with the cursor, after the hint of the `draining` frame."
    TRY_AGAIN_LATER = (
        1013,
        "A limit on sockets is reached, or the process has not yet seen the stream: back off, then come back.",
    )

    BAD_FRAME = 4000, "A frame that the subprotocol does not know: fix the client."
    UNAUTHENTICATED = 4001, "No token, or not an acceptable one: get another from your issuer."
    TOKEN_EXPIRED = 4002, "The token ran out and was not renewed in place: come back with a new one and the cursor."
    FORBIDDEN = 4003, "The token lacks a scope, or belongs to another subject than the socket's."
    AUTH_TIMEOUT = 4008, "No token arrived in time."

    HISTORY_UNAVAILABLE = (
        4100,
        "The events since the cursor cannot be read now: come back with the same cursor in a few seconds.",
    )

    SLOW = (
        4200,
        "The client reads more slowly than its events come: come back now, with the cursor of the last event it read.",
    )
    RESET = (
        4201,
        "The events since the cursor are gone; the reason is `reset <why> <cursor>`: read the state, come back with that.",
    )


def reset_reason(why: str, cursor: str) -> str:
    """The close reason that goes with ``RESET``."""
    return f"reset {why} {cursor}"
