"""Reads and drops dead letters: the DEAD stream as a list, newest first. A letter's id is its stream sequence.

The gateway's administration routes use it. Publishing letters is the worker's, replaying them the gateway's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from heliograph_common.bus.api import answered, is_no_message
from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.envelope import Envelope, body_of, decode
from heliograph_common.contracts.messages import DeadLetter
from heliograph_common.contracts.subjects import DEAD_STREAM, dead
from heliograph_common.errors import MalformedMessage

_WINDOW = 32
_ALL = "dead.*"


@dataclass(frozen=True)
class StoredLetter:
    """A dead letter where it lies: ``sequence`` in the stream, the envelope it came in, and what it says."""

    sequence: int
    envelope: Envelope
    letter: DeadLetter


class DeadLetters:
    """The DEAD stream. Every method raises ``BusUnavailable`` while NATS is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def page(self, *, before: int | None, service: str | None, limit: int) -> list[StoredLetter]:
        """Up to ``limit`` letters with a sequence below ``before`` (``None``: from the newest), newest first."""
        with answered(self._bus, DEAD_STREAM):
            state = (await self._bus.jetstream.stream_info(DEAD_STREAM)).state
        subject = dead(service) if service else _ALL
        end = min(before or state.last_seq + 1, state.last_seq + 1)
        found: list[StoredLetter] = []
        while len(found) < limit:
            last = await self._last_before(end, state.first_seq, subject)
            if last is None:
                break
            end = max(last - _WINDOW + 1, state.first_seq)
            window = await asyncio.gather(*(self._message(sequence) for sequence in range(last, end - 1, -1)))
            wanted = (each for each in window if each is not None and (service is None or each.subject == subject))
            found += [letter for each in wanted if (letter := _stored(each)) is not None]
        return found[:limit]

    async def get(self, sequence: int) -> StoredLetter | None:
        """One letter, ``None`` when it is not there (any more)."""
        message = await self._message(sequence)
        return None if message is None else _stored(message)

    async def drop(self, sequence: int) -> bool:
        """Deletes a letter; ``False`` when it is not there (any more)."""
        if await self._message(sequence) is None:
            return False
        with answered(self._bus, DEAD_STREAM):
            return await self._bus.jetstream.delete_msg(DEAD_STREAM, sequence)

    async def _last_before(self, end: int, first: int, subject: str) -> int | None:
        """The greatest sequence in [first, end) whose subject matches. Deleted letters leave gaps, so this looks in
        ranges of doubling size, then halves: the server answers only "the next one from here on"."""
        span = 1
        while end > first:
            low = max(end - span, first)
            found = await self._next(low, subject)
            if found is None or found >= end:
                end, span = low, span * 2
                continue
            while (middle := (found + end) // 2) > found:
                later = await self._next(middle, subject)
                if later is not None and later < end:
                    found = later
                else:
                    end = middle
            return found
        return None

    async def _next(self, sequence: int, subject: str) -> int | None:
        """The first sequence from ``sequence`` on whose subject matches."""
        with answered(self._bus, DEAD_STREAM):
            try:
                return (await self._bus.jetstream.get_msg(DEAD_STREAM, sequence, subject=subject, next=True)).seq
            except NotFoundError as error:
                if not is_no_message(error):
                    raise
                return None

    async def _message(self, sequence: int) -> RawStreamMsg | None:
        if sequence < 1 or sequence >= 1 << 63:
            return None
        with answered(self._bus, DEAD_STREAM):
            try:
                return await self._bus.jetstream.get_msg(DEAD_STREAM, sequence)
            except NotFoundError as error:
                if not is_no_message(error):
                    raise
                return None


def _stored(message: RawStreamMsg) -> StoredLetter | None:
    """The letter in ``message``; ``None`` when it is none that this version understands."""
    try:
        envelope = decode(message.data or b"")
        return StoredLetter(sequence=message.seq or 0, envelope=envelope, letter=body_of(envelope, DeadLetter))
    except MalformedMessage:
        return None
