"""The services of an application without servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from heliograph_common.auth.principal import Principal
from heliograph_common.bus.dead_letters import StoredLetter
from heliograph_common.bus.lag import Lag
from heliograph_common.clock import utc_now
from heliograph_common.errors import BusUnavailable, Unauthenticated
from heliograph_common.ingest.accept import Accepted


class Failing:
    """Database, messenger, ingest and dead letters in one, of which every use raises ``error``."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        raise self.error
        yield

    async def accept(self, *_: Any, **__: Any) -> Accepted:
        raise self.error

    async def page(self, **_: Any) -> list[StoredLetter]:
        raise self.error

    async def get(self, _: int) -> StoredLetter | None:
        raise self.error

    async def drop(self, _: int) -> bool:
        raise self.error


class Scopes:
    """Takes tokens of the form ``subject:scope scope``."""

    async def verify(self, token: str) -> Principal:
        subject, _, scopes = token.partition("|")
        if not subject:
            raise Unauthenticated("the token is malformed")
        return Principal(subject, frozenset(scopes.split()), utc_now())


async def no_lags() -> Sequence[Lag]:
    raise BusUnavailable("no nats here")


Connect = Callable[..., httpx2.AsyncClient]
