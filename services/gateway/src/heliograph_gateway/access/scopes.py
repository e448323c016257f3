"""What a caller may do: routes take a ``Reader``, a ``Writer`` or an ``Admin``.

Authentication runs before a route reads any of its body.
"""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from heliograph_common.auth.principal import ADMIN, IMAGES_READ, IMAGES_WRITE, Principal
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.http.services import provided

KnownCallers = Annotated[Callers, Depends(provided(Callers))]

_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    scheme_name="bearer",
    description="Token from this installation's issuer. Each operation names the scope that it requires; `admin` "
    "includes all scopes.",
)


async def principal(
    request: Request, callers: KnownCallers, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Who calls; the credentials are here for the OpenAPI document only.

    Raises:
        Problem: no bearer token was sent.
        Unauthenticated: it is not acceptable.
    """
    caller = await callers.identify(request.scope)
    structlog.contextvars.bind_contextvars(owner=caller.subject)
    return caller


async def _allowed(caller: Annotated[Principal, Depends(principal)], needed: SecurityScopes) -> Principal:
    for scope in needed.scopes:
        caller.require(scope)
    return caller


async def old_principal(
    request: Request, callers: KnownCallers, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Who calls a route of the systems that Heliograph replaces; see ``Callers.identify_old``."""
    caller = await callers.identify_old(request.scope)
    structlog.contextvars.bind_contextvars(owner=caller.subject)
    return caller


async def _old_allowed(caller: Annotated[Principal, Depends(old_principal)], needed: SecurityScopes) -> Principal:
    return await _allowed(caller, needed)


Reader = Annotated[Principal, Security(_allowed, scopes=[IMAGES_READ])]
Writer = Annotated[Principal, Security(_allowed, scopes=[IMAGES_WRITE])]
Admin = Annotated[Principal, Security(_allowed, scopes=[ADMIN])]
OldReader = Annotated[Principal, Security(_old_allowed, scopes=[IMAGES_READ])]
OldWriter = Annotated[Principal, Security(_old_allowed, scopes=[IMAGES_WRITE])]
