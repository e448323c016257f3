"""The revision of an image rises with each change of its row, whoever makes it, and every event tells that of its change."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import psycopg
import pytest
from tests.corpus import pictures
from tests.integration.stack.support import Running

from heliograph_client import AsyncClient, Event, Image

pytestmark = pytest.mark.xdist_group("stack")


async def test_revisions_through_the_life_of_an_image(stack: Running) -> None:
    async with stack.client() as client:
        start = await _now(client)
        uploaded = await client.upload(pictures.jpeg(520, 303), name="revised.jpg")
        complete = await client.wait(uploaded.id, timeout=60)
        async with await psycopg.AsyncConnection.connect(stack.connection["postgres"]) as connection:
            # as a service of the version before writes, which knows no such column
            await connection.execute("UPDATE images SET name = 'renamed.jpg' WHERE id = %s", [uploaded.id])
        renamed = await client.get(uploaded.id)
        listed = (await client.page(limit=1)).items[0]
        await client.delete(uploaded.id)
        told = await _until_deleted(client, start, uploaded)

    assert uploaded.revision == told["image.stored"] == 1
    assert told["image.stored"] < told["image.thumbnails_ready"] < told["image.variants_ready"]
    assert told["image.variants_ready"] < told["image.ready"]  # of one change, and in order all the same
    assert complete.revision >= told["image.ready"]
    assert renamed.revision == complete.revision + 2
    assert (listed.id, listed.revision) == (renamed.id, renamed.revision)
    assert told["image.deleted"] > renamed.revision


async def _now(client: AsyncClient) -> str:
    """The cursor of the stream's end."""
    async with aclosing(client.events(cursor="none")) as events:
        item = await anext(events)
    assert item.cursor is not None
    return item.cursor


async def _until_deleted(client: AsyncClient, start: str, image: Image) -> dict[str, int]:
    """The revision of each event of the image, by its type."""
    found = {}
    async with asyncio.timeout(60), aclosing(client.events(cursor=start)) as events:
        async for item in events:
            if isinstance(item, Event) and item.subject == str(image.id):
                found[item.type] = item.revision
                if item.type == "image.deleted":
                    break
    return found
