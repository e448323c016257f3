"""Makes an installation ready for its services: tables, default sizes, streams, consumers, bucket. Safe to run twice and
at the same time. ``python -m heliograph_common.provision`` is what the embedded stack and the chart's hook job run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus import provision as streams
from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.sizes import DEFAULT_SIZES
from heliograph_common.db import migrations
from heliograph_common.db.display_size_models import DisplaySize
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.errors import HeliographError, Unavailable
from heliograph_common.settings import ServiceSettings
from heliograph_common.telemetry.logs import setup_logs

log = structlog.get_logger(__name__)

_PATIENCE = 120.0
_PAUSE = 1.0
_CONNECT = 5.0


async def provision(settings: ServiceSettings) -> None:
    """Does all of it.

    Raises:
        Unavailable: a server did not answer within two minutes.
    """
    await _with_patience("database", lambda: _database(settings))
    await _with_patience("streams", lambda: _streams(settings))
    await _with_patience("bucket", lambda: _bucket(settings))


async def _database(settings: ServiceSettings) -> list[str]:
    database = Database(settings.database, application="heliograph-provision")
    try:
        await database.ready()
        before = await migrations.run(database.engine)
        async with database.transaction() as connection:
            sizes = [vars(size) | {"position": position} for position, size in enumerate(DEFAULT_SIZES)]
            # Later an administrator may have removed some on purpose. A run that was killed may have left tables only.
            if before is None or await _unused(connection):
                await connection.execute(insert(DisplaySize).on_conflict_do_nothing(), sizes)
    finally:
        await database.close()
    return [] if before == migrations.head() else [f"migrated from {before} to {migrations.head()}"]


async def _unused(connection: AsyncConnection) -> bool:
    used = select(exists().select_from(DisplaySize) | exists().select_from(Image))
    return not (await connection.execute(used)).scalar_one()


async def _streams(settings: ServiceSettings) -> list[str]:
    bus = Bus(settings.nats, client_name="heliograph-provision")
    await bus.start()
    try:
        async with asyncio.timeout(_CONNECT):
            await bus.wait_connected()
        await bus.ready()
        return await streams.provision(bus.jetstream, settings.nats)
    except TimeoutError as error:
        raise Unavailable(f"NATS at {settings.nats.url.rpartition('@')[2]} cannot be reached") from error
    finally:
        await bus.stop(2)


async def _bucket(settings: ServiceSettings) -> list[str]:
    blobs = MinioBlobs(settings.s3)
    try:
        created = await blobs.ensure_bucket()
    finally:
        await blobs.close()
    return [f"created bucket {settings.s3.bucket}"] if created else []


async def _with_patience(what: str, step: Callable[[], Awaitable[list[str]]]) -> None:
    """Repeats a step until its server is there: on a first install everything starts at once."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            done = await step()
        except Unavailable as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.info("waiting", step=what, reason=str(error))
            await asyncio.sleep(_PAUSE)
        else:
            log.info("provisioned", step=what, changes=done or "none")
            return


def main() -> None:
    """Entry point; exits 1 with one line when a server stays away."""
    settings = ServiceSettings()
    setup_logs("provision", settings.log)
    try:
        asyncio.run(provision(settings))
    except HeliographError as error:
        log.error("provisioning failed", error=str(error))  # noqa: TRY400 - the message is for whoever runs it
        sys.exit(1)


if __name__ == "__main__":
    main()
