"""What is the same for both transports before an event flows: headers, query, origin, token."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from heliograph_common.errors import Forbidden, Unauthenticated
from heliograph_common.telemetry.asgi import Scope
from heliograph_notifier.fanout.filters import Filter, from_query
from heliograph_notifier.transports.problems import Refused

READ_SCOPE = "images:read"
_TOKEN_PARAMETERS = frozenset({"token", "access_token", "authorization", "jwt", "bearer"})


class Principal(Protocol):
    """Who a token speaks for; ``auth.Principal`` is one."""

    @property
    def subject(self) -> str:
        """The owner whose events it may see."""

    @property
    def expires_at(self) -> datetime:
        """When the token runs out."""

    @property
    def is_admin(self) -> bool:
        """Whether it may see everyone's."""

    def require(self, scope: str) -> None:
        """Raises ``Forbidden`` without the scope."""


class Verifier(Protocol):
    """Checks tokens; ``auth.TokenVerifier`` is one."""

    async def verify(self, token: str) -> Principal:
        """Raises ``Unauthenticated`` for a token that is not acceptable."""


class Request:
    """One request or handshake."""

    def __init__(self, scope: Scope) -> None:
        self._headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._tokens = sum(name == b"authorization" for name, _ in scope["headers"])
        self._query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """A header by its lower-case name."""
        return self._headers.get(name)

    @property
    def cursor(self) -> str | None:
        """The query's cursor, else ``Last-Event-ID``."""
        return self._query.get("cursor", [None])[-1] or self._headers.get("last-event-id") or None

    def filter(self) -> Filter:
        """The query's filter.

        Raises:
            Refused: it is malformed.
        """
        try:
            return from_query(self._query)
        except ValueError as error:
            raise Refused(400, "bad-request", f"the query's filter is malformed: {error}") from error

    def check_url(self) -> None:
        """Raises:
        Refused: the URL carries a token; URLs end up in logs and histories.
        """
        if _TOKEN_PARAMETERS & {name.lower() for name in self._query}:
            raise Refused(
                400,
                "bad-request",
                "a token in the URL ends up in logs, treat it as leaked and get a new one; send it in the Authorization "
                "header, or in the first frame (of /v1/events with the subprotocol heliograph.v1)",
            )

    def check_origin(self, allowed: Sequence[str]) -> None:
        """Only browsers send ``Origin``; theirs must be this host or one of ``allowed``.

        Raises:
            Refused: it is not.
        """
        origin = self._headers.get("origin")
        if origin is None or origin in allowed or "*" in allowed:
            return
        if urlsplit(origin).netloc.lower() != self._headers.get("host", "").lower():
            raise Refused(
                403, "forbidden", f"pages of {origin} may not connect here; add it to HELIOGRAPH_SOCKETS__ORIGINS"
            )

    async def principal(self, verifier: Verifier, *, scope: str = READ_SCOPE) -> Principal | None:
        """Whom the ``Authorization`` header's token speaks for; ``None`` without the header.

        Raises:
            Refused: the token is not acceptable or lacks ``scope``.
        """
        header = self._headers.get("authorization")
        if header is None:
            return None
        if self._tokens > 1:  # a proxy may have looked at another one than we would
            raise unauthenticated("the request has more than one Authorization header")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthenticated("the Authorization header must have the form: Bearer <token>")
        try:
            principal = await verifier.verify(token.strip())
            principal.require(scope)
        except Unauthenticated as error:
            raise unauthenticated(str(error)) from error
        except Forbidden as error:
            raise Refused(403, "forbidden", str(error)) from error
        return principal


def unauthenticated(detail: str) -> Refused:
    """A 401 problem."""
    return Refused(401, "unauthenticated", detail, headers={"www-authenticate": "Bearer"})
