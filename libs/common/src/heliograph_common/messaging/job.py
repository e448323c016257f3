"""One attempt at a piece of work: begun, ended or given back by transactions on its row (``db.work``).

``Worker`` makes one for each delivery; handlers use ``fence``, ``transaction`` and ``conclude``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

from heliograph_common.contracts.body import Command
from heliograph_common.contracts.envelope import Envelope, body_of
from heliograph_common.db import work
from heliograph_common.db.work import WorkRow
from heliograph_common.errors import HeliographError, Permanent, Stale
from heliograph_common.messaging import inbox, outbox
from heliograph_common.messaging.commands import command_of, request_of
from heliograph_common.messaging.ports import Handler
from heliograph_common.messaging.transaction import Messenger, Transaction

_Claim = TypeVar("_Claim")


class AlreadyHandledError(HeliographError):
    """The work is done, or in the hands of another delivery: acknowledge the message and do nothing."""


class GivenUpError(Permanent):
    """Too many attempts were begun and never ended: workers may have died of it. Look at its reason, then replay it."""


class Job:
    """One message in a handler's hands. ``fence`` is that of the attempt, ``None`` before it has begun."""

    def __init__(self, messenger: Messenger, consumer: str, message: Envelope, subject: str, *, worker: str) -> None:
        self.envelope = message
        self.fence: int | None = None
        self.failures = 0
        self._subject = subject
        self._messenger = messenger
        self._consumer = consumer
        self._worker = worker
        self._command: Command | None = None

    def read(self, expected: type[Command]) -> None:
        """Decodes the command.

        Raises:
            MalformedMessage: it is not what is expected.
        """
        self._command = body_of(self.envelope, expected)

    @property
    def command(self) -> Command:
        """The command, once it is read."""
        if self._command is None:
            raise RuntimeError("the command has not been read")
        return self._command

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction on the way; the work is not done with it."""
        async with self._messenger.transaction() as transaction:
            yield transaction

    async def begin(self, handler: Handler[_Claim], *, hold: timedelta, most: int) -> _Claim | None:
        """Begins an attempt that may take ``hold``, or goes on with its own after an outage; ``None``: nothing was to do,
        and that is recorded.

        Raises:
            AlreadyHandledError: the work is done, or another delivery's.
            GivenUpError: more than ``most`` attempts were begun and never ended.
            Stale: a newer attempt has taken over meanwhile.
        """
        before = self.fence
        try:
            async with self._messenger.transaction() as transaction:
                row = await self._begin(transaction, handler, hold)
                self.fence, self.failures = row.fence, row.failures
                exhausted = row.attempts > most
                claim = None if exhausted else await handler.claim(self, transaction)
                if claim is None and not exhausted:
                    await inbox.record(transaction.connection, self._consumer, self.envelope.id)
                    await self._end(transaction)
        except BaseException:
            self.fence = before
            raise
        if exhausted:
            raise GivenUpError(f"not finished after {most} attempts; workers may have crashed")
        return claim

    async def take(self, handler: Handler[_Claim], *, hold: timedelta) -> None:
        """Begins an attempt that only is to be counted. Raises as ``begin`` does."""
        async with self._messenger.transaction() as transaction:
            row = await self._begin(transaction, handler, hold)
        self.fence, self.failures = row.fence, row.failures

    @asynccontextmanager
    async def conclude(self) -> AsyncIterator[Transaction]:
        """The last transaction: its commit makes the work done.

        Raises:
            AlreadyHandledError: another delivery was faster; nothing of this transaction is kept.
            Stale: a newer attempt has taken over; nothing of this transaction is kept.
        """
        async with self._messenger.transaction() as transaction:
            if not await inbox.record(transaction.connection, self._consumer, self.envelope.id):
                raise AlreadyHandledError(f"{self.envelope.type} {self.envelope.id} is handled")
            await self._end(transaction)
            yield transaction

    async def give_back(self, delay: float, *, failed: bool) -> None:
        """Ends the attempt without its work being done; see ``work.give_back``.

        Raises:
            Stale: a newer attempt has taken over.
        """
        if self.fence is None:
            return
        command = self.command
        async with self._messenger.transaction() as transaction:
            failures = await work.give_back(
                transaction.connection, command.kind, command.target, self.fence, delay=delay, failed=failed
            )
        if failures is None:
            raise Stale(f"{command.kind} {command.target} is past fence {self.fence}")

    async def is_over(self) -> bool:
        """Whether nothing is left to do, by whomever it was done."""
        async with self._messenger.transaction() as transaction:
            return await work.find(transaction.connection, self.command.kind, self.command.target) is None

    async def bury(self, transaction: Transaction) -> bool:
        """Ends the work for good, undone, whoever had it; ``False`` when the message was handled before.

        Raises:
            Stale: a newer attempt has taken over.
        """
        if not await inbox.record(transaction.connection, self._consumer, self.envelope.id):
            return False
        if self.fence is not None:  # else the work was not begun, and its row brings another command
            ended = await work.end(transaction.connection, self.command.kind, self.command.target, self.fence)
            if ended is None:
                raise Stale(f"{self.command.kind} {self.command.target} is past fence {self.fence}")
            if ended.again:
                await work.forget(transaction.connection, ended.kind, ended.target)
        return True

    async def _begin(self, transaction: Transaction, handler: Handler[_Claim], hold: timedelta) -> WorkRow:
        connection, command = transaction.connection, self.command
        if self.fence is None and await inbox.seen(connection, self._consumer, self.envelope.id):
            raise AlreadyHandledError(f"{self.envelope.type} {self.envelope.id} is handled")
        for adopted in (False, True):
            row = await work.begin(
                connection,
                command.kind,
                command.target,
                message_id=self.envelope.id,
                by=self._worker,
                hold=hold,
                fence=self.fence,
            )
            if row is not None:
                return row
            if self.fence is not None:
                raise Stale(f"{command.kind} {command.target} is past fence {self.fence}")
            if adopted or await work.find(connection, command.kind, command.target) is not None:
                break
            if not await handler.adopt(connection, command):
                break
            await work.request(connection, [request_of(self.envelope, command, self._subject)])
        raise AlreadyHandledError(f"{command.kind} {command.target} is done, or another delivery's")

    async def _end(self, transaction: Transaction) -> None:
        command = self.command
        ended = await work.end(transaction.connection, command.kind, command.target, self.fence)
        if ended is None:
            raise Stale(f"{command.kind} {command.target} is past fence {self.fence}")
        if ended.again:
            message = outbox.message(ended.subject, command_of(ended))
            await work.send_again(transaction.connection, ended, message.id)
            transaction.messages.append(message)
