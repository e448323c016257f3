"""Rate limits: ASGI middleware that lets so many requests of one caller to one route pass, through all replicas together.

It goes around ``idempotency.middleware``. Each caller has a token bucket for each route that asks who calls; pages,
probes and whatever else asks nobody has none, nor has a request that the application is to refuse for its token. The
answer tells where the caller stands, in the fields of draft-ietf-httpapi-ratelimit-headers-10; of a request that is one
too many nothing is read beyond its headers.

Without PostgreSQL nobody knows how full a bucket is: requests pass, and the route says what is away.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heliograph_common.auth.principal import Principal
from heliograph_common.errors import DatabaseUnavailable, Unauthenticated
from heliograph_common.http.problems import Problem
from heliograph_common.ratelimit.gcra import Decision, Limit
from heliograph_common.ratelimit.port import RateLimits
from heliograph_common.telemetry import metrics
from heliograph_gateway.access import scopes as access
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.http.problems import RATE_LIMITED
from heliograph_gateway.settings import RateLimitSettings

log = structlog.get_logger(__name__)

HEADERS = ("RateLimit", "RateLimit-Policy")
_ASK_AGAIN = 1.0
"""Seconds without a question after PostgreSQL failed, so that an outage does not hold each request up twice."""

Identify = Callable[[Scope], Awaitable[Principal]]


@dataclass(frozen=True)
class _Limited:
    """A route with a limit: its ``name`` is its method and template, ``identify`` says who calls it."""

    route: APIRoute
    name: str
    limit: Limit
    identify: Identify


class Throttle:
    """Wraps an ASGI application. ``routes``: in the order in which the application tries them."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Iterable[APIRoute],
        settings: RateLimitSettings,
        limits: RateLimits,
        callers: Callers,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._limits = limits
        self._monotonic = monotonic
        self._ask_again_at = float("-inf")
        self._by_method: dict[str, list[tuple[APIRoute, _Limited | None]]] = {}
        names = set()
        for route in routes:
            for method in route.methods or ():
                names.add(f"{method} {route.path_format}")
                limited = _limited(route, method, settings, callers)
                self._by_method.setdefault(method, []).append((route, limited))
        for pattern in settings.for_nothing(names):
            log.warning("rate limit matches no route", pattern=pattern)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        limited = self._limited(scope) if scope["type"] == "http" else None
        decision = await self._take(limited, scope) if limited is not None else None
        if limited is None or decision is None:
            await self._app(scope, receive, send)
            return
        seconds = math.ceil(decision.wait / timedelta(seconds=1))

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers["RateLimit-Policy"] = _policy(limited)
                headers["RateLimit"] = f'"{limited.name}";r={decision.remaining};t={max(1, seconds)}'
                message = {**message, "headers": headers.raw}
            await send(message)

        if decision.allowed:
            await self._app(scope, receive, tell)
        else:
            scope["route"] = limited.route  # telemetry reads it there; the application, which sets it, is not asked
            metrics.rate_limited.labels(route=limited.route.path_format, method=scope["method"]).inc()
            await _refusal(limited, max(1, seconds)).response()(scope, receive, tell)

    def _limited(self, scope: Scope) -> _Limited | None:
        for route, limited in self._by_method.get(scope["method"], ()):
            if route.matches(scope)[0] is Match.FULL:
                return limited
        return None

    async def _take(self, limited: _Limited, scope: Scope) -> Decision | None:
        """What becomes of a request; ``None`` where nobody can say."""
        try:
            caller = await limited.identify(scope)
        except (Problem, Unauthenticated):
            return None
        structlog.contextvars.bind_contextvars(owner=caller.subject)  # for the log line of a refusal too
        try:
            if self._monotonic() >= self._ask_again_at:
                return await self._limits.take(f"{limited.name} {caller.subject}", limited.limit)
        except DatabaseUnavailable as error:
            self._ask_again_at = self._monotonic() + _ASK_AGAIN
            log.warning("rate limits unavailable, requests allowed", seconds=_ASK_AGAIN, error=str(error))
        metrics.rate_limit_unchecked.inc()
        return None


def _limited(route: APIRoute, method: str, settings: RateLimitSettings, callers: Callers) -> _Limited | None:
    name = f"{method} {route.path_format}"
    policy = settings.policy(name)
    dependencies = set(_calls(route.dependant))
    identify: Identify
    if access.principal in dependencies:
        identify = callers.identify
    elif access.old_principal in dependencies:
        identify = callers.identify_old
    else:
        return None
    return _Limited(route, name, Limit(**policy.model_dump()), identify) if policy else None


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def _policy(limited: _Limited) -> str:
    limit = limited.limit
    return f'"{limited.name}";q={limit.quota};w={limit.window_seconds};heliograph-burst={limit.burst}'


def _refusal(limited: _Limited, seconds: int) -> Problem:
    limit = limited.limit
    detail = (
        f"Limit exceeded: {limited.name} allows {limit.quota} requests per caller in {limit.window_seconds} s and bursts of "
        f"{limit.burst}. Try again in {seconds} s."
    )
    extra: dict[str, Any] = {"violated-policies": [limited.name]}
    if not limited.route.path.startswith("/v1/"):
        extra["error"] = detail  # as app.py does for older clients, which is not asked here
    return Problem(RATE_LIMITED, detail, headers={"Retry-After": str(seconds)}, extra=extra)
