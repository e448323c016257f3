"""Imports begun, canceled and retried. Each is rows and an event: importers find by themselves what is to do.

Leaves out reading requests (``requests``), and listing and fetching, which are the importer's.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from heliograph_common.auth.sealing import Sealer
from heliograph_common.contracts.import_messages import ImportCanceled, ImportProgress
from heliograph_common.db.engine import Database
from heliograph_common.db.import_waits import ACTIVE
from heliograph_common.db.imports import event_facts
from heliograph_common.db.rows import Connection, Row
from heliograph_common.http.problems import Problem
from heliograph_common.ids import new_id
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.http import bodies
from heliograph_gateway.http.problems import CONFLICT, NOT_FOUND, TOO_MANY_IMPORTS
from heliograph_gateway.imports import queries
from heliograph_gateway.imports.requests import Wanted, is_of_token, token_budget, token_facts
from heliograph_gateway.imports.schemas import Authorization

BULK_SECONDS = 60.0
"""How long a statement over all files of an import may take."""
_NO_TOKENS = (
    "This installation does not accept users' tokens. Name a `credential` instead, or ask an administrator to set "
    "`imports.token_keys`"
)
_ERASED = "Required: the token of this import was erased when it ended. Send a new one"


class Imports:
    """``active``: how many imports of one owner may go on at a time."""

    def __init__(self, database: Database, messenger: Messenger, sealer: Sealer, *, active: int) -> None:
        self._database = database
        self._messenger = messenger
        self._sealer = sealer
        self._active = active

    async def begin(self, wanted: Wanted, owner: str) -> Row[Any]:
        """Writes the import, and the page that importers begin with.

        Raises:
            Problem: a token was handed in and cannot be kept, or too many imports of the owner go on.
            DatabaseUnavailable: nothing was done.
        """
        values = {**wanted.columns(), "id": new_id(), "owner": owner, **self._sealed(wanted.authorization)}
        async with self._database.transaction() as connection:
            await self._check_active(connection, owner)
            return await queries.insert_import(connection, values)

    async def cancel(self, import_id: UUID, owner: str) -> Row[Any]:
        """Ends the import where it stands. What is being fetched just now may still become an image.

        Raises:
            Problem: the owner has no such import, or it has ended.
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction(statement_seconds=BULK_SECONDS) as transaction:
            connection = transaction.connection
            found = await self._locked(connection, import_id, owner)
            if found.status not in ACTIVE:
                raise _conflict(found, "Only a queued or running import can be canceled")
            await queries.cancel_queued(connection, import_id)
            over = {"status": "canceled", "authorization": None, "finished_at": queries.NOW}
            row = await queries.change(connection, import_id, over | await queries.count_files(connection, import_id))
            transaction.event(ImportCanceled(**event_facts(row)), owner=owner)
        return row

    async def retry(self, import_id: UUID, owner: str, authorization: Authorization | None) -> Row[Any]:
        """Queues what has failed again and, of an import that was canceled or failed, what was left undone.

        Raises:
            Problem: the owner has no such import, nothing is to be done again, or a token is wanted or cannot be kept.
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction(statement_seconds=BULK_SECONDS) as transaction:
            connection = transaction.connection
            found = await self._locked(connection, import_id, owner)
            ended = found.status not in ACTIVE
            values = self._token_for(found, authorization, ended=ended)
            if ended:
                await self._check_active(connection, owner)
            if not await queries.queue_again(connection, import_id, ended=ended):
                raise _conflict(found, "No file or folder of it has failed")
            values |= await queries.count_files(connection, import_id)
            values |= {"listed": await queries.all_listed(connection, import_id)}
            if ended:  # one that never began is announced by the importer that begins it
                status = "queued" if found.started_at is None else "running"
                values |= {"status": status, "started_at": queries.NOW, **queries.GOES_ON}
            row = await queries.change(connection, import_id, values)
            transaction.event(ImportProgress(**event_facts(row)), owner=owner)
        return row

    async def _locked(self, connection: Connection, import_id: UUID, owner: str) -> Row[Any]:
        row = await queries.lock(connection, import_id, owner)
        if row is None:
            raise no_such_import(import_id)
        return row

    async def _check_active(self, connection: Connection, owner: str) -> None:
        await queries.one_at_a_time(connection, owner)
        if await queries.active_imports(connection, owner, up_to=self._active) >= self._active:
            raise Problem(
                TOO_MANY_IMPORTS,
                f"You have {self._active} active imports, which is the limit of this installation.",
                extra={"limit": self._active},
            )

    def _token_for(self, row: Row[Any], authorization: Authorization | None, *, ended: bool) -> dict[str, Any]:
        if authorization is not None:
            if row.url is None:
                raise bodies.invalid([("/authorization", f"Not allowed for the source `{row.source}`")])
            budget = token_budget(row.source, authorization)
            return {"credential": None, "budget": budget, **self._sealed(authorization)}
        if ended and is_of_token(row.budget):
            raise bodies.invalid([("/authorization", _ERASED)])
        return {}

    def _sealed(self, authorization: Authorization | None) -> dict[str, Any]:
        if authorization is None:
            return {}
        if not self._sealer.has_keys:
            raise bodies.invalid([("/authorization", _NO_TOKENS)])
        return {"authorization": self._sealer.seal(token_facts(authorization))}


def no_such_import(import_id: UUID) -> Problem:
    """404; the same for imports of others."""
    return Problem(NOT_FOUND, f"Import {import_id} does not exist.")


def _conflict(row: Row[Any], why: str) -> Problem:
    return Problem(CONFLICT, f"The import is {row.status}. {why}.", extra={"status_of_import": row.status})
