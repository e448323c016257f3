"""Existing images are rendered in new sizes: all of them, a few at a time, in one run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx2
from sqlalchemy import delete, insert, select
from tests.integration.gateway.support import Gateway, image_row, problem

from heliograph_common.clock import utc_now
from heliograph_common.contracts.envelope import body_of, decode
from heliograph_common.contracts.messages import RenderImage
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.db.work_models import Work
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.testing.relay import NoRelay
from heliograph_gateway.display_sizes import service as size_runs
from heliograph_gateway.display_sizes.schemas import SizeRunShape
from heliograph_gateway.display_sizes.service import SizeRuns

APPLY, PROGRESS = "/v1/settings/display-sizes/apply", "/v1/settings/display-sizes/progress"


async def _fill(db: Database, count: int, **values: Any) -> list[str]:
    rows = [image_row(f"owner-{n % 3}", None, **{"processing_status": "complete", **values}) for n in range(count)]
    async with db.transaction() as connection:
        await connection.execute(insert(Image), rows)
    return sorted(str(row["id"]) for row in rows)


async def _start(db: Database) -> dict[str, Any]:
    async with db.transaction() as connection:
        return await size_runs.start(connection)


async def _progress(db: Database) -> dict[str, Any]:
    async with db.transaction() as connection:
        found = await size_runs.progress(connection)
    assert found is not None
    SizeRunShape.model_validate(found | {"id": str(found["id"])})
    return found


async def _sent(db: Database) -> list[Any]:
    """The commands in the outbox, in the order in which they were sent."""
    async with db.transaction() as connection:
        return list((await connection.execute(select(OutboxRow.__table__).order_by(OutboxRow.id))).all())


def _images(commands: Sequence[Any]) -> list[str]:
    return [str(body_of(decode(command.payload), RenderImage).image_id) for command in commands]


async def _handle(db: Database, commands: Sequence[Any]) -> None:
    """What a thumbnailer leaves behind of the work that commands ask for, however it ends: nothing."""
    async with db.transaction() as connection:
        await connection.execute(delete(Work).where(Work.command_id.in_([command.id for command in commands])))


async def test_never_more_than_some_wait_and_all_are_rendered(db: Database) -> None:
    images = await _fill(db, 25)
    runs = SizeRuns(Messenger(db, NoRelay()), waiting=10)
    begun = await _start(db)
    shown: list[int] = []
    handled = 0
    for _ in range(12):
        await asyncio.gather(*(runs.advance() for _ in range(3)))  # as many replicas
        now = await _progress(db)
        assert now["waiting"] <= 10
        assert now["done"] == handled
        shown.append(now["progress"])
        waiting = (await _sent(db))[handled:]
        if waiting:
            await _handle(db, waiting[:4])
            handled += len(waiting[:4])

    sent = await _sent(db)
    end = await _progress(db)
    assert (begun["state"], begun["total"], begun["progress"]) == ("running", 25, 0)
    assert _images(sent) == images
    assert {command.subject for command in sent} == {"work.render.low"}
    assert shown == sorted(shown)
    assert 0 < shown[3] < 100
    assert (end["state"], end["queued"], end["done"], end["progress"]) == ("complete", 25, 25, 100)
    assert end["finished_at"] is not None


async def test_only_images_that_may_lack_a_size(db: Database) -> None:
    wanted = await _fill(db, 2) + await _fill(db, 1, processing_status="processing")
    for state in ("pending", "failed"):
        await _fill(db, 1, processing_status=state)
    await _fill(db, 1, deleted_at=utc_now())
    begun = await _start(db)
    await _fill(db, 2)  # they come later, and have the sizes
    runs = SizeRuns(Messenger(db, NoRelay()), waiting=10)
    await runs.advance()
    sent = await _sent(db)
    await _handle(db, sent)
    await runs.advance()

    assert begun["total"] == 5
    assert sorted(_images(sent)) == sorted(wanted)
    assert (await _progress(db))["state"] == "complete"


async def test_another_request_begins_anew(db: Database) -> None:
    images = await _fill(db, 6)
    runs = SizeRuns(Messenger(db, NoRelay()), waiting=4)
    first = await _start(db)
    await runs.advance()
    await asyncio.gather(*(_start(db) for _ in range(3)))
    second = await _progress(db)
    await runs.advance()

    assert second["id"] != first["id"]
    assert (second["state"], second["queued"], second["waiting"]) == ("running", 0, 0)
    assert (
        _images(await _sent(db)) == images[:4]
    )  # they wait already, and get the sizes that there are when they are begun
    assert (await _progress(db))["waiting"] == 4


async def test_without_images_there_is_nothing_to_do(db: Database) -> None:
    await _start(db)
    await SizeRuns(Messenger(db, NoRelay()), waiting=4).advance()

    assert (await _progress(db))["progress"] == 100


async def test_over_http(gateway: Gateway, admin: httpx2.AsyncClient, ann: httpx2.AsyncClient, db: Database) -> None:
    never = await admin.get(PROGRESS)
    await _fill(db, 3)
    key = {"Idempotency-Key": "apply-1"}
    begun = await admin.post(APPLY, headers=key)
    again = await admin.post(APPLY, headers=key)
    refused = [await ann.post(APPLY), await ann.get(PROGRESS)]
    found = await admin.get(begun.headers["location"])

    problem(never, "not-found")
    assert (begun.status_code, begun.json()["total"]) == (202, 3)
    assert again.content == begun.content
    assert [answer.status_code for answer in refused] == [403, 403]
    assert found.json()["id"] == begun.json()["id"]
    SizeRunShape.model_validate(found.json())
