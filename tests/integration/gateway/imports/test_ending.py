"""Imports canceled and retried: rows, tokens, events, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from tests.integration.gateway.imports.support import (
    TOKEN,
    add_files,
    add_many_files,
    add_page,
    begin,
    change,
    change_pages,
    row_of,
    statuses,
)
from tests.integration.gateway.support import count, problem

from heliograph_common.auth.sealing import Sealer
from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.db.engine import Database
from heliograph_common.db.import_models import ImportFile, ImportPage
from heliograph_gateway.imports.schemas import ImportShape
from heliograph_gateway.settings import GatewaySettings

LEFT = {"queued": 3, "sent": 1, "fetching": 1, "imported": 2, "failed": 2}


async def act(client: httpx2.AsyncClient, action: str, import_id: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/imports/{import_id}/{action}", **arguments)
    assert answer.status_code == {"cancel": 200, "retry": 202}[action], answer.text
    ImportShape.model_validate_json(answer.content)
    body: dict[str, Any] = answer.json()
    return body


async def test_cancel(ann: httpx2.AsyncClient, db: Database, bus: Bus) -> None:
    made = await begin(ann, authorization=TOKEN)
    await change(db, made["id"], status="running", started_at=utc_now())
    await add_files(db, made["id"], LEFT)
    await add_page(db, made["id"], "sub", status="sent")
    canceled = await act(ann, "cancel", made["id"])
    row = await row_of(db, made["id"])

    assert (canceled["status"], canceled["revision"], row.authorization) == ("canceled", made["revision"] + 1, None)
    assert canceled["finished_at"] is not None
    assert await statuses(db, made["id"]) == {"canceled": 3, "sent": 1, "fetching": 1, "imported": 2, "failed": 2}
    assert await statuses(db, made["id"], ImportPage) == {"canceled": 1, "sent": 1}
    assert (canceled["counts"]["canceled"], canceled["counts"]["queued"], canceled["counts"]["found"]) == (3, 1, 9)
    assert await count(bus, "EVENTS", "events.import.canceled", expected=1) == 1
    problem(await ann.post(f"/v1/imports/{made['id']}/cancel"), "conflict")
    assert (await row_of(db, made["id"])).revision == canceled["revision"]


@pytest.mark.parametrize("status", ["completed", "failed", "canceled"])
async def test_what_has_ended_cannot_be_canceled(ann: httpx2.AsyncClient, db: Database, status: str) -> None:
    made = await begin(ann)
    await change(db, made["id"], status=status)
    body = problem(await ann.post(f"/v1/imports/{made['id']}/cancel"), "conflict")
    assert status in body["detail"]


async def test_retry_of_a_completed_import(ann: httpx2.AsyncClient, db: Database, bus: Bus) -> None:
    made = await begin(ann)
    await change_pages(db, made["id"], status="done")
    await change(db, made["id"], status="completed", started_at=utc_now(), finished_at=utc_now(), listed=True)
    await add_files(db, made["id"], {"imported": 3, "skipped": 1, "canceled": 1})
    problem(await ann.post(f"/v1/imports/{made['id']}/cancel"), "conflict")
    await add_files(db, made["id"], {"failed": 2}, code="not_found", reason="gone", attempts=5, finished_at=utc_now())
    again = await act(ann, "retry", made["id"])

    assert (again["status"], again["finished_at"], again["listing"]["complete"]) == ("running", None, True)
    assert (again["counts"]["queued"], again["counts"]["failed"], again["counts"]["canceled"]) == (3, 0, 0)
    async with db.transaction() as connection:
        statement = select(ImportFile.__table__).where(ImportFile.ref.startswith("failed"))
        for row in (await connection.execute(statement)).all():
            assert (row.status, row.code, row.reason, row.attempts, row.finished_at) == ("queued", None, None, 0, None)
    assert await count(bus, "EVENTS", "events.import.progress", expected=1) == 1
    problem(await ann.post(f"/v1/imports/{made['id']}/retry"), "conflict")


async def test_retry_while_it_goes_on_queues_what_has_failed_only(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann, authorization=TOKEN)
    await change(db, made["id"], status="running")
    await add_files(db, made["id"], LEFT)
    again = await act(ann, "retry", made["id"])

    assert again["status"] == "running"
    assert await statuses(db, made["id"]) == {"queued": 5, "sent": 1, "fetching": 1, "imported": 2}
    assert (await row_of(db, made["id"])).authorization is not None, "its token is still there"


async def test_retry_of_an_import_whose_folder_could_not_be_listed(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    failure = {"error_code": "access_denied", "error": "private: share it"}
    await change_pages(db, made["id"], status="failed", **failure)
    await change(db, made["id"], status="failed", started_at=utc_now(), finished_at=utc_now(), listed=True, **failure)
    again = await act(ann, "retry", made["id"])

    assert (again["status"], again["error"]) == ("running", None)
    assert again["listing"] == {"complete": False, "folders": 1, "pages": 1, "pages_listed": 0, "errors": []}


@pytest.mark.parametrize(("begun", "status"), [(True, "running"), (False, "queued")])
async def test_retry_of_a_canceled_import(ann: httpx2.AsyncClient, db: Database, begun: bool, status: str) -> None:
    made = await begin(ann)
    await change(db, made["id"], started_at=utc_now() if begun else None)
    await act(ann, "cancel", made["id"])
    again = await act(ann, "retry", made["id"])

    assert (again["status"], again["finished_at"]) == (status, None)
    assert await statuses(db, made["id"], ImportPage) == {"queued": 1}


async def test_a_token_that_was_erased_is_wanted_again(
    gateway_settings: GatewaySettings, ann: httpx2.AsyncClient, db: Database
) -> None:
    made = await begin(ann, authorization=TOKEN)
    await act(ann, "cancel", made["id"])
    refused = problem(await ann.post(f"/v1/imports/{made['id']}/retry"), "invalid-body")
    assert refused["errors"][0]["pointer"] == "/authorization"
    assert (await row_of(db, made["id"])).status == "canceled"
    await act(ann, "retry", made["id"], json={"authorization": {"access_token": "newer"}})

    row = await row_of(db, made["id"])
    opened = Sealer(gateway_settings.imports.token_keys).open(row.authorization)
    assert (opened["access_token"], opened["refresh_token"]) == ("newer", None)
    assert row.budget.startswith("google_drive:token:")


async def test_a_token_takes_the_place_of_a_credential(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann, credential="team")
    await act(ann, "cancel", made["id"])
    again = await act(ann, "retry", made["id"], json={"authorization": TOKEN})
    assert again["credential"] is None
    assert (await row_of(db, made["id"])).budget.startswith("google_drive:token:")


async def test_bad_retries(ann: httpx2.AsyncClient, db: Database) -> None:
    listed = await begin(ann, source="urls", urls=["https://a.example/b"], url=None)
    path = f"/v1/imports/{listed['id']}/retry"
    problem(await ann.post(path), "conflict")
    problem(await ann.post(path, json={"authorization": TOKEN}), "invalid-body")
    problem(await ann.post(path, json={"token": "x"}), "invalid-body")
    problem(await ann.post(path, content=b"{"), "invalid-json")
    for _ in range(2):
        await begin(ann)
    await change(db, listed["id"], status="completed")
    await add_files(db, listed["id"], {"failed": 1})
    await begin(ann)
    problem(await ann.post(path), "too-many-imports")
    assert await statuses(db, listed["id"]) == {"failed": 1}


async def test_a_large_import_is_canceled_and_retried_at_once(ann: httpx2.AsyncClient, db: Database) -> None:
    made = await begin(ann)
    await add_many_files(db, made["id"], 100_000)
    began = time.monotonic()
    canceled = await act(ann, "cancel", made["id"])
    again = await act(ann, "retry", made["id"])

    assert canceled["counts"]["canceled"] == 100_000
    assert again["counts"]["queued"] == 100_000
    assert time.monotonic() - began < 120
