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


BAD_REQUEST = Kind("bad-request", 400, "The request cannot be understood", "Compare it with /openapi.json.")
UNAUTHENTICATED = Kind(
    "unauthenticated",
    401,
    "The request needs a good token",
    "Send `Authorization: Bearer <token>` with a token of this installation's issuer that has not expired.",
)
FORBIDDEN = Kind(
    "forbidden", 403, "The token lacks a scope", "Ask an administrator for a token with the scope that `detail` names."
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed", 405, "The route does not take this method", "Use one of the methods in the Allow header."
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
