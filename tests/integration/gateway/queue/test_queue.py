"""What waits, what is in hand and what comes again, over NATS and PostgreSQL."""

from __future__ import annotations

import httpx2
from tests.integration.gateway.support import Picture, change, count, upload

from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.db.engine import Database
from heliograph_gateway.queue.schemas import QueueShape


async def test_the_queue_tells_what_waits_and_since_when(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    empty = (await ann.get("/v1/queue")).json()
    made = [await upload(ann, picture(seed=seed), priority="high") for seed in range(3)]
    await change(db, made[0]["id"], processing_status="failed", processing_error="broken")
    await change(db, made[1]["id"], processing_status="complete", processing_completed_at=utc_now())
    await count(bus, "WORK", "work.render.high", expected=3)
    told = (await ann.get("/v1/queue")).json()
    to_admin = (await admin.get("/v1/queue")).json()

    for answer in (empty, told, to_admin):
        QueueShape.model_validate(answer)
    assert (empty["waiting"], empty["oldest_seconds"], empty["completed"]) == (0, None, 0)
    assert (told["nats"], told["waiting"], told["active"], told["delayed"]) == ("available", 3, 0, 0)
    assert told["oldest_seconds"] >= 0
    assert {each["consumer"]: each["waiting"] for each in told["consumers"]} == {
        "thumbnailer-high": 3, "thumbnailer-normal": 0, "thumbnailer-low": 0, "analyzer": 0, "importer-list": 0,
        "importer-fetch": 0, "importer-words": 0,
    }  # fmt: skip
    assert (told["completed"], told["failed"], told["counted"]) == (1, 1, "own")
    assert to_admin["counted"] == "all"
    assert to_admin["outbox"]["quarantined"] == 0


async def test_what_is_in_hand_and_what_waits_for_another_attempt(
    ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture
) -> None:
    for seed in range(2):
        last = await upload(ann, picture(seed=seed))
    await count(bus, "WORK", "work.render.normal", expected=2)
    taken = await bus.jetstream.pull_subscribe_bind("thumbnailer-normal", "WORK")
    messages = await taken.fetch(2, timeout=5)
    await messages[1].nak(delay=60)
    await change(db, last["id"], processing_attempts=1, last_processing_attempt=utc_now().replace(year=2020))
    told = (await ann.get("/v1/queue")).json()

    assert (told["waiting"], told["active"], told["delayed"]) == (0, 1, 1)
