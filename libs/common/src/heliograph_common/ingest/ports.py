"""What ingest needs of the room above it: transactions that can cause messages (``messaging.Messenger`` is one)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.messages import Body, ImageEvent


class OpenTransaction(Protocol):
    """A transaction in which rows change and messages are caused."""

    @property
    def connection(self) -> AsyncConnection:
        """Where statements run."""

    def event(self, body: ImageEvent, *, owner: str) -> None:
        """States a fact."""

    def command(self, subject: str, body: Body, *, owner: str) -> None:
        """Asks a service to do something."""


class Transactions(Protocol):
    """Opens them."""

    def transaction(self) -> AbstractAsyncContextManager[OpenTransaction]:
        """Commits at the end of the block."""
