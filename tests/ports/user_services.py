"""User services to test: the adapter over HTTP with the double, and one in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

from pydantic import SecretStr

from heliograph_gateway.food.port import EntryRefused, UserService, UserServiceFailed
from heliograph_gateway.food.user_service import HttpUserService
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.user_service import TOKEN, UserServiceDouble


class MemoryUserService:
    """A user service in memory. ``failures`` are raised first, one each."""

    def __init__(self) -> None:
        self.entries: dict[UUID, dict[str, Any]] = {}
        self.failures: list[Exception] = []
        self.tried = 0

    async def put(self, entry_id: UUID, entry: Mapping[str, Any]) -> None:
        """As ``UserService`` says."""
        self.tried += 1
        if self.failures:
            raise self.failures.pop(0)
        if self.entries.setdefault(entry_id, dict(entry)) != entry:
            raise EntryRefused("there is another entry of that id")

    async def close(self) -> None:
        """Nothing to end."""


class Keeper(ABC):
    """A user service and what it keeps."""

    name: ClassVar[str]
    service: UserService

    @asynccontextmanager
    @abstractmethod
    async def running(self) -> AsyncIterator[Keeper]:
        """While it answers."""
        yield self

    @abstractmethod
    def kept(self) -> dict[str, Mapping[str, Any]]:
        """The entries that it has, by their ids."""

    @abstractmethod
    def fail(self, *, delay: float | None) -> None:
        """Has the next request fail."""


class MemoryKeeper(Keeper):
    """The fake."""

    name = "memory"

    def __init__(self) -> None:
        self.service = self.memory = MemoryUserService()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Keeper]:
        yield self

    def kept(self) -> dict[str, Mapping[str, Any]]:
        return {str(entry_id): entry for entry_id, entry in self.memory.entries.items()}

    def fail(self, *, delay: float | None) -> None:
        self.memory.failures.append(UserServiceFailed("out of order", delay=delay))


class HttpKeeper(Keeper):
    """The adapter, with a user service that checks what it gets."""

    name = "http"

    def __init__(self) -> None:
        self.double = UserServiceDouble()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Keeper]:
        async with served(self.double.app) as url:
            self.service = HttpUserService(url, SecretStr(TOKEN), seconds=10)
            yield self
            await self.service.close()
        assert self.double.behaviour.violations == []

    def kept(self) -> dict[str, Mapping[str, Any]]:
        return {entry_id: entry.model_dump(by_alias=True) for entry_id, entry in self.double.entries.items()}

    def fail(self, *, delay: float | None) -> None:
        kind = "error" if delay is None else "rate_limited"
        self.double.behaviour.misbehave(Fault(kind=kind, status=503, retry_after=delay))  # type: ignore[arg-type]


KEEPERS: tuple[type[Keeper], ...] = (MemoryKeeper, HttpKeeper)
