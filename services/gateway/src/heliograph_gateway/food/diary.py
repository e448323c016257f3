"""Entries of food diaries: written down once, and delivered to the user service where one is configured.

The row comes first. Whoever dies or gives up after that leaves an entry that is delivered later, by the client's next
request or by ``deliver_left``; the user service keeps it once, by its id.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import structlog

from heliograph_common.clock import rfc3339
from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.db.engine import Database
from heliograph_gateway.food import queries
from heliograph_gateway.food.port import EntryRefused, UserService, UserServiceFailed
from heliograph_gateway.food.queries import EntryRow

log = structlog.get_logger(__name__)

ENTRIES = UUID("6f1c1c0e-27a5-4f0b-9c1b-7a5d0a3f5e61")
"""The namespace of the ids of entries. Never changes: an id says whether the entry is there."""
FACTS = ("name", "calories", "protein", "carbs", "fat", "servingSize", "ingredients", "confidence")
"""What an entry has of the result of the profile ``food``."""
LEFT_AFTER = timedelta(minutes=2)
"""Longer than a request delivers its entry."""
_TRIES = 3
_PAUSE, _LONGEST_PAUSE = 0.3, 5.0
_BATCH = 20
_IN_A_ROW = 3
"""Different entries; where all of them fail it is not the entry, but the user service."""

Sleep = Callable[[float], Awaitable[None]]


def entry_id_of(owner: str, analysis_id: UUID) -> UUID:
    """The id of the entry that an analysis makes."""
    return uuid5(ENTRIES, f"{analysis_id} {owner}")


def entry_of(row: EntryRow) -> dict[str, Any]:
    """The entry as the user service gets it, the same each time."""
    about = {"entryId": str(row.id), "owner": row.owner}
    return {**about, **{fact: row.entry[fact] for fact in FACTS}, "eatenAt": rfc3339(row.created_at)}


class Diary:
    """``user_service``: who keeps the entries; ``None``: the table alone."""

    def __init__(
        self,
        database: Database,
        user_service: UserService | None,
        *,
        left_after: timedelta = LEFT_AFTER,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._database = database
        self._user_service = user_service
        self._left_after = left_after
        self._sleep = sleep
        self._left: UUID | None = None
        self._paused_until = 0.0

    async def record(self, analysis: AnalysisRow, result: Mapping[str, Any]) -> UUID:
        """Writes the entry of an analysis, and has the user service keep it. The same analysis again makes no other.

        Raises:
            EntryRefused, UserServiceFailed: it is written, and not delivered.
            DatabaseUnavailable: it is not known to be written.
        """
        entry_id = entry_id_of(analysis.owner, analysis.id)
        facts = {fact: result[fact] for fact in FACTS}
        async with self._database.transaction() as connection:
            row = await queries.keep(connection, entry_id, analysis.owner, analysis.id, facts)
        if self._user_service is not None and row.delivered_at is None:
            await self._deliver(self._user_service, row, tries=_TRIES)
        return entry_id

    async def deliver_left(self) -> int:
        """Delivers some of the entries that were left behind, the oldest first; returns how many. One that the user service
        refuses, or fails at, holds up no other: it has its turn again after all the rest. Where the user service asks to be
        left alone, so it is.

        Raises:
            UserServiceFailed: at several entries in a row; the rest is left for the next run.
            DatabaseUnavailable: the rest is left for the next run.
        """
        if self._user_service is None or time.monotonic() < self._paused_until:
            return 0
        async with self._database.transaction() as connection:
            rows = await queries.undelivered(connection, after=self._left, older_than=self._left_after, limit=_BATCH)
        count = failed = 0
        for row in rows:
            self._left = row.id  # whatever becomes of it, the next one is next
            try:
                await self._deliver(self._user_service, row, tries=1)
                count, failed = count + 1, 0
            except EntryRefused as error:
                log.warning("food entry refused", entry_id=str(row.id), error=str(error))
                failed = 0
            except UserServiceFailed as error:
                failed += 1
                if failed == _IN_A_ROW:
                    self._pause(error.delay)
                    raise
                if self._pause(error.delay):
                    return count
        if len(rows) < _BATCH:
            self._left = None
        return count

    def _pause(self, delay: float | None) -> bool:
        """Leaves the user service alone for ``delay``; whether it asked for that."""
        self._paused_until = time.monotonic() + (delay or 0.0)
        return bool(delay)

    async def close(self) -> None:
        """Ends the connections to the user service."""
        if self._user_service is not None:
            await self._user_service.close()

    async def _deliver(self, user_service: UserService, row: EntryRow, *, tries: int) -> None:
        for tried in range(1, tries + 1):
            try:
                await user_service.put(row.id, entry_of(row))
                break
            except UserServiceFailed as error:
                pause = _PAUSE * 2**tried * random.uniform(0.5, 1.0) if error.delay is None else error.delay  # noqa: S311
                log.warning("food entry not delivered", entry_id=str(row.id), tried=tried, error=str(error))
                if tried == tries or pause > _LONGEST_PAUSE:
                    raise
                await self._sleep(pause)
        async with self._database.transaction() as connection:
            await queries.delivered(connection, row.id)
