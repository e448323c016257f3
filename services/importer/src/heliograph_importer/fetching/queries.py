"""The statements of fetching. A write names the fence of its attempt, and fails with ``Stale`` where a newer one has the
file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.image_models import Image
from heliograph_common.db.import_models import Import, ImportFile, ProviderState, RemoteFile
from heliograph_common.db.imports import remote_key
from heliograph_common.errors import Stale
from heliograph_importer.tally.queries import COLUMNS


@dataclass(frozen=True)
class FileClaim:
    """A file that is to be fetched, its import, and the fence of the attempt. ``known``: revision and image that the
    owner has of it. ``failing``: the last requests of the budget failed."""

    file: Row[Any]
    job: Row[Any]
    fence: int
    known: tuple[str, UUID] | None
    failing: bool


async def claim(connection: AsyncConnection, target: UUID, fence: int) -> FileClaim | None:
    """Takes a file for the attempt ``fence``; ``None`` where there is nothing to do: it is done, its import was canceled, an
    import beside this one has fetched it, or the provider is paused, and then it is queued again."""
    job: Any = (await connection.execute(_CLAIM.where(ImportFile.id == target))).one_or_none()
    if job is None or job.file_status not in {"queued", "sent", "fetching"}:
        return None
    if job.status not in {"queued", "running"}:
        await _set(connection, target, status="canceled", finished_at=func.now())
        return None
    if job.paused:
        await _set(connection, target, status="queued", not_before=job.paused_until)
        return None
    known = await _known(connection, job, job.ref)
    if known is not None and job.file_revision is not None and known[0] == job.file_revision:
        await _set(connection, target, status="unchanged", image_id=known[1], finished_at=func.now())
        return None
    taken = update(ImportFile).where(ImportFile.id == target)
    taken = taken.values(status="fetching", fence=fence, attempts=ImportFile.attempts + 1, not_before=None)
    row = (await connection.execute(taken.returning(*ImportFile.__table__.columns))).one()
    return FileClaim(row, job, fence, known, failing=bool(job.failing))


async def imported(
    connection: AsyncConnection, held: FileClaim, image: Row[Any], *, size: int, revision: str | None
) -> None:
    """Notes which image the file has become.

    Raises:
        Stale: a newer attempt has it.
    """
    await end(connection, held, status="imported", image_id=image.id, bytes=size, code=None, reason=None)
    if revision is None:
        return
    values = {
        "key": remote_key(held.job.owner, held.job.source, held.file.ref),
        "owner": held.job.owner,
        "source": held.job.source,
        "ref": held.file.ref,
        "revision": revision,
        "image_id": image.id,
    }
    statement = insert(RemoteFile).values(values)
    newest = {name: statement.excluded[name] for name in ("revision", "image_id")} | {"imported_at": func.now()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=newest))


async def end(connection: AsyncConnection, held: FileClaim, **values: Any) -> None:
    """Ends the file with ``status`` and what else is given.

    Raises:
        Stale: a newer attempt has it.
    """
    await _fenced(connection, held, finished_at=func.now(), **values)


async def requeue(connection: AsyncConnection, held: FileClaim, delay: timedelta, *, counts: bool = False) -> None:
    """Has the file fetched after ``delay``, as if this attempt had not been, unless it ``counts``.

    Raises:
        Stale: a newer attempt has it.
    """
    attempts = held.file.attempts if counts else func.greatest(ImportFile.attempts - 1, 0)
    await _fenced(connection, held, status="queued", not_before=func.now() + delay, attempts=attempts)


async def give_up(connection: AsyncConnection, target: UUID, *, code: str, reason: str) -> UUID | None:
    """Marks a file as failed unless it has ended; returns its import. That no newer attempt has it is known by the end
    of its work, in the same transaction."""
    unfinished = ImportFile.status.in_(("queued", "sent", "fetching"))
    failed = update(ImportFile).where(ImportFile.id == target, unfinished)
    failed = failed.values(status="failed", code=code, reason=reason, finished_at=func.now())
    found: UUID | None = (await connection.execute(failed.returning(ImportFile.import_id))).scalar_one_or_none()
    return found


async def _fenced(connection: AsyncConnection, held: FileClaim, **values: Any) -> None:
    mine = update(ImportFile).where(ImportFile.id == held.file.id, ImportFile.fence == held.fence)
    mine = mine.where(ImportFile.status == "fetching").values(**values)
    if not (await connection.execute(mine)).rowcount:
        raise Stale(f"file {held.file.id} is past fence {held.fence}")


async def _set(connection: AsyncConnection, target: UUID, **values: Any) -> None:
    await connection.execute(update(ImportFile).where(ImportFile.id == target).values(**values))


async def _known(connection: AsyncConnection, job: Row[Any], ref: str) -> tuple[str, UUID] | None:
    statement = (
        select(RemoteFile.revision, RemoteFile.image_id)
        .join(Image, Image.id == RemoteFile.image_id)
        .where(RemoteFile.key == remote_key(job.owner, job.source, ref), Image.deleted_at.is_(None))
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else (row.revision, row.image_id)


_CLAIM = (
    select(
        *COLUMNS,
        ImportFile.ref,
        ImportFile.revision.label("file_revision"),
        ImportFile.status.label("file_status"),
        (ProviderState.paused_until > func.now()).label("paused"),
        ProviderState.paused_until,
        (ProviderState.failures > 0).label("failing"),
    )
    .select_from(ImportFile)
    .join(Import, Import.id == ImportFile.import_id)
    .outerjoin(ProviderState, ProviderState.budget == Import.budget)
    .with_for_update(of=ImportFile)
)
