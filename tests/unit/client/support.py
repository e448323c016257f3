"""What tests of the client ask the fake server and its stream of events."""

from __future__ import annotations

from contextlib import aclosing

from tests.unit.client.fake import FakeServer

from heliograph_client import AsyncClient, Event, Reset

UNKNOWN = "01a1f92b-ba77-76a1-85bb-608671403cb6"
"""The id of nothing."""


async def first(client: AsyncClient, count: int, **arguments: object) -> list[Event | Reset]:
    """The first items of the stream."""
    found: list[Event | Reset] = []
    async with aclosing(client.events(**arguments)) as items:  # type: ignore[arg-type]
        async for item in items:
            found.append(item)
            if len(found) == count:
                break
    return found


def ids(items: list[Event | Reset]) -> list[str]:
    """The ids of events, and the reasons of resets."""
    return [item.id if isinstance(item, Event) else f"reset: {item.reason}" for item in items]


def reads(fake: FakeServer, image_id: str) -> int:
    """How often an image was asked for."""
    return len(fake.received("GET", f"/v1/images/{image_id}"))
