"""Rendering goes on while NATS is stopped: commands come from the outbox, and events arrive when it is back."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx2
import pytest
from tests.corpus import pictures
from tests.integration.stack.support import Running

pytestmark = pytest.mark.xdist_group("stack")


async def test_pictures_are_rendered_while_nats_is_away(stack: Running) -> None:
    async with stack.client() as client, httpx2.AsyncClient(base_url=stack.connection["api"]) as http:
        await stack.faults.take_down("nats")
        try:
            images = [await client.upload(pictures.jpeg(500 + n, 300), name=f"without-nats-{n}.jpg") for n in range(5)]
            ready = await http.get("/readyz")
            assert ready.status_code == 200
            assert ready.json()["status"] == "degraded"
            async with asyncio.timeout(60):
                while True:
                    states = [(await client.get(image.id)).status for image in images]
                    if set(states) == {"complete"}:
                        break
                    await asyncio.sleep(0.2)
            queue = await client.queue()
            assert queue.nats == "unavailable"
        finally:
            await stack.faults.bring_up("nats")
        wanted = {(str(image.id), kind) for image in images for kind in _KINDS}
        seen: set[tuple[str, str]] = set()
        async with asyncio.timeout(60):
            while seen != wanted:
                seen = await _events_of(stack, {image.id for image in images})
                await asyncio.sleep(0.5)


async def test_a_picture_after_it_is_back_takes_the_usual_way(stack: Running) -> None:
    async with stack.client() as client:
        image = await client.upload(pictures.jpeg(510, 301), name="after.jpg")
        assert (await client.wait(image.id, timeout=30)).status == "complete"


_KINDS = ("stored", "thumbnails_ready", "variants_ready", "ready")


async def _events_of(stack: Running, ids: set[UUID]) -> set[tuple[str, str]]:
    """What the stream holds about these images, as (id, last part of the type), read by a plain NATS client."""
    import nats

    from heliograph_common.contracts.envelope import decode

    connection = await nats.connect(stack.connection["nats"])
    found = set()
    try:
        subscription = await connection.jetstream().subscribe("events.image.*", ordered_consumer=True)
        while True:
            message = await subscription.next_msg(timeout=0.5)
            envelope = decode(message.data)
            if UUID(envelope.data["image_id"]) in ids:
                found.add((envelope.data["image_id"], envelope.type.removeprefix("image.")))
    except TimeoutError:
        return found
    finally:
        await connection.close()
