"""What routes are given: the dependencies that ``bootstrap`` chose, the caller, and a check of parameter names.

Authentication runs before a route reads any of its body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Protocol

import structlog
from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from heliograph_common.auth.principal import ADMIN, IMAGES_READ, IMAGES_WRITE, Principal
from heliograph_common.blobs.port import Blobs
from heliograph_common.bus.dead_letters import StoredLetter
from heliograph_common.bus.lag import Lag
from heliograph_common.db.engine import Database
from heliograph_common.http.problems import Problem
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.ratelimit.port import RateLimits
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.http.problems import INVALID_PARAMETER
from heliograph_gateway.idempotency.queries import IdempotencyKeys
from heliograph_gateway.uploads.direct.service import DirectUploads
from heliograph_gateway.uploads.form.service import Uploads
from heliograph_gateway.uploads.tus.service import ResumableUploads


class DeadLetterStore(Protocol):
    """Dead letters; ``heliograph_common.bus.dead_letters.DeadLetters`` is the real one."""

    async def page(self, *, before: int | None, service: str | None, limit: int) -> list[StoredLetter]:
        """Letters older than the id ``before``, newest first."""

    async def get(self, sequence: int) -> StoredLetter | None:
        """One letter."""

    async def drop(self, sequence: int) -> bool:
        """Deletes one; whether it was there."""


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """All that the routes use. ``lags``: of every work consumer; raises ``BusUnavailable``. ``batch_files``: how many direct
    uploads one request may name."""

    database: Database
    messenger: Messenger
    uploads: Uploads
    direct_uploads: DirectUploads
    tus: ResumableUploads
    blobs: Blobs
    callers: Callers
    idempotency_keys: IdempotencyKeys
    rate_limits: RateLimits
    lags: Callable[[], Awaitable[Sequence[Lag]]]
    dead_letters: DeadLetterStore
    signed_url_seconds: int
    batch_files: int


def dependencies(request: Request) -> Dependencies:
    """The application's dependencies."""
    found: Dependencies = request.app.state.dependencies
    return found


Deps = Annotated[Dependencies, Depends(dependencies)]

_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    scheme_name="bearer",
    description="A token of this installation's issuer. Each operation names the scope that it needs; `admin` has all.",
)


async def principal(
    request: Request, deps: Deps, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Who calls; the credentials are here for the OpenAPI document only.

    Raises:
        Problem: no bearer token was sent.
        Unauthenticated: it is not acceptable.
    """
    caller = await deps.callers.identify(request.scope)
    structlog.contextvars.bind_contextvars(owner=caller.subject)
    return caller


async def _allowed(caller: Annotated[Principal, Depends(principal)], needed: SecurityScopes) -> Principal:
    for scope in needed.scopes:
        caller.require(scope)
    return caller


async def old_principal(
    request: Request, deps: Deps, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Who calls a route of the systems that Heliograph replaces; see ``Callers.identify_old``."""
    caller = await deps.callers.identify_old(request.scope)
    structlog.contextvars.bind_contextvars(owner=caller.subject)
    return caller


async def _old_allowed(caller: Annotated[Principal, Depends(old_principal)], needed: SecurityScopes) -> Principal:
    return await _allowed(caller, needed)


Reader = Annotated[Principal, Security(_allowed, scopes=[IMAGES_READ])]
Writer = Annotated[Principal, Security(_allowed, scopes=[IMAGES_WRITE])]
Admin = Annotated[Principal, Security(_allowed, scopes=[ADMIN])]
OldReader = Annotated[Principal, Security(_old_allowed, scopes=[IMAGES_READ])]
OldWriter = Annotated[Principal, Security(_old_allowed, scopes=[IMAGES_WRITE])]


def known_parameters(request: Request) -> None:
    """Refuses query parameters that the route does not know: a misspelt filter must not look like an empty one. And values
    with a NUL, which PostgreSQL's text cannot hold.

    Raises:
        Problem: names each and the nearest known one.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = list(_query_names(route.dependant))
    wrong = [name for name in request.query_params if name not in known]
    twice = [name for name in known if len(request.query_params.getlist(name)) > 1]
    with_nul = [name for name, value in request.query_params.items() if "\0" in value]
    if not wrong and not twice and not with_nul:
        return
    errors = [{"parameter": name, "detail": _hint(name, known)} for name in wrong]
    errors += [{"parameter": name, "detail": "is given more than once"} for name in twice]
    errors += [{"parameter": name, "detail": "has a NUL character; leave it out"} for name in with_nul]
    detail = "; ".join(f"`{error['parameter']}` {error['detail']}" for error in errors)
    raise Problem(INVALID_PARAMETER, detail, extra={"errors": errors})


def _query_names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    if near:
        return f"is not known; did you mean `{near[0]}`?"
    return f"is not known; this route takes {', '.join(known)}" if known else "is not known; this route takes none"
