"""Checks find what is wrong and nothing else, mend it when they are told to, and go on where a killed gateway stopped."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import delete, func, insert, select, text, update
from tests.integration.gateway.support import Gateway, problem

from heliograph_common.blobs import keys
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.blobs.port import BlobInfo
from heliograph_common.bus.connection import Bus
from heliograph_common.bus.drift import correct, drift
from heliograph_common.clock import utc_now
from heliograph_common.contracts.envelope import decode
from heliograph_common.db.blob_models import BlobGarbage, BlobIntent, RetiredKey
from heliograph_common.db.check_models import ConsistencyCheck
from heliograph_common.db.display_size_models import DisplaySize
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.message_models import OutboxRow
from heliograph_common.db.work_models import Work
from heliograph_common.errors import BlobsUnavailable
from heliograph_common.ids import new_id
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_common.testing.relay import NoRelay
from heliograph_gateway.checks import queries as store
from heliograph_gateway.checks.findings import Step
from heliograph_gateway.checks.images.step import Images
from heliograph_gateway.checks.originals.step import Originals
from heliograph_gateway.checks.renditions.step import Renditions
from heliograph_gateway.checks.runner import Checks
from heliograph_gateway.checks.schemas import CheckPage, CheckShape
from heliograph_gateway.checks.streams import Streams
from heliograph_gateway.checks.work.step import WorkRows
from heliograph_gateway.settings import GatewaySettings

CHECKS = "/v1/admin/checks"
GRACE = timedelta(days=7)
OLD = timedelta(hours=2)
ORIGINAL, RENDITION = b"original bytes", b"rendition"


class Aged(MemoryBlobs):
    """Objects that were written two hours ago."""

    def __init__(self) -> None:
        super().__init__(lambda: utc_now() - OLD)


def steps(db: Database, blobs: MemoryBlobs | MinioBlobs, streams: Streams | None = None) -> list[Step]:
    """Those of the gateway."""
    messenger = Messenger(db, NoRelay())
    rows: list[Step] = [
        Originals(db, blobs, grace=GRACE),
        Renditions(messenger, db, blobs, grace=GRACE),
        Images(messenger, db),
        WorkRows(db),
    ]
    return rows if streams is None else [streams, *rows]


async def fill(db: Database, blobs: MemoryBlobs | MinioBlobs, count: int, **values: Any) -> list[dict[str, Any]]:
    """Complete images with all their renditions and objects."""
    async with db.transaction() as connection:
        await connection.execute(update(DisplaySize).values(changed_at=func.now() - timedelta(days=2)))
        sizes = (await connection.execute(select(DisplaySize.__table__))).all()
        images, renditions = [], []
        for number in range(count):
            image_id = new_id()
            sha256 = image_id.hex[::-1] + image_id.hex  # spread, as hashes are
            images.append(
                {
                    "id": image_id, "owner": f"owner-{number % 3}", "name": "a.png", "source": "upload", "sha256": sha256,
                    "bytes": len(ORIGINAL), "mime_type": "image/png", "width": 1, "height": 1,
                    "processing_status": "complete", "thumbnail_status": "complete", "variant_status": "complete",
                    "last_processing_attempt": utc_now(), "processing_completed_at": utc_now(), **values,
                }
            )  # fmt: skip
            renditions += [
                {
                    "image_id": image_id, "name": size.name, "kind": size.kind, "width": 1, "height": 1, "format": "jpeg",
                    "bytes": len(RENDITION), "key": keys.rendition(sha256, "4", f"{size.name}-1a2b3c4d.jpg"),
                }
                for size in sizes
            ]  # fmt: skip
        await connection.execute(insert(Image), images)
        await connection.execute(insert(Rendition), renditions)
    for image in images:
        await blobs.put(keys.original(image["sha256"]), ORIGINAL, content_type="image/png")
    for rendition in renditions:
        await blobs.put(rendition["key"], RENDITION, content_type="image/jpeg")
    return images


async def renditions_of(db: Database, images: Sequence[dict[str, Any]]) -> list[Any]:
    async with db.transaction() as connection:
        found = select(Rendition.__table__).where(Rendition.image_id.in_([image["id"] for image in images]))
        return list((await connection.execute(found.order_by(Rendition.key))).all())


async def start(db: Database, *, repair: bool = False) -> UUID:
    async with db.transaction() as connection:
        begun = await store.start(connection, repair=repair, requested_by="root")
    assert begun is not None
    check_id: UUID = begun.id
    return check_id


async def shown(db: Database, check_id: UUID) -> dict[str, Any]:
    async with db.transaction() as connection:
        row = await store.find(connection, check_id)
    assert row is not None
    found = store.shape(row)
    CheckShape.model_validate(found)
    return found


async def run(db: Database, checks: Checks, *, repair: bool = False) -> dict[str, Any]:
    """One whole check."""
    check_id = await start(db, repair=repair)
    progress = [0]
    while await checks.advance():
        progress.append((await shown(db, check_id))["progress"])
    assert progress == sorted(progress)
    found = await shown(db, check_id)
    assert (found["state"], found["progress"], found["step"]) == ("complete", 100, None)
    return found


def counts(check: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {each["kind"]: (each["found"], each["repaired"]) for each in check["findings"]}


async def everything(db: Database) -> dict[str, list[Any]]:
    """All rows that a check might change."""
    async with db.transaction() as connection:
        return {
            table: list((await connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))).all())  # noqa: S608
            for table in ("images", "renditions", "work", "outbox", "blob_garbage", "retired_keys")
        }


@pytest.fixture
async def real(make_settings: Callable[..., Any]) -> AsyncIterator[MinioBlobs]:
    blobs = MinioBlobs(make_settings(GatewaySettings).s3)
    yield blobs
    await blobs.close()


async def test_nothing_is_wrong_where_nothing_is(db: Database) -> None:
    blobs = Aged()
    images = await fill(db, blobs, 20)
    async with db.transaction() as connection:
        deleted = update(Image).where(Image.id == images[0]["id"]).values(deleted_at=func.now())
        await connection.execute(deleted)  # its objects stay for some days
        await connection.execute(insert(BlobIntent).values(id=new_id(), sha256="a" * 64, incarnation=2))
        await connection.execute(insert(BlobGarbage).values(key=keys.original("b" * 64)))
        again = update(Image).where(Image.id == images[1]["id"]).values(incarnation=3)
        await connection.execute(again)
    await blobs.delete(keys.original(images[1]["sha256"]))
    for key in ("a" * 64 + ".2", "b" * 64, images[1]["sha256"] + ".3", "strange", "c" * 64 + ".d"):
        await blobs.put(f"originals/{key}", ORIGINAL, content_type="image/png")
    before = await everything(db)
    found = await run(db, Checks(db, steps(db, blobs)), repair=True)
    assert (found["found"], found["findings"]) == (0, [])
    assert await everything(db) == before


async def _break(db: Database, blobs: MemoryBlobs, images: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Every kind of harm; returns how often each is found, and mended, without the streams."""
    lost, damaged, orphan = images[0], images[1], "f" * 64
    await blobs.delete(keys.original(lost["sha256"]))
    await blobs.put(keys.original(damaged["sha256"]), b"short", content_type="image/png")
    await blobs.put(keys.original(orphan) + ".1", ORIGINAL, content_type="image/png")
    for n in range(2):
        await blobs.put(keys.rendition("e" * 64, "4", f"{n}-1a2b3c4d.jpg"), RENDITION, content_type="image/jpeg")
    some = await renditions_of(db, images[2:4])
    for rendition in (*some[:3], *some[-2:]):  # of two images
        await blobs.delete(rendition.key)
    await blobs.put((await renditions_of(db, images[4:5]))[0].key, b"half", content_type="image/jpeg")
    rows = await renditions_of(db, images[5:6])
    async with db.transaction() as connection:
        for rendition in rows[:2]:
            await connection.execute(
                delete(Rendition).where(Rendition.image_id == rendition.image_id, Rendition.name == rendition.name)
            )
        unfinished = update(Image).where(Image.id == images[6]["id"])
        await connection.execute(unfinished.values(processing_status="processing", priority="high"))
        failed = update(Image).where(Image.id == images[7]["id"])
        await connection.execute(failed.values(processing_status="failed"))
        for kind, target, check_at in (
            ("render", images[7]["id"], OLD),
            ("render", new_id(), -OLD),
            ("render", images[8]["id"], -OLD),
            ("render", images[9]["id"], OLD),
            ("fetch", new_id(), OLD),  # of an import: it is not dropped for having no image
        ):
            await connection.execute(
                insert(Work).values(
                    kind=kind, target=target, owner="x", subject="work.render.low", message_type="render.image",
                    message_version=1, message_data={}, command_id=new_id(), check_at=func.now() - check_at,
                )
            )  # fmt: skip
    return {
        "original_missing": (1, 0),
        "original_damaged": (1, 0),
        "original_orphaned": (1, 1),
        "rendition_missing": (5, 5),
        "rendition_damaged": (1, 1),
        "rendition_orphaned": (2, 2),
        "size_missing": (2, 2),
        "work_missing": (1, 1),
        "work_superfluous": (2, 2),
        "work_overdue": (2, 0),
    }


async def test_all_that_is_wrong_is_told_and_nothing_is_changed(db: Database) -> None:
    blobs = Aged()
    images = await fill(db, blobs, 40)
    expected = await _break(db, blobs, images)
    before = await everything(db)
    found = await run(db, Checks(db, steps(db, blobs)))

    assert counts(found) == {kind: (count, 0) for kind, (count, _) in expected.items()}
    assert await everything(db) == before
    samples = {each["kind"]: each["samples"] for each in found["findings"]}
    assert samples["original_missing"] == [
        {
            "repaired": False,
            "about": {
                "image_id": str(images[0]["id"]), "owner": images[0]["owner"], "status": "complete",
                "key": keys.original(images[0]["sha256"]),
            },
        }
    ]  # fmt: skip
    assert [each["about"]["image_id"] for each in samples["size_missing"]] == [str(images[5]["id"])] * 2
    assert all(each["remedy"] for each in found["findings"])


async def test_what_can_be_mended_is(db: Database) -> None:
    blobs = Aged()
    images = await fill(db, blobs, 40)
    expected = await _break(db, blobs, images)
    some = await renditions_of(db, images[2:4])
    lost = {rendition.key for rendition in (*some[:3], *some[-2:])}
    found = await run(db, Checks(db, steps(db, blobs)), repair=True)
    assert counts(found) == expected

    async with db.transaction() as connection:
        work = {row.target: row for row in (await connection.execute(select(Work.__table__))).all()}
        commands = (await connection.execute(select(OutboxRow.__table__).order_by(OutboxRow.id))).all()
        states = {row.id: row for row in (await connection.execute(select(Image.__table__))).all()}
        garbage = (await connection.execute(select(BlobGarbage.__table__))).all()
        retired = dict((await connection.execute(select(RetiredKey.key, RetiredKey.incarnation))).all())
    again = {rendition.image_id for rendition in await renditions_of(db, images) if rendition.key in lost}
    assert not again, "the rows of lost renditions are gone"
    rendered = {images[2]["id"], images[3]["id"], images[4]["id"]}
    assert {image for image, row in states.items() if row.processing_status == "pending"} == rendered
    imported = {row.target for row in work.values() if row.kind == "fetch"}
    assert set(work) == rendered | imported | {images[n]["id"] for n in (5, 6, 8, 9)}
    assert len(imported) == 1
    assert {work[images[n]["id"]].subject for n in (2, 3, 4, 5)} == {"work.render.low"}
    assert work[images[6]["id"]].subject == "work.render.high"
    assert sorted(command.subject for command in commands) == [
        *["events.image.retried"] * 3,
        "work.render.high",
        *["work.render.low"] * 4,
    ]
    assert {decode(row.payload).data["progress"] for row in commands if row.subject == "events.image.retried"} <= {
        20,
        60,
    }
    assert {row.key for row in garbage} == {
        f"originals/{'f' * 64}.1",
        *(keys.rendition("e" * 64, "4", f"{n}-1a2b3c4d.jpg") for n in range(2)),
    }
    assert all(row.due_at > utc_now() + GRACE - OLD for row in garbage)
    assert retired[keys.original("f" * 64)] == 2

    for row in lost:  # what the render puts back
        await blobs.put(row, RENDITION, content_type="image/jpeg")
    left = counts(await run(db, Checks(db, steps(db, blobs)), repair=True))
    assert set(left) <= {
        "original_missing",
        "original_damaged",
        "work_overdue",
        "rendition_orphaned",
        "rendition_damaged",
    }


async def test_against_real_servers(
    db: Database, real: MinioBlobs, bus: Bus, make_settings: Callable[..., Any]
) -> None:
    nats = make_settings(GatewaySettings).nats
    images = await fill(db, real, 60)
    lost = (await renditions_of(db, images))[100:103]
    for rendition in lost:
        await real.delete(rendition.key)
    await real.delete(keys.original(images[7]["sha256"]))
    await real.put(keys.original("f" * 64), ORIGINAL, content_type="image/png")  # too young to be an orphan
    await bus.jetstream.delete_stream("EVENTS")
    await bus.jetstream.delete_consumer("WORK", "thumbnailer-low")

    def checks() -> Checks:
        async def look() -> list[str]:
            return await drift(bus, nats)

        async def mend() -> list[str]:
            return await correct(bus, nats)

        return Checks(db, steps(db, real, Streams(look, mend)))

    expected = {"stream_missing": (2, 0), "original_missing": (1, 0), "rendition_missing": (3, 0)}
    for _ in range(2):  # the first changes nothing
        assert counts(await run(db, checks())) == expected
    mended = counts(await run(db, checks(), repair=True))
    mendable = {kind: (found, found) for kind, (found, _) in expected.items() if kind != "original_missing"}
    assert mended == mendable | {"original_missing": (1, 0)}
    for rendition in lost:
        await real.put(rendition.key, RENDITION, content_type="image/jpeg")
    async with db.transaction() as connection:
        await connection.execute(insert(Rendition), [dict(rendition._mapping) for rendition in lost])
        await connection.execute(delete(Work))
        await connection.execute(update(Image).values(processing_status="complete"))
    assert counts(await run(db, checks())) == {"original_missing": (1, 0)}


class HeldBlobs(Aged):
    """Lists a page, then waits to be killed, or to be let on."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = 0
        self.hold: asyncio.Event | None = None

    async def list(self, prefix: str, *, start_after: str = "") -> AsyncIterator[BlobInfo]:
        """Lists, and waits before every page but the first two."""
        self.pages += 1
        if self.hold is not None and self.pages > 2:
            await self.hold.wait()
        async for info in super().list(prefix, start_after=start_after):
            yield info


async def test_another_replica_goes_on_where_one_was_killed(db: Database) -> None:
    blobs = HeldBlobs()
    images = await fill(db, blobs, 1)
    await _many(db, blobs, 2600)
    lost = [keys.original(f"{n:064x}") for n in range(1, 2600, 100)]
    for key in lost:
        await blobs.delete(key)
    await blobs.delete(keys.original(images[0]["sha256"]))
    check_id = await start(db)
    blobs.hold = asyncio.Event()
    first = asyncio.create_task(Checks(db, steps(db, blobs)).advance())
    while blobs.pages < 3:
        await asyncio.sleep(0.01)
    before = await shown(db, check_id)
    assert before["step"] == "originals"
    assert 0 < before["found"] < len(lost)
    second = Checks(db, steps(db, blobs), slice_seconds=0.0)
    assert not await second.advance(), "the first has it"

    blobs.hold.set()  # for the second; the first is frozen, and what it saves comes too late
    async with db.transaction() as connection:
        gone = text('UPDATE consistency_checks SET position = position || \'{"leased_until": "2020-01-01T00:00:00Z"}\'')
        await connection.execute(gone)
        taken = await store.claim(connection, new_id())
    assert taken is not None
    await first
    assert (await shown(db, check_id))["found"] == before["found"], "a lease that is lost saves nothing"
    async with db.transaction() as connection:
        await connection.execute(gone)
    while await Checks(db, steps(db, blobs)).advance():
        pass
    found = await shown(db, check_id)
    assert found["state"] == "complete"
    assert counts(found) == {"original_missing": (len(lost) + 1, 0)}
    assert len(found["findings"][0]["samples"]) == 20


async def test_an_outage_holds_a_check_and_one_that_lasts_ends_it(db: Database) -> None:
    blobs = Aged()
    await fill(db, blobs, 2)
    check_id = await start(db)
    checks = Checks(db, steps(db, blobs))
    blobs.down = True
    with pytest.raises(BlobsUnavailable):
        await checks.advance()
    held = await shown(db, check_id)
    assert held["state"] == "running"
    assert "object store is down" in held["error"]
    async with db.transaction() as connection:
        await connection.execute(update(ConsistencyCheck).values(moved_at=func.now() - OLD))
    with pytest.raises(BlobsUnavailable):
        await checks.advance()
    assert (await shown(db, check_id))["state"] == "failed"
    blobs.down = False
    assert (await run(db, checks))["error"] is None


async def _many(db: Database, blobs: MemoryBlobs, count: int) -> None:
    """Complete images without renditions and sizes, from the server's side."""
    async with db.transaction(statement_seconds=300) as connection:
        await connection.execute(
            text("SET LOCAL session_replication_role = replica")
        )  # no triggers: nobody searches these
        await connection.execute(delete(DisplaySize))
        await connection.execute(
            text("""
                INSERT INTO images (id, owner, name, source, sha256, bytes, mime_type, width, height, processing_status)
                SELECT gen_random_uuid(), 'owner', 'a', 'upload', lpad(to_hex(n), 64, '0'), :size, 'image/png', 1, 1,
                       'complete'
                FROM generate_series(1, :count) AS n ON CONFLICT DO NOTHING
            """),
            {"count": count, "size": len(ORIGINAL)},
        )
        await connection.execute(
            text("""
                INSERT INTO renditions (image_id, name, kind, width, height, format, bytes, key)
                SELECT id, '300', 'thumbnail', 1, 1, 'jpeg', :size, 'renditions/' || sha256 || '/4/300-1a2b3c4d.jpg'
                FROM images ON CONFLICT DO NOTHING
            """),
            {"size": len(RENDITION)},
        )
    for n in range(1, count + 1):
        if await blobs.head(keys.original(f"{n:064x}")) is None:
            await blobs.put(keys.original(f"{n:064x}"), ORIGINAL, content_type="image/png")
            await blobs.put(keys.rendition(f"{n:064x}", "4", "300-1a2b3c4d.jpg"), RENDITION, content_type="image/jpeg")


@pytest.mark.unmeasured
async def test_memory_does_not_grow_with_the_library(db: Database) -> None:
    blobs = Aged()
    peaks = []
    for count in (10_000, 100_000):
        await _many(db, blobs, count)
        async with db.transaction() as connection:
            await connection.execute(delete(ConsistencyCheck))
        check_id = await start(db)
        checks = Checks(db, steps(db, blobs), slice_seconds=3600)
        tracemalloc.start()
        await checks.advance()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (await shown(db, check_id))["state"] == "complete"
        assert (await shown(db, check_id))["found"] == 0
    assert peaks[1] < 1.5 * peaks[0], peaks
    assert peaks[1] < 20_000_000


async def test_the_routes(gateway: Gateway, admin: httpx2.AsyncClient, ann: httpx2.AsyncClient, db: Database) -> None:
    nobodys = f"{CHECKS}/{new_id()}"
    assert problem(await ann.post(CHECKS, json={}), "forbidden")["status"] == 403
    assert (await admin.get(CHECKS)).json() == {"checks": [], "next": None}
    assert problem(await admin.get(nobodys), "not-found")["status"] == 404
    assert problem(await admin.post(f"{nobodys}/cancel"), "not-found")["status"] == 404
    assert problem(await admin.post(CHECKS, json={"repair": "yes"}), "invalid-body")["status"] == 422

    ids = []
    for repair in (False, True, False):
        begun = await admin.post(CHECKS, json={"repair": repair})
        assert begun.status_code == 202
        check = CheckShape.model_validate(begun.json())
        assert (check.state, check.repair, check.requested_by) == ("running", repair, "root")
        found = check.model_dump(mode="json")
        while found["state"] == "running":
            answer = await admin.get(begun.headers["location"])
            found = CheckShape.model_validate(answer.json()).model_dump(mode="json")
            await asyncio.sleep(0.05)
        assert (found["state"], found["found"], found["progress"]) == ("complete", 0, 100), found
        assert problem(await admin.post(f"{CHECKS}/{check.id}/cancel"), "conflict")["status"] == 409
        ids.append(str(check.id))
    first = CheckPage.model_validate((await admin.get(f"{CHECKS}?limit=2")).json())
    assert first.next is not None
    second = CheckPage.model_validate((await admin.get(first.next)).json())
    assert [str(each.id) for each in (*first.checks, *second.checks)] == ids[::-1]
    assert second.next is None
    assert problem(await admin.get(f"{CHECKS}?cursor=x"), "invalid-cursor")["status"] == 400


async def test_one_check_runs_at_a_time_and_can_be_cancelled(admin: httpx2.AsyncClient, db: Database) -> None:
    async with db.transaction() as connection:  # it is another replica's, so that this gateway leaves it alone
        begun = await store.start(connection, repair=False, requested_by="root")
        assert begun is not None
        await store.claim(connection, new_id())
    refused = await admin.post(CHECKS, json={})
    assert problem(refused, "conflict")["check_id"] == str(begun.id)
    assert refused.headers["location"] == f"{CHECKS}/{begun.id}"
    cancelled = await admin.post(f"{CHECKS}/{begun.id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (await admin.post(CHECKS, json={})).status_code == 202


async def test_checks_that_start_by_themselves(db: Database) -> None:
    async def due() -> bool:
        async with db.transaction() as connection:
            return await store.start_when_due(connection, every=timedelta(hours=24), requested_by="schedule")

    assert not await due()  # there is nothing to check
    await fill(db, MemoryBlobs(), 1)
    assert not await due()
    async with db.transaction() as connection:
        await connection.execute(update(Image).values(created_at=func.now() - timedelta(hours=25)))
    assert await due()
    assert not await due()
    async with db.transaction() as connection:
        ended = update(ConsistencyCheck).values(state="complete", started_at=func.now() - timedelta(hours=23))
        await connection.execute(ended)
    assert not await due()


async def test_a_size_that_stays_keeps_its_time(admin: httpx2.AsyncClient, db: Database) -> None:
    async def since() -> dict[str, Any]:
        async with db.transaction() as connection:
            return dict((await connection.execute(select(DisplaySize.name, DisplaySize.changed_at))).all())

    before = await since()
    sizes = (await admin.get("/v1/settings/display-sizes")).json()["sizes"]
    sizes[0]["quality"] = 50
    sizes = [*sizes[::-1], {**sizes[1], "name": "new"}]
    assert (await admin.put("/v1/settings/display-sizes", json={"sizes": sizes})).status_code == 200
    after = await since()
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {sizes[-2]["name"], "new"}
    assert all(after[name] > max(before.values()) for name in changed)
