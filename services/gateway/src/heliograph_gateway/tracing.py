"""Transactions as spans of the request that they belong to. Everything else is traced by common's own rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_common.telemetry import spans


class TracedMessenger(Messenger):
    """A ``Messenger`` each of whose transactions is a CLIENT span; the messages it causes continue from there."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See ``Messenger.transaction``."""
        with spans.client_span("postgresql", "transaction"):
            async with super().transaction() as transaction:
                yield transaction
