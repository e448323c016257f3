"""Reads the evidence: PostgreSQL, S3 and NATS directly, the list and some renditions through the product's API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import nats
import psycopg
from minio import Minio
from minio.error import S3Error
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from tests.chaos.client import client_connection
from tests.chaos.collect_analyses import analyses_through_the_api, bill, results_of
from tests.chaos.evidence import Evidence, Found, ImageRow, Listed, Message, RenditionRow, Size
from tests.chaos.pictures import inspect

from heliograph_client import AsyncClient
from heliograph_client.errors import NotFound
from heliograph_local.connection import Connection, S3Connection

_IMAGES = """
    SELECT id::text, sha256, processing_status, thumbnail_status, variant_status, processing_error,
           processing_attempts, render_fence, width, height, bytes,
           coalesce((to_jsonb(images) ->> 'incarnation')::int, 0)
    FROM images WHERE deleted_at IS NULL ORDER BY id
"""
_RENDITIONS = """
    SELECT image_id::text, r.name, r.width, r.height, r.format, r.bytes, r.key
    FROM renditions r JOIN images ON images.id = image_id WHERE deleted_at IS NULL ORDER BY image_id, r.name
"""
_UNFINISHED = """
    SELECT count(*) FROM images WHERE deleted_at IS NULL AND (processing_status IN ('pending', 'processing')
        OR coalesce(to_jsonb(images) ->> 'analysis_status', '') IN ('pending', 'processing'))
"""
_WAITING = "SELECT count(*) FROM outbox WHERE to_jsonb(outbox) ->> 'quarantined_at' IS NULL"
_WORK_TABLE = "SELECT to_regclass('work') IS NOT NULL"
_WORK_ROWS = "SELECT count(*) FROM work"
_DOWNLOADS = 40


async def collect(
    connection: Connection, rng: random.Random, *, others: Sequence[Connection] = (), model_calls: Path | None = None
) -> Evidence:
    """All of it, once nothing moves any more (``settled``). ``others`` are the connections of further owners;
    ``model_calls`` is the file in which the double of the model writes what it is asked."""
    evidence = Evidence()
    await _tables(connection, evidence)
    await asyncio.to_thread(_objects, connection.s3, evidence)
    await _messages(connection, evidence)
    for each in (connection, *others):
        already = len(evidence.listed)
        await _through_the_api(each, evidence, rng)
        await analyses_through_the_api(each, evidence, [image.id for image in evidence.listed[already:]])
    evidence.bill = await bill(connection, evidence, model_calls)
    return evidence


async def unfinished(connection: Connection) -> tuple[int, int, int, int]:
    """Images that are neither complete nor failed, or are being analyzed, rows of the outbox, rows of work, messages in
    WORK."""
    async with await psycopg.AsyncConnection.connect(connection.postgres, autocommit=True) as database:
        images = await (await database.execute(_UNFINISHED)).fetchone()
        outbox = await (await database.execute(_WAITING)).fetchone()
        work_rows = await _work_rows(database)
    assert images is not None
    assert outbox is not None
    async with jetstream(connection) as stream:
        work = (await stream.stream_info("WORK")).state.messages
    return int(images[0]), int(outbox[0]), work_rows, work


async def _work_rows(database: psycopg.AsyncConnection[Any]) -> int:
    """Rows of ``work``; none where the schema has no such table."""
    known = await (await database.execute(_WORK_TABLE)).fetchone()
    if known is None or not known[0]:
        return 0
    row = await (await database.execute(_WORK_ROWS)).fetchone()
    return int(row[0]) if row else 0


@asynccontextmanager
async def jetstream(connection: Connection) -> AsyncIterator[JetStreamContext]:
    """A connection of our own to the stack's NATS."""

    async def quiet(_error: Exception) -> None:
        return

    client: Client = await nats.connect(connection.nats, error_cb=quiet, connect_timeout=2)
    try:
        yield client.jetstream(timeout=5)
    finally:
        await client.close()


async def _tables(connection: Connection, evidence: Evidence) -> None:
    async with await psycopg.AsyncConnection.connect(connection.postgres, autocommit=True) as database:

        async def rows(statement: str) -> list[tuple[Any, ...]]:
            return await (await database.execute(statement)).fetchall()

        evidence.sizes = [Size(*row) for row in await rows("SELECT name, width, height, fit FROM display_sizes")]
        evidence.images = [ImageRow(*row) for row in await rows(_IMAGES)]
        evidence.renditions = [RenditionRow(*row) for row in await rows(_RENDITIONS)]
        evidence.outbox = int((await rows(_WAITING))[0][0])
        evidence.work_rows = await _work_rows(database)


def object_store(s3: S3Connection) -> Minio:
    """A client of our own."""
    return Minio(
        s3.endpoint.removeprefix("http://"),
        access_key=s3.access_key,
        secret_key=s3.secret_key,
        secure=False,
        region=s3.region,
    )


def keys_under(s3: S3Connection, prefix: str) -> list[str]:
    """Keys of all objects whose key begins with ``prefix``."""
    return [str(each.object_name) for each in object_store(s3).list_objects(s3.bucket, prefix, recursive=True)]


def _objects(s3: S3Connection, evidence: Evidence) -> None:
    store = object_store(s3)

    def fetch(key: str) -> None:
        try:
            with store.get_object(s3.bucket, key) as answer:
                data = answer.read()
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise
            return  # collected since it was listed; if a row names it, the checker says so
        original = key.startswith("originals/")  # some of these must not be decoded outside of a confined process
        digest = hashlib.sha256(data).hexdigest()
        evidence.objects[key] = Found(bytes=len(data), sha256=digest) if original else inspect(data)

    keys = [key for prefix in ("originals/", "renditions/") for key in keys_under(s3, prefix)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(fetch, keys))


async def _messages(connection: Connection, evidence: Evidence) -> None:
    async with jetstream(connection) as stream:
        bodies = await messages_of(stream, "EVENTS")
        evidence.events = [Message(body["id"], body["type"], body["data"].get("image_id", "")) for body in bodies]
        evidence.analyzed = results_of(bodies)
        for letter in await messages_of(stream, "DEAD"):
            if image_id := _image_of(letter):
                evidence.dead_images.append(image_id)
        with suppress(NotFoundError):  # a test deletes them; whatever did not end shows in the rows
            state = (await stream.stream_info("EVENTS")).state
            evidence.events_dropped = state.first_seq - 1 if state.messages else state.last_seq
            evidence.work_waiting = (await stream.stream_info("WORK")).state.messages
            consumers = await stream.consumers_info("WORK")
            evidence.work_unacked = sum(each.num_ack_pending or 0 for each in consumers)


def _image_of(letter: dict[str, Any]) -> str | None:
    """The image that a dead letter is about; ``None`` where its message tells none, or cannot be read at all."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        return str(json.loads(letter["data"]["payload"])["data"]["image_id"])
    return None


async def messages_of(stream: JetStreamContext, name: str) -> list[dict[str, Any]]:
    """The bodies of all messages of a stream."""
    found: list[dict[str, Any]] = []
    try:
        state = (await stream.stream_info(name)).state
    except NotFoundError:
        return found
    if state.messages:
        subscription = await stream.subscribe(">", stream=name, ordered_consumer=True)
        while len(found) < state.messages:
            found.append(json.loads((await subscription.next_msg(timeout=10)).data))
        await subscription.unsubscribe()
    return found


async def _through_the_api(connection: Connection, evidence: Evidence, rng: random.Random) -> None:
    keys = {(row.image_id, row.name): row.key for row in evidence.renditions}
    async with AsyncClient(client_connection(connection)) as client:
        images = [image async for image in client.list(page_size=200)]
        for image in images:
            renditions = frozenset((each.name, each.width, each.height, each.bytes) for each in image.renditions)
            evidence.listed.append(Listed(str(image.id), image.sha256, image.status, renditions))
        offered = [(image, rendition) for image in images for rendition in image.renditions]
        with tempfile.TemporaryDirectory() as folder:
            for image, rendition in rng.sample(offered, min(_DOWNLOADS, len(offered))):
                try:
                    file = await client.download(rendition, Path(folder) / "rendition")
                except NotFound:  # its object is not there: the checker sees that by itself
                    continue
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                evidence.downloaded[keys.get((str(image.id), rendition.name), "")] = digest
