"""The table of idempotency keys, one for all replicas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from heliograph_common.db.engine import Database
from heliograph_common.db.idempotency_models import IdempotencyKey
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.ids import new_id
from heliograph_common.runtime.background import Periodic

log = structlog.get_logger(__name__)

KEPT = timedelta(hours=24)
_BATCH = 5_000


@dataclass(frozen=True)
class Claim:
    """This request is the one that is carried out under its key."""

    owner: str
    key: str
    claim: UUID


@dataclass(frozen=True)
class Known:
    """A request under this key came before. ``status`` is ``None`` while it is not answered."""

    route: str
    status: int | None
    fingerprint: str
    body_bytes: int
    headers: list[list[str]]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a request was answered with, and the fingerprint and body length that it had."""

    fingerprint: str
    body_bytes: int
    status: int
    headers: list[list[str]]
    body: bytes


class IdempotencyKeys:
    """``lease`` is how long a claim blocks its key after its holder died; a living holder renews it."""

    def __init__(self, database: Database, *, lease: timedelta = timedelta(seconds=30)) -> None:
        self._database = database
        self._lease = lease

    async def claim(self, owner: str, key: str, route: str) -> Claim | Known:
        """Claims the key, or says what is known of it. A key that is older than a day, or whose holder died unanswered,
        is as good as new."""
        fresh = {"route": route, "claim": new_id(), "claimed_until": func.now() + self._lease, "created_at": func.now()}
        nothing = dict.fromkeys(("fingerprint", "body_bytes", "status", "headers", "body"))
        abandoned = and_(IdempotencyKey.status.is_(None), IdempotencyKey.claimed_until < func.now())
        statement = (
            insert(IdempotencyKey)
            .values(owner=owner, key=key, **fresh)
            .on_conflict_do_update(
                index_elements=["owner", "key"],
                set_=fresh | nothing,
                where=or_(IdempotencyKey.created_at < func.now() - KEPT, abandoned),
            )
            .returning(IdempotencyKey.claim)
        )
        found = select(IdempotencyKey.__table__).where(IdempotencyKey.owner == owner, IdempotencyKey.key == key)
        while True:
            async with self._database.transaction() as connection:
                claimed = (await connection.execute(statement)).scalar_one_or_none()
                if claimed is not None:
                    return Claim(owner, key, claimed)
                row = (await connection.execute(found)).one_or_none()
            if row is not None:  # else it was given up in between
                return _known(row)

    @asynccontextmanager
    async def renewed(self, claim: Claim) -> AsyncIterator[None]:
        """Renews the claim within the block, however long an upload takes."""
        renewal = Periodic(
            "idempotency-claim", interval=self._lease.total_seconds() / 3, function=lambda: self._renew(claim)
        )
        await renewal.start()
        try:
            yield
        finally:
            await renewal.stop(0)

    async def keep(self, claim: Claim, answer: Answer) -> None:
        """Keeps the answer, unless the claim has passed to someone else. Without the database it is not kept: the client
        has its answer, and a repetition is carried out again once the lease is over."""
        try:
            async with self._database.transaction() as connection:
                await connection.execute(update(IdempotencyKey).where(*_mine(claim)).values(vars(answer)))
        except DatabaseUnavailable as error:
            log.warning("idempotent response not stored", error=str(error))

    async def give_up(self, claim: Claim) -> None:
        """Frees the key: the request may be tried again."""
        try:
            async with self._database.transaction() as connection:
                await connection.execute(delete(IdempotencyKey).where(*_mine(claim)))
        except DatabaseUnavailable as error:
            log.warning("idempotency key not released", error=str(error))

    async def forget(self) -> int:
        """Deletes keys that are older than a day; returns how many. Several replicas may do so at once."""
        deleted = 0
        while True:
            old = (
                select(IdempotencyKey.owner, IdempotencyKey.key)
                .where(IdempotencyKey.created_at < func.now() - KEPT)
                .order_by(IdempotencyKey.created_at)
                .limit(_BATCH)
                .with_for_update(skip_locked=True)
                .cte("old")
            )
            these = tuple_(IdempotencyKey.owner, IdempotencyKey.key).in_(select(old.c.owner, old.c.key))
            async with self._database.transaction() as connection:
                count = (await connection.execute(delete(IdempotencyKey).where(these))).rowcount
            deleted += count
            if count < _BATCH:
                return deleted

    async def _renew(self, claim: Claim) -> None:
        async with self._database.transaction() as connection:
            statement = update(IdempotencyKey).where(*_mine(claim)).values(claimed_until=func.now() + self._lease)
            await connection.execute(statement)


def _mine(claim: Claim) -> tuple[Any, ...]:
    return (
        IdempotencyKey.owner == claim.owner,
        IdempotencyKey.key == claim.key,
        IdempotencyKey.claim == claim.claim,
        IdempotencyKey.status.is_(None),
    )


def _known(row: Row[Any]) -> Known:
    return Known(
        route=row.route,
        status=row.status,
        fingerprint=row.fingerprint or "",
        body_bytes=row.body_bytes or 0,
        headers=row.headers or [],
        body=row.body or b"",
    )
