"""Analyses asked for and waited for. Each is a row that the analyzer works on; nobody here asks a model.

What is waited for is urgent: it takes no turn. Only so many of one owner are urgent at a time, so that they cannot hold up
all others.

Who waits holds no connection to the database: it looks at the row now and then. Only so many wait at a time; whoever comes
then has to come back by itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from heliograph_common.db import analyses
from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Connection
from heliograph_common.db.statements import find_by_content
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.http.problems import Problem
from heliograph_common.ingest.analysis import Wanted, ask
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.analyses import queries, representation
from heliograph_gateway.catalog.queries import lock_image
from heliograph_gateway.catalog.refusals import no_such_image
from heliograph_gateway.http.problems import ANALYSIS_UNAVAILABLE, CONFLICT, NOT_FOUND
from heliograph_gateway.uploads.form.service import FormUploads, Received

log = structlog.get_logger(__name__)

OVER = frozenset({"completed", "failed"})
LONGEST_WAIT = 60
"""Seconds."""
_FIRST_LOOK, _SLOWEST, _SLOWER = 0.2, 1.0, 1.3
_COME_BACK = 30
_URGENT_AT_A_TIME = 8


@dataclass(frozen=True)
class Asked:
    """An analysis that was asked for; ``known``: it was complete before."""

    row: AnalysisRow
    known: bool = False


class Analyses:
    """``waiting``: how many requests may wait at a time. ``stopping``: whether nobody is to wait any longer."""

    def __init__(
        self,
        database: Database,
        messenger: Messenger,
        uploads: FormUploads,
        *,
        waiting: int,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.uploads = uploads
        self._database = database
        self._messenger = messenger
        self._places = waiting
        self._stopping = stopping

    async def of_image(self, image_id: UUID, owner: str, profile: str, *, wait: float, refresh: bool = False) -> Asked:
        """Has an image of the owner analyzed; with ``refresh`` again, where it was. ``wait``: how long the answer is waited
        for, in seconds; refused where nobody could give it.

        Raises:
            Problem: there is no such image, it failed, or no model is available. Nothing was done.
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            image = await lock_image(connection, image_id, owner)
            if image is None:
                raise no_such_image(image_id)
            found = await queries.of_profile(connection, image_id, profile)
            completed = found is not None and found.status == "completed"
            if found is not None and completed and not refresh:
                return Asked(found, known=True)
            if image.processing_status == "failed" and not await analyses.can_be_shown(connection, image_id):
                detail = "The image could not be rendered, so it cannot be analyzed. Retry the image first."
                raise Problem(CONFLICT, detail, extra={"state": "failed"})
            urgent = await _urgent(connection, owner, wait)
            if found is not None and completed:
                await queries.give_up(connection, found)
            await ask(transaction, image, Wanted(profile, urgent=urgent))
            row = await queries.of_profile(connection, image_id, profile)
        if row is None:
            raise no_such_image(image_id)
        return Asked(row)

    async def of_picture(
        self, received: Received, owner: str, profile: str, *, wait: float, refresh: bool = False
    ) -> Asked:
        """Takes a picture in and has it analyzed; with ``refresh`` again, where it was. ``wait``: how long the answer is
        waited for, in seconds; refused where nobody could give it, unless it is known.

        Raises:
            Problem: no model is available. Nothing was stored.
            HeliographError: a server is away.
        """
        async with self._database.transaction() as connection:
            image = await find_by_content(connection, owner, received.spooled.sha256)
            found = None if image is None else await queries.of_profile(connection, image.id, profile)
            completed = found is not None and found.status == "completed"
            if found is not None and completed and not refresh:
                return Asked(found, known=True)
            urgent = await _urgent(connection, owner, wait)
        accepted = await self.uploads.take(received, owner, Wanted(profile, urgent=urgent))
        if completed:
            return await self.of_image(accepted.row.id, owner, profile, wait=wait, refresh=True)
        async with self._database.transaction() as connection:
            row = await queries.of_profile(connection, accepted.row.id, profile)
        if row is None:  # deleted since
            raise no_such_image(accepted.row.id)
        return Asked(row)

    async def until_over(
        self, row: AnalysisRow, seconds: float, gone: Callable[[], Awaitable[bool]]
    ) -> tuple[AnalysisRow, bool]:
        """The analysis as it is when it is over, or after ``seconds`` or once the client is ``gone``; and whether that was
        waited for: not where too many wait already. While the database is away it waits on.

        Raises:
            Problem: its image was deleted.
        """
        if row.status in OVER:
            return row, True
        if self._places <= 0:
            return row, False
        self._places -= 1
        try:
            return await self._look(row, time.monotonic() + seconds, gone), True
        finally:
            self._places += 1

    async def _look(self, row: AnalysisRow, deadline: float, gone: Callable[[], Awaitable[bool]]) -> AnalysisRow:
        pause = _FIRST_LOOK
        while row.status not in OVER and (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * _SLOWER, _SLOWEST)
            try:
                row = await self._present(row)
            except DatabaseUnavailable as error:
                log.warning("analysis not looked at, waiting on", analysis_id=str(row.id), error=str(error))
            if self._stopping() or await gone():
                break
        return row

    async def _present(self, row: AnalysisRow) -> AnalysisRow:
        async with self._database.transaction() as connection:
            found = await analyses.find_analysis(connection, row.id, owner=row.owner)
        if found is None:
            raise no_such_analysis(row.id)
        return found

    async def shown(self, row: AnalysisRow) -> dict[str, Any]:
        """The analysis as clients see it."""
        async with self._database.transaction() as connection:
            return representation.analysis(row, await analyses.waiting_of(connection, row))


def no_such_analysis(analysis_id: UUID) -> Problem:
    """404; the same for analyses of others, and of images that are deleted."""
    return Problem(NOT_FOUND, f"Analysis {analysis_id} does not exist.")


async def _urgent(connection: Connection, owner: str, wait: float) -> bool:
    """Whether an analysis that is waited for so long is urgent.

    Raises:
        Problem: nobody could answer within that time.
    """
    if wait <= 0:
        return False
    reason = await analyses.unconfigured(connection)
    if reason is not None:
        raise _unavailable(reason, _COME_BACK)
    paused = await analyses.pause_of(connection, owner)
    if paused is not None and paused.seconds > wait:
        raise _unavailable(paused.reason, paused.seconds)
    return await queries.urgent_under_way(connection, owner, most=_URGENT_AT_A_TIME) < _URGENT_AT_A_TIME


def _unavailable(reason: str, seconds: float) -> Problem:
    detail = f"Images cannot be analyzed at present: {reason}."
    headers = {"Retry-After": str(math.ceil(seconds))}
    return Problem(ANALYSIS_UNAVAILABLE, detail, headers=headers, extra={"reason": reason})
