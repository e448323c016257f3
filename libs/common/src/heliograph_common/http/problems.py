"""Problem documents (RFC 9457) with two members of our own: ``remedy`` and ``trace_id``.

Owns what a problem looks like and the kinds that several services answer with. Each service has a table of its other
kinds; the gateway serves the page of each ``type``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from heliograph_common.telemetry.tracing import current_trace_id

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem. ``slug`` never changes once released: clients may compare ``type`` with it."""

    slug: str
    status: int
    title: str
    remedy: str

    @property
    def type(self) -> str:
        """The ``type`` member: where its page is."""
        return f"/problems/{self.slug}"


BAD_REQUEST = Kind("bad-request", 400, "Bad request", "Check the request against /openapi.json.")
UNAUTHENTICATED = Kind(
    "unauthenticated",
    401,
    "Missing or invalid token",
    "Send `Authorization: Bearer <token>` with an unexpired token from this installation's issuer.",
)
FORBIDDEN = Kind(
    "forbidden", 403, "Insufficient scope", "Ask an administrator for a token with the scope named in `detail`."
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed", 405, "Method not allowed", "Use one of the methods listed in the `Allow` header."
)


SHARED_KINDS = (BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, METHOD_NOT_ALLOWED)


class Problem(Exception):
    """A refusal with its kind; ``detail`` is for people, ``extra`` are members beside those of RFC 9457."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        self.status = status or kind.status

    def body(self) -> dict[str, Any]:
        """The members of the problem document."""
        return {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.status,
            "detail": self.detail,
            "remedy": self.kind.remedy,
            "trace_id": current_trace_id(),
            **self.extra,
        }

    def response(self) -> Response:
        """The response, to a request or to the handshake of a WebSocket."""
        return Response(msgspec.json.encode(self.body()), self.status, self.headers, MEDIA_TYPE)


def sentence(message: str) -> str:
    """An error's message as clients read it. Errors begin in lower case and end without a full stop, as logs have them."""
    return f"{message[:1].upper()}{message[1:]}" + ("" if message.endswith((".", "?", "!")) else ".")
