"""RFC 9457 problems as HTTP answers, as refusals of a WebSocket handshake, and inside ``error`` frames."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from heliograph_common.telemetry.asgi import Scope, Send

_TYPE = "/problems/"
"""As the gateway's, which serves a page for each."""


class Refused(Exception):
    """The request cannot be served; ``status`` and the message go to the client."""

    def __init__(self, status: int, kind: str, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = problem(status, kind, detail)
        self.headers = headers or {}


def problem(status: int, kind: str, detail: str) -> dict[str, Any]:
    """The members of a problem; ``kind`` is the last part of its type, ``detail`` names the remedy."""
    return {"type": _TYPE + kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


async def refuse(scope: Scope, send: Send, refused: Refused) -> None:
    """Answers an HTTP request or a WebSocket handshake with the problem."""
    body = msgspec.json.encode(refused.problem)
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        **refused.headers,
    }
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": f"{prefix}.start", "status": refused.status, "headers": encoded})
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})
