"""Sends the commands of imports, page by page and file by file, as their turns come.

Only ``window`` files are under way at a time, so an owner with ten thousand files does not stand before one with ten, a
provider that wants a pause leaves nothing behind in the stream, and what is canceled has not been sent. Rows say what is to
be sent: a dispatcher that dies leaves nothing that the next one does not see. One acts at a time, under an advisory lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.import_messages import FetchFile, ListFolder
from heliograph_common.db import locks
from heliograph_common.db.locks import Lock
from heliograph_common.db.rows import Row
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.turns import Queue, share
from heliograph_importer.turns import queries

log = structlog.get_logger(__name__)

_IMPORTS = 1_000
"""Imports that are looked at in one turn; the oldest come first."""
_PAGES = 4
"""Pages of one import that are listed side by side."""


class Dispatcher:
    """``window``: the most files that are under way in the installation."""

    def __init__(self, messenger: Messenger, *, window: int) -> None:
        self._messenger = messenger
        self._window = window

    async def run_once(self) -> int:
        """Sends what may be sent; returns how many commands.

        Raises:
            DatabaseUnavailable: nothing was sent.
        """
        async with self._messenger.transaction() as transaction:
            if not await locks.try_hold(transaction.connection, Lock.DISPATCH_IMPORTS):
                return 0
            imports = await queries.active(transaction.connection, window=self._window, limit=_IMPORTS)
            by_id = {row.id: row for row in imports}
            pages = await queries.send_pages(transaction.connection, _pages(imports))
            files = await queries.send_files(transaction.connection, _files(imports, self._window))
            wanted: list[tuple[str, Command, str]] = []
            for page in pages:
                subject = subjects.list_folder(by_id[page.import_id].source)
                command = ListFolder(import_id=page.import_id, page_id=page.id)
                wanted.append((subject, command, by_id[page.import_id].owner))
            for file in files:
                subject = subjects.fetch_file(by_id[file.import_id].source)
                fetch = FetchFile(import_id=file.import_id, file_id=file.id)
                wanted.append((subject, fetch, by_id[file.import_id].owner))
            await transaction.request_all(wanted)
        return len(wanted)

    async def take_back(self) -> int:
        """Sends again what was sent and has no row of work any more; returns how much that was.

        Raises:
            DatabaseUnavailable: nothing was taken back.
        """
        async with self._messenger.transaction() as transaction:
            lost = await queries.take_back(transaction.connection)
        if lost:
            log.warning("lost work of imports queued again", rows=lost)
        return lost


def _pages(imports: Sequence[Row[Any]]) -> dict[UUID, int]:
    """How many pages each import may send. Where the provider fails, one request at a time tells when it no longer does."""
    most = {row.id: (1 if row.failing else _PAGES) - row.pages_sent for row in imports if not row.paused}
    return {import_id: count for import_id, count in most.items() if count > 0}


def _files(imports: Sequence[Row[Any]], window: int) -> Mapping[UUID, int]:
    queues = [Queue(row.id, row.owner, row.under_way, _waiting(row)) for row in imports]
    return share(queues, window)


def _waiting(row: Row[Any]) -> int:
    return min(row.waiting, max(0, 1 - row.under_way)) if row.failing else int(row.waiting)
