"""One owner's thousands of pictures do not hold up another's one: gateway, thumbnailer and servers are real, and what was
rendered when is read from rows and from the stream, not from a watch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from nats.js.api import ConsumerConfig, DeliverPolicy
from sqlalchemy import func, insert, select
from tests.corpus.pictures import png
from tests.integration.gateway.support import Gateway, image_row
from tests.integration.gateway.support import running as running_gateway
from tests.integration.thumbnailer.support import Library, running
from tests.polling import until

from heliograph_common.contracts.envelope import decode
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.contracts.subjects import Priority, render
from heliograph_common.db.image_models import Image
from heliograph_common.db.statements import ImageRow
from heliograph_gateway.settings import GatewaySettings
from heliograph_thumbnailer.settings import ThumbnailerSettings

PICTURES = 5000
UPLOADS = 500
"""The first ones, more than are rendered during the test (some 150; what it asserts allows 360)."""
LAST = 20
AT_A_TIME = 1000
LIMIT = 100
SLOTS = 2
AT_ONCE = 8
NEWCOMERS = 5

_COMPLETE = Image.processing_status == "complete"


@pytest.fixture
async def gateway(library: Library, make_settings: Callable[..., Any]) -> AsyncIterator[Gateway]:
    """A gateway over the same servers, with the settings that an installation has by itself."""
    async with running_gateway(make_settings(GatewaySettings, http={"port": 0})) as found:
        yield found


async def accept(library: Library, seeds: Iterable[int]) -> None:
    """Takes in distinct pictures as uploads do, some at a time."""
    left = iter(seeds)

    async def some() -> None:
        for seed in left:
            await library.accept(png(seed=seed), name=f"{seed}.png", owner="busy")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())


async def queue(library: Library, count: int) -> None:
    """Rows and commands of so many pictures more at ``low``. Their turn does not come: they have no originals."""
    while count > 0:
        rows = [
            image_row("busy", None, priority="low", requested_priority="normal") for _ in range(min(count, AT_A_TIME))
        ]
        commands = [(render(Priority.LOW), RenderImage(image_id=row["id"]), "busy") for row in rows]
        async with library.messenger.transaction(statement_seconds=60) as transaction:
            await transaction.connection.execute(insert(Image), rows)
            await transaction.request_all(commands)
        count -= len(rows)


async def accept_all(library: Library) -> None:
    """Thousands of the busy owner's pictures: those whose turn may come, and the last ones, as uploads."""
    await accept(library, range(UPLOADS))
    await queue(library, PICTURES - UPLOADS - LAST)
    await accept(library, range(UPLOADS, UPLOADS + LAST))

    async def all_queued() -> bool:
        return await commands(library) == PICTURES

    await until(all_queued)


async def commands(library: Library) -> int:
    """How many wait, or are in hand."""
    return int((await library.bus.jetstream.stream_info("WORK")).state.messages)


async def upload(gateway: Gateway, owner: str) -> dict[str, Any]:
    async with gateway.client(owner) as client:
        answer: httpx2.Response = await client.post("/v1/images", content=png(), headers={"Content-Type": "image/png"})
    assert answer.status_code == 201, answer.text
    image: dict[str, Any] = answer.json()
    return image


async def many(library: Library, *conditions: Any) -> int:
    """How many of the busy owner's images fulfil ``conditions``."""
    statement = select(func.count()).select_from(Image).where(Image.owner == "busy", *conditions)
    async with library.database.transaction() as connection:
        return int((await connection.execute(statement)).scalar_one())


async def queued_at(library: Library, image_id: UUID, after: int) -> datetime:
    """When NATS had the image's messages: the event of its acceptance, after the ``after``-th of all events, is published
    together with its command."""
    consumer = await library.bus.jetstream.subscribe(
        "events.image.stored",
        ordered_consumer=True,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        config=ConsumerConfig(opt_start_seq=after + 1),
    )
    try:
        while True:
            message = await consumer.next_msg(timeout=10)
            if decode(message.data).data["image_id"] == str(image_id):
                return message.metadata.timestamp
    finally:
        await consumer.unsubscribe()


async def events(library: Library) -> int:
    """The number of the newest one."""
    return int((await library.bus.jetstream.stream_info("EVENTS")).state.last_seq)


async def started_before(library: Library, row: ImageRow, since: datetime) -> int:
    """How many of the busy owner's renders began between ``since`` and the beginning of ``row``'s."""
    return await many(library, Image.last_processing_attempt.between(since, row.last_processing_attempt))


@pytest.mark.timeout(1200)
async def test_a_newcomer_overtakes_thousands(
    library: Library, gateway: Gateway, make_settings: Callable[..., Any]
) -> None:
    await accept_all(library)
    async with library.database.transaction() as connection:
        priorities = Counter((await connection.execute(select(Image.priority))).scalars())
    assert LIMIT < priorities["normal"] <= LIMIT + AT_ONCE  # those of one moment do not see each other
    early = await upload(gateway, "early")

    async with running(make_settings(ThumbnailerSettings, render={"slots": SLOTS})):
        # The worst case: the busy owner's first ones are unfinished, and stand before the newcomer.
        row = await library.finished(UUID(early["id"]))
        assert (
            await many(library, Image.last_processing_attempt < row.last_processing_attempt)
            <= priorities["normal"] + SLOTS
        )

        for number in range(NEWCOMERS):
            before = await events(library)
            image = await upload(gateway, f"newcomer-{number}")
            row = await library.finished(UUID(image["id"]))
            # Those in hand, and those that were pulled but had not begun. Nothing of this depends on how many wait.
            assert await started_before(library, row, await queued_at(library, row.id, before)) <= 3 * SLOTS
            # Beside it, until it is complete, the other slots go on.
            begun = Image.last_processing_attempt.between(row.created_at, row.processing_completed_at)
            assert await many(library, begun) <= 20 * SLOTS

        done = await many(library, _COMPLETE)
        async with asyncio.timeout(60):
            while await many(library, _COMPLETE) < done + 20:  # the busy owner's go on
                await asyncio.sleep(0.1)

    assert await many(library, Image.processing_status == "failed") == 0
    # Each of the rest has its command.
    assert await commands(library) == PICTURES - await many(library, _COMPLETE) > PICTURES / 2
