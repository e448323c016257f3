"""Imports and their files as clients see them, whatever state their rows are in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.imports.support import (
    add_files,
    add_page,
    begin,
    change,
    change_pages,
    pause,
    recount,
)
from tests.integration.gateway.support import problem

from heliograph_common.clock import rfc3339, utc_now
from heliograph_common.db.engine import Database
from heliograph_common.ids import new_id
from heliograph_gateway.imports.schemas import ImportFilePage, ImportPageShape, ImportShape

STATES = {
    "queued": 4, "sent": 2, "fetching": 1, "imported": 5, "unchanged": 3, "skipped": 2, "failed": 2, "canceled": 1,
}  # fmt: skip


async def shown(client: httpx2.AsyncClient, import_id: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/imports/{import_id}")
    assert answer.status_code == 200, answer.text
    ImportShape.model_validate_json(answer.content)
    body: dict[str, Any] = answer.json()
    return body


async def test_counts_bytes_and_progress(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    await add_files(db, made["id"], STATES)
    await change(
        db, made["id"], status="running", name="Möwen", listed=True, files_per_second=2.0, bytes_per_second=2e6,
        started_at=utc_now(), revision=9,
    )  # fmt: skip
    found = await shown(ann, made["id"])

    assert found["counts"] == {
        "found": 20, "queued": 6, "fetching": 1, "imported": 5, "unchanged": 3, "skipped": 2, "failed": 2, "canceled": 1,
    }  # fmt: skip
    assert (found["progress"], found["remaining_seconds"], found["revision"]) == (65, 3.5, 9)
    assert found["bytes"] == {"found": 20_000, "imported": 5_000}
    assert found["rate"] == {"files_per_second": 2.0, "bytes_per_second": 2e6}
    assert (found["name"], found["waiting"], found["error"]) == ("Möwen", None, None)
    await change(db, made["id"], listed=False)
    assert (await shown(ann, made["id"]))["remaining_seconds"] is None


async def test_an_etag_changes_with_what_is_shown(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    path = f"/v1/imports/{made['id']}"
    tag = (await ann.get(path)).headers["etag"]
    assert (await ann.get(path, headers={"If-None-Match": tag})).status_code == 304
    await change(db, made["id"], found=1)
    assert (await ann.get(path, headers={"If-None-Match": tag})).status_code == 200


async def test_folders_that_failed_are_told(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    await change_pages(db, made["id"], status="done")
    await add_page(db, made["id"], "", cursor="second", status="done")
    for number in range(22):
        failed = {"status": "failed", "error_code": "access_denied", "error": "private: share it"}
        await add_page(db, made["id"], f"sub{number:02}", **failed)
    await add_page(db, made["id"], "sub99", status="sent")
    listing = (await shown(ann, made["id"]))["listing"]

    assert {name: listing[name] for name in ("complete", "folders", "pages", "pages_listed")} == {
        "complete": False, "folders": 24, "pages": 25, "pages_listed": 2,
    }  # fmt: skip
    assert len(listing["errors"]) == 20
    assert listing["errors"][0] == {"path": "sub00", "code": "access_denied", "reason": "private: share it"}


async def test_why_an_import_failed(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    await change(db, made["id"], status="failed", error_code="not_found", error="gone: check it", finished_at=utc_now())
    found = await shown(ann, made["id"])
    assert found["error"] == {"code": "not_found", "detail": "gone: check it"}
    assert found["finished_at"] is not None


async def test_an_import_waits_while_its_provider_has_paused_its_budget(ann: httpx2.AsyncClient, db: Database) -> None:
    made, other, done = await begin(ann), await begin(ann, credential="team"), await begin(ann)
    await change(db, done["id"], status="completed")
    assert (await shown(ann, made["id"]))["waiting"] is None
    await pause(db, "google_drive:default", 600, "Google Drive allows no more requests")

    waiting = (await shown(ann, made["id"]))["waiting"]
    assert waiting["reason"] == "Google Drive allows no more requests"
    assert waiting["until"] > rfc3339(utc_now() + timedelta(seconds=300))
    assert (await shown(ann, other["id"]))["waiting"] is None, "that budget is not paused"
    assert (await shown(ann, done["id"]))["waiting"] is None, "it has ended"
    listed = {each["id"]: each["waiting"] for each in (await ann.get("/v1/imports")).json()["imports"]}
    assert listed == {made["id"]: waiting, other["id"]: None, done["id"]: None}


async def test_a_pause_that_is_over_is_none(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    await pause(db, "google_drive:default", -1, "was paused")
    assert (await shown(ann, made["id"]))["waiting"] is None


async def test_an_import_waits_when_all_that_is_left_does(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    await change(db, made["id"], status="running")
    later = utc_now() + timedelta(seconds=500)
    await change_pages(db, made["id"], status="done")
    await add_files(db, made["id"], {"imported": 2})
    assert (await shown(ann, made["id"]))["waiting"] is None, "nothing is left"
    await add_files(db, made["id"], {"queued": 3}, not_before=later, reason="example.com asks to wait")
    assert (await shown(ann, made["id"]))["waiting"] == {"reason": "example.com asks to wait", "until": rfc3339(later)}

    await add_page(db, made["id"], "sub", status="queued")
    assert (await shown(ann, made["id"]))["waiting"] is None, "a folder can be listed"
    await change_pages(db, made["id"], status="queued", not_before=later - timedelta(seconds=100))
    assert (await shown(ann, made["id"]))["waiting"]["until"] == rfc3339(later - timedelta(seconds=100))
    await add_files(db, made["id"], {"sent": 1})
    assert (await shown(ann, made["id"]))["waiting"] is None, "a file is under way"


async def test_pages_of_imports(ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database) -> None:
    made = []
    for number in range(7):
        each = await begin(
            ann, **({"source": "urls", "urls": ["https://a.example/b"], "url": None} if number % 2 else {})
        )
        await change(db, each["id"], status="completed" if number < 5 else "running")
        made.append(each["id"])
    await begin(bob)
    newest_first = made[::-1]

    seen: list[str] = []
    url = "/v1/imports?limit=3"
    while url:
        answer = await ann.get(url)
        ImportPageShape.model_validate_json(answer.content)
        seen += [each["id"] for each in answer.json()["imports"]]
        assert ("next" in answer.links) == (answer.json()["next"] is not None)
        url = answer.json()["next"]
    assert seen == newest_first

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in (await ann.get(f"/v1/imports?{query}")).json()["imports"]]

    assert await ids("status=running") == newest_first[:2]
    assert await ids("source=urls") == made[5::-2]
    assert await ids("source=urls&status=running") == [made[5]]
    assert await ids("source=nowhere") == []
    first = (await ann.get("/v1/imports?limit=1&source=urls")).json()["next"]
    problem(await ann.get(first.replace("source=urls", "source=dropbox")), "invalid-cursor")
    problem(await ann.get("/v1/imports?status=paused"), "invalid-parameter")


async def test_pages_of_files(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    image_id = new_id()
    await add_files(db, made["id"], {"queued": 3})
    await add_files(db, made["id"], {"imported": 4}, image_id=image_id, attempts=1, finished_at=utc_now())
    await add_files(db, made["id"], {"failed": 2}, code="not_found", reason="gone: check it", attempts=5)
    await add_files(db, made["id"], {"sent": 3})
    path = f"/v1/imports/{made['id']}/files"

    async def pages(query: str) -> list[list[dict[str, Any]]]:
        found, url = [], f"{path}?{query}"
        while url:
            answer = await ann.get(url)
            assert answer.status_code == 200, answer.text
            ImportFilePage.model_validate_json(answer.content)
            found.append(answer.json()["files"])
            url = answer.json()["next"]
        return found

    everything = await pages("limit=5")
    assert [len(page) for page in everything] == [5, 5, 2]
    assert [file["status"] for page in everything for file in page] == [
        *["queued"] * 3, *["imported"] * 4, *["failed"] * 2, *["queued"] * 3,
    ]  # fmt: skip
    assert [[file["name"] for file in page] for page in await pages("status=queued&limit=4")] == [
        ["0.jpg", "1.jpg", "2.jpg", "0.jpg"], ["1.jpg", "2.jpg"],
    ]  # fmt: skip
    ((failed, _),) = await pages("status=failed")
    assert (failed["code"], failed["reason"], failed["attempts"], failed["links"]) == (
        "not_found", "gone: check it", 5, {},
    )  # fmt: skip
    ((imported, *_),) = await pages("status=imported")
    assert (imported["image_id"], imported["links"]) == (str(image_id), {"image": f"/v1/images/{image_id}"})
    assert (imported["path"], imported["bytes"], imported["mime_type"]) == ("folder/0.jpg", 1000, "image/jpeg")
    assert await pages("status=skipped") == [[]]


async def test_cursors_of_files_are_those_of_one_list(ann: httpx2.AsyncClient, db: Database) -> None:
    made, other = await begin(ann), await begin(ann)
    for each in (made, other):
        await add_files(db, each["id"], {"queued": 2})
    following = (await ann.get(f"/v1/imports/{made['id']}/files?limit=1")).json()["next"]
    problem(await ann.get(following.replace(made["id"], other["id"])), "invalid-cursor")
    problem(await ann.get(f"{following}&status=failed"), "invalid-cursor")
    problem(await ann.get(f"/v1/imports/{made['id']}/files?status=sent"), "invalid-parameter")


@pytest.mark.parametrize("rest", ["", "/files"])
async def test_what_is_not_there(ann: httpx2.AsyncClient, rest: str) -> None:
    problem(await ann.get(f"/v1/imports/{new_id()}{rest}"), "not-found")
    problem(await ann.get(f"/v1/imports/nothing{rest}"), "not-found")


async def test_imports_and_files_of_others_are_not_there(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database
) -> None:
    made = await begin(ann)
    await add_files(db, made["id"], {"failed": 1})
    for other in (bob, admin):
        for method, rest in (("GET", ""), ("GET", "/files"), ("POST", "/cancel"), ("POST", "/retry")):
            answer = await other.request(method, f"/v1/imports/{made['id']}{rest}")
            problem(answer, "not-found")
        assert (await other.get("/v1/imports")).json()["imports"] == []
    await recount(db, made["id"])
    assert (await shown(ann, made["id"]))["counts"]["failed"] == 1
