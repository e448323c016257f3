"""What can never be published, seen and mended by administrators, over NATS and PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from tests.integration.gateway.support import count, problem

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts import subjects
from heliograph_common.contracts.envelope import envelope
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.db.engine import Database
from heliograph_common.ids import new_id
from heliograph_common.messaging import outbox
from heliograph_gateway.quarantine.schemas import QuarantinePage, Released

TRACE = "ab" * 16


def message(payload: bytes | None = None) -> outbox.Message:
    """One on its way to the stream DEAD, of ann unless its ``payload`` is something else."""
    made = outbox.message(subjects.dead("thumbnailer"), envelope(RenderImage(image_id=new_id()), owner="ann"))
    headers = made.headers | {"traceparent": f"00-{TRACE}-{'cd' * 8}-01"}
    return outbox.Message(made.id, made.subject, headers, made.payload if payload is None else payload)


async def quarantine(db: Database, *messages: outbox.Message) -> list[str]:
    """Puts them into the outbox, set aside; the oldest first."""
    async with db.transaction() as connection:
        await outbox.add(connection, messages)
        for each in messages:
            await outbox.quarantine(connection, each.id, "the server refuses it")
    return [str(each.id) for each in messages]


async def listed(admin: httpx2.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await admin.get("/v1/quarantine")).json()["messages"]
    return found


async def test_quarantined_messages_newest_first_in_pages(admin: httpx2.AsyncClient, db: Database) -> None:
    garbage = [message(b"\xff\x00 no JSON"), message(b"[]"), message(b'{"owner": "\\u0000"}')]
    good = [message() for _ in range(4)]
    made = await quarantine(db, *garbage, *good)
    pages: list[dict[str, Any]] = []
    url: str | None = "/v1/quarantine?limit=3"
    while url is not None:
        pages.append((await admin.get(url)).json())
        QuarantinePage.model_validate(pages[-1])
        url = pages[-1]["next"]
    found = [each for page in pages for each in page["messages"]]

    assert [len(page["messages"]) for page in pages] == [3, 3, 1]
    assert [each["id"] for each in found] == made[::-1]
    assert [each["owner"] for each in found] == ["ann"] * 4 + [None] * 3
    assert [each["bytes"] for each in found] == [len(each.payload) for each in (*garbage, *good)][::-1]
    assert found[0]["reason"] == "the server refuses it"
    assert (found[0]["subject"], found[0]["trace_id"]) == ("dead.thumbnailer", TRACE)
    assert found[0]["quarantined_at"] >= found[0]["created_at"]
    assert (await admin.get("/v1/queue")).json()["outbox"] == {"depth": 0, "oldest_seconds": 0.0, "quarantined": 7}


async def test_a_released_message_is_published(admin: httpx2.AsyncClient, db: Database, bus: Bus) -> None:
    (released,) = await quarantine(db, message())
    answer = await admin.post(f"/v1/quarantine/{released}/release")

    assert answer.status_code == 202, answer.text
    Released.model_validate(answer.json())
    assert answer.json() == {"message_id": released}
    assert await count(bus, "DEAD", subjects.dead("thumbnailer"), expected=1) == 1
    stored = await bus.jetstream.get_msg("DEAD", seq=1)
    assert (stored.headers or {})["Nats-Msg-Id"] == released
    assert await listed(admin) == []
    problem(await admin.post(f"/v1/quarantine/{released}/release"), "not-found")


async def test_a_message_that_is_still_too_large_is_quarantined_again(admin: httpx2.AsyncClient, db: Database) -> None:
    large = message(b"x" * (9 << 20))
    async with db.transaction() as connection:
        await outbox.add(connection, [large])
    first = await _quarantined(admin, str(large.id), after="")
    await admin.post(f"/v1/quarantine/{large.id}/release")
    second = await _quarantined(admin, str(large.id), after=first["quarantined_at"])

    assert "max_payload" in first["reason"]
    assert (second["reason"], second["bytes"]) == (first["reason"], 9 << 20)
    assert second["created_at"] == first["created_at"]


async def test_a_dropped_message_is_gone(admin: httpx2.AsyncClient, db: Database) -> None:
    kept, dropped = await quarantine(db, message(), message())

    assert (await admin.delete(f"/v1/quarantine/{dropped}")).status_code == 204
    problem(await admin.delete(f"/v1/quarantine/{dropped}"), "not-found")
    assert [each["id"] for each in await listed(admin)] == [kept]
    async with db.transaction() as connection:
        assert (await connection.execute(text("SELECT id FROM outbox"))).scalars().all() == [UUID(kept)]


@pytest.mark.parametrize("identifier", ["x", "1", "%00", str(UUID(int=7)), "9" * 5000])
async def test_ids_that_are_none(admin: httpx2.AsyncClient, identifier: str) -> None:
    assert (await admin.delete(f"/v1/quarantine/{identifier}")).status_code == 404
    assert (await admin.post(f"/v1/quarantine/{identifier}/release")).status_code == 404


async def test_only_what_is_in_quarantine_is_touched(
    admin: httpx2.AsyncClient, ann: httpx2.AsyncClient, db: Database
) -> None:
    waiting = message()
    async with db.transaction() as connection:
        await outbox.add(connection, [waiting])
        await connection.execute(text("UPDATE outbox SET claimed_until = now() + interval '1 minute'"))

    problem(await admin.delete(f"/v1/quarantine/{waiting.id}"), "not-found")
    problem(await admin.post(f"/v1/quarantine/{waiting.id}/release"), "not-found")
    assert await listed(admin) == []
    problem(await ann.get("/v1/quarantine"), "forbidden")
    for query in ("limit=0", "limit=201", "cursor=x", "owner=ann"):
        assert (await admin.get(f"/v1/quarantine?{query}")).status_code == 400, query


async def _quarantined(admin: httpx2.AsyncClient, message_id: str, *, after: str) -> dict[str, Any]:
    """The message, once it was set aside later than ``after``."""
    async with asyncio.timeout(60):
        while True:
            for each in await listed(admin):
                if each["id"] == message_id and each["quarantined_at"] > after:
                    return each
            await asyncio.sleep(0.1)
