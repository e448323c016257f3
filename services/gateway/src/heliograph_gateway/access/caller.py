"""Who calls: the one place that says it. A request's token is verified once, whoever asks first.

What was found, a principal or a refusal, stays in the request's ASGI scope. Leaves out what a caller may do
(``scopes``) and how tokens are checked (``auth``).
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import Scope

from heliograph_common.auth.principal import IMAGES_READ, IMAGES_WRITE, Principal
from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.errors import Unauthenticated
from heliograph_common.http.bearer import bearer_token, unauthenticated
from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import CHALLENGE

_FOUND = "heliograph.caller"


class Callers:
    """Knows callers by their tokens. ``anonymous_owner``: who callers without one are, on the routes that ask
    ``identify_old``; empty: nobody."""

    def __init__(self, verifier: TokenVerifier, *, anonymous_owner: str = "") -> None:
        self._verifier = verifier
        self._anonymous = _anonymous(anonymous_owner) if anonymous_owner else None

    async def identify(self, scope: Scope) -> Principal:
        """Who calls.

        Raises:
            Problem: no bearer token was sent.
            Unauthenticated: it is not acceptable.
        """
        found: Principal | Exception | None = scope.get(_FOUND)
        if found is None:
            try:
                found = await self._look(Headers(scope=scope))
            except (Problem, Unauthenticated) as refusal:
                found = refusal
            scope[_FOUND] = found
        if isinstance(found, Principal):
            return found
        raise found

    async def identify_old(self, scope: Scope) -> Principal:
        """Who calls a route of the systems that Heliograph replaces. Whoever sends an ``Authorization`` header, whatever
        is in it, is never anonymous.

        Raises:
            Problem: no bearer token was sent, and nobody may call without one.
            Unauthenticated: it is not acceptable.
        """
        if self._anonymous is None or "authorization" in Headers(scope=scope):
            return await self.identify(scope)
        return self._anonymous

    async def known(self, scope: Scope) -> Principal | None:
        """Who calls; ``None`` where the application is to refuse the request."""
        try:
            return await self.identify(scope)
        except (Problem, Unauthenticated):
            return None

    async def _look(self, headers: Headers) -> Principal:
        token = bearer_token(headers, challenge=CHALLENGE)
        if token is None:
            raise unauthenticated("The request has no `Authorization` header.", challenge=CHALLENGE)
        return await self._verifier.verify(token)


def _anonymous(owner: str) -> Principal:
    """May read and write images, and nothing that needs ``admin``."""
    return Principal(owner, frozenset({IMAGES_READ, IMAGES_WRITE}), datetime.max.replace(tzinfo=UTC))
