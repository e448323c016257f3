"""Renders the images that there are in new display sizes, on request: a pass over all owners' images, a few at a time.

``SizeRuns.advance`` is called again and again, in every replica: one acts at a time. Commands have low priority and at most
``waiting`` of them are in the queue, so that uploads overtake them all. A picture is done when it has no work left, however
that ended. Images keep their renditions, and stay readable, until the new ones are there; renditions in sizes that are no
longer wanted stay. Images that have not begun to render get the present sizes anyway; failed ones get them when they are
retried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from heliograph_common.clock import rfc3339
from heliograph_common.contracts import subjects
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db import locks
from heliograph_common.db.locks import Lock
from heliograph_common.db.rows import Connection
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_gateway.display_sizes import queries

log = structlog.get_logger(__name__)


class SizeRuns:
    """``waiting``: the most commands of a run that may wait to be handled."""

    def __init__(self, messenger: Messenger, *, waiting: int) -> None:
        self._messenger = messenger
        self._waiting = waiting

    async def advance(self) -> None:
        """Sends as many commands as others have been handled; ends the run when all have.

        Raises:
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            if not await locks.try_hold(connection, Lock.DISPLAY_SIZES):
                return
            run = await queries.running_run(connection)
            if run is None:
                return
            await queries.strike_off_finished(connection)
            room = self._waiting - await queries.waiting_commands(connection)
            seen = await queries.next_images(connection, run, room) if room > 0 and run.last is not None else []
            chosen = [image for image in seen if image.processing_status in {"complete", "processing"}]
            await _send(transaction, run.id, chosen)
            changes: dict[str, Any] = {"seen": run.seen + len(seen), "queued": run.queued + len(chosen)}
            ended = not seen and room == self._waiting
            if seen:
                changes["position"] = seen[-1].id
            if ended:
                log.info("display sizes applied to all images", images=run.seen, rendered=run.queued)
            await queries.change_run(connection, run.id, changes, ended=ended)


async def start(connection: Connection) -> dict[str, Any]:
    """Begins a run in place of the one that may be running, and returns its progress."""
    await queries.begin_run(connection)
    begun = await progress(connection)
    assert begun is not None  # noqa: S101 - it was inserted here
    return begun


async def progress(connection: Connection) -> dict[str, Any] | None:
    """The newest run as clients see it; ``None`` when there never was one."""
    run = await queries.newest_run(connection)
    if run is None:
        return None
    waiting = await queries.waiting_commands(connection)
    complete = run.state == "complete"
    return {
        "id": str(run.id),
        "state": run.state,
        "total": run.total,
        "queued": run.queued,
        "waiting": waiting,
        "done": run.queued - waiting,
        "progress": 100 if complete else min(99, 100 * (run.seen - waiting) // max(1, run.total)),
        "started_at": rfc3339(run.started_at),
        "finished_at": None if run.finished_at is None else rfc3339(run.finished_at),
    }


async def _send(transaction: Transaction, run_id: Any, images: Sequence[Any]) -> None:
    if not images:
        return
    subject = subjects.render(Priority.LOW)
    await transaction.request_all([(subject, RenderImage(image_id=image.id), image.owner) for image in images])
    await queries.note_commands(transaction.connection, run_id, images)
