"""What ingest needs of the layer above it: transactions that can cause messages (``messaging.Messenger`` is one)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.body import Command
from heliograph_common.contracts.messages import Event


class OpenTransaction(Protocol):
    """A transaction in which rows change and messages are caused."""

    @property
    def connection(self) -> AsyncConnection:
        """Where statements run."""

    def event(self, body: Event, *, owner: str) -> None:
        """States a fact."""

    async def request(self, subject: str, command: Command, *, owner: str) -> None:
        """Has a service do something."""

    async def request_all(self, wanted: Sequence[tuple[str, Command, str]]) -> None:
        """Has much done: each subject, command and owner."""


class Transactions(Protocol):
    """Opens them."""

    def transaction(self) -> AbstractAsyncContextManager[OpenTransaction]:
        """Commits at the end of the block."""
