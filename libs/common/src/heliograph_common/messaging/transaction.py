"""A transaction together with the messages it causes: both happen or neither."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.envelope import envelope
from heliograph_common.contracts.messages import DeadLetter, Event
from heliograph_common.db import work
from heliograph_common.db.engine import Database
from heliograph_common.messaging import outbox
from heliograph_common.messaging.commands import request_of
from heliograph_common.messaging.outbox import Message


class AfterCommit(Protocol):
    """Takes messages whose transaction has just been committed."""

    def submit(self, messages: list[Message]) -> None:
        """Publishes them soon; whatever it cannot is left in the outbox for a sweeper."""


class Transaction:
    """One open transaction. What is sent here is published after the commit, in the order of the calls."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.messages: list[Message] = []

    def event(self, body: Event, *, owner: str) -> None:
        """States a fact on ``events.<type>``."""
        self.messages.append(outbox.message(subjects.event(body.type), envelope(body, owner=owner)))

    async def request(self, subject: str, command: Command, *, owner: str) -> None:
        """Has something done by whoever takes ``subject``: its row of work and the command, see ``request_all``."""
        await self.request_all([(subject, command, owner)])

    async def request_all(self, wanted: Sequence[tuple[str, Command, str]]) -> None:
        """Has much done in two statements: each subject, command and owner. What is asked for already is not asked for
        twice; what is in hand is done once more afterwards."""
        requests, messages = [], []
        for subject, command, owner in wanted:
            enveloped = envelope(command, owner=owner)
            requests.append(request_of(enveloped, command, subject))
            messages.append(outbox.message(subject, enveloped))
        sent = await work.request(self.connection, requests)
        self.messages += [message for message in messages if message.id in sent]

    def dead_letter(self, body: DeadLetter, *, owner: str) -> None:
        """Keeps a message that could not be handled."""
        self.messages.append(outbox.message(subjects.dead(body.service), envelope(body, owner=owner)))


class Messenger:
    """Opens transactions that can cause messages."""

    def __init__(self, database: Database, after_commit: AfterCommit) -> None:
        self._database = database
        self._after_commit = after_commit

    @asynccontextmanager
    async def transaction(self, *, statement_seconds: float | None = None) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, messages included, and then has them published. ``statement_seconds``: as of
        ``Database.transaction``.

        Raises:
            DatabaseUnavailable: see ``Database.transaction``.
        """
        async with self._database.transaction(statement_seconds=statement_seconds) as connection:
            transaction = Transaction(connection)
            yield transaction
            if transaction.messages:
                await outbox.add(connection, transaction.messages)
        if transaction.messages:
            self._after_commit.submit(transaction.messages)
