"""Imports begun: what is written, what is refused, and that a token shows nowhere."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select
from tests.integration.gateway.imports.support import DRIVE, LINK, TOKEN, begin, change, row_of
from tests.integration.gateway.support import Gateway, problem, running
from tests.openapi import DOCUMENT, validator

from heliograph_common.auth.sealing import Sealer
from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_common.db.import_models import ImportPage
from heliograph_common.db.imports import page_id
from heliograph_common.settings import ImportSettings
from heliograph_gateway.imports.schemas import ImportShape
from heliograph_gateway.settings import GatewaySettings

ADDRESSES = ["https://example.com/a.jpg", "https://example.com/b.jpg"]


async def test_an_import_is_its_row_and_the_page_to_begin_with(ann: httpx2.AsyncClient, db: Database) -> None:
    answer = await ann.post("/v1/imports", json={**DRIVE, "recursive": False, "analyze": "food", "credential": "team"})
    made = answer.json()
    row = await row_of(db, made["id"])
    async with db.transaction() as connection:
        pages = (await connection.execute(select(ImportPage.__table__))).all()

    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/imports/{made['id']}")
    ImportShape.model_validate_json(answer.content)
    assert (row.owner, row.source, row.url, row.status, row.budget) == (
        "ann", "google_drive", LINK, "queued", "google_drive:team",
    )  # fmt: skip
    assert (row.recursive, row.analysis_profile, row.credential, row.authorization) == (False, "food", "team", None)
    assert row.location == {"folder_id": "1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g"}
    (page,) = pages
    assert page.id == page_id(UUID(made["id"]), "", 0, "")
    assert (page.folder, page.path, page.cursor, page.details, page.status) == ("", "", "", {}, "queued")
    shown = await ann.get(answer.headers["location"])
    assert shown.json() == made
    assert made["progress"] == 0
    assert made["listing"] == {"complete": False, "folders": 1, "pages": 1, "pages_listed": 0, "errors": []}


async def test_a_list_of_urls_is_kept_normalized_and_each_once(ann: httpx2.AsyncClient, db: Database) -> None:
    listed = [*ADDRESSES, "HTTPS://EXAMPLE.com:443/a.jpg#top"]
    answer = await ann.post("/v1/imports", json={"source": "urls", "urls": listed})
    row = await row_of(db, answer.json()["id"])

    assert answer.status_code == 202
    assert (row.urls, row.url, row.location, row.budget) == (ADDRESSES, None, {}, "urls:default")
    assert "example.com" not in answer.text


async def test_a_token_is_kept_encrypted_and_shows_nowhere(
    gateway_settings: GatewaySettings, ann: httpx2.AsyncClient, db: Database
) -> None:
    made = await begin(ann, authorization={**TOKEN, "expires_at": "2027-01-15T08:00:00Z", "client_id": "app"})
    again = await begin(ann, authorization=TOKEN)
    row, other = await row_of(db, made["id"]), await row_of(db, again["id"])
    answers = [await ann.get(path) for path in ("/v1/imports", f"/v1/imports/{made['id']}")]

    opened = Sealer(gateway_settings.imports.token_keys).open(row.authorization)
    assert opened == {**TOKEN, "expires_at": 1_800_000_000.0, "client_id": "app", "client_secret": None}
    assert row.budget == other.budget
    assert row.budget.startswith("google_drive:token:")
    for text in (*(answer.text for answer in answers), str(made), row.budget, row.authorization.decode()):
        assert "secret" not in text
        assert "authorization" not in text


async def test_without_a_key_tokens_are_refused(gateway_settings: GatewaySettings, bus: Bus) -> None:
    settings = gateway_settings.model_copy(update={"imports": ImportSettings()})
    async with running(settings) as gateway, gateway.client() as ann:
        answer = await ann.post("/v1/imports", json={**DRIVE, "authorization": TOKEN})
        body = problem(answer, "invalid-body")
        assert body["errors"][0]["pointer"] == "/authorization"
        assert "imports.token_keys" in body["detail"]
        assert "very-secret" not in answer.text
        await begin(ann)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/source"),
        ({"source": "ftp", "url": LINK}, "/source"),
        ({"source": "google_drive"}, "/url"),
        ({"source": "google_drive", "url": ""}, "/url"),
        ({"source": "google_drive", "url": f"{LINK}\0"}, "/url"),
        ({"source": "google_drive", "url": "https://example.com/folder"}, "/url"),
        ({"source": "google_drive", "url": LINK, "urls": ADDRESSES}, "/urls"),
        ({"source": "urls"}, "/urls"),
        ({"source": "urls", "urls": []}, "/urls"),
        ({"source": "urls", "urls": ADDRESSES, "url": LINK}, "/url"),
        ({"source": "urls", "urls": [*ADDRESSES, "ftp://example.com/a"]}, "/urls/2"),
        ({"source": "urls", "urls": [f"https://example.com/{n}" for n in range(101)]}, "/urls"),
        ({"source": "urls", "urls": ADDRESSES, "authorization": TOKEN}, "/authorization"),
        ({"source": "urls", "urls": ADDRESSES, "credential": "team"}, "/credential"),
        ({**DRIVE, "authorization": TOKEN, "credential": "team"}, "/authorization"),
        ({**DRIVE, "authorization": {}}, "/authorization/access_token"),
        ({**DRIVE, "authorization": {**TOKEN, "expires_at": 1_800_000_000}}, "/authorization/expires_at"),
        ({**DRIVE, "credential": "../team"}, "/credential"),
        ({**DRIVE, "analyze": "plants"}, "/analyze"),
        ({**DRIVE, "recursive": "yes"}, "/recursive"),
        ({**DRIVE, "recursiv": True}, "/recursiv"),
    ],
)
async def test_what_is_wrong_is_named(ann: httpx2.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    answer = await ann.post("/v1/imports", json=body)

    told = problem(answer, "invalid-body")
    assert pointer in [error["pointer"] for error in told["errors"]]
    assert "secret" not in answer.text
    assert (await ann.get("/v1/imports")).json()["imports"] == []


async def test_a_body_is_bounded(ann: httpx2.AsyncClient) -> None:
    long = [f"https://example.com/{'x' * 1900}{n}" for n in range(5_000)]
    problem(await ann.post("/v1/imports", json={"source": "urls", "urls": long}), "body-too-large")
    problem(await ann.post("/v1/imports", content=b"{"), "invalid-json")
    problem(await ann.post("/v1/imports", content=b""), "invalid-json")
    problem(await ann.post("/v1/imports", data={"source": "urls"}), "unsupported-media-type")


async def test_so_many_imports_of_an_owner_go_on_at_a_time(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database
) -> None:
    answers = await asyncio.gather(*(ann.post("/v1/imports", json=DRIVE) for _ in range(8)))
    begun = [answer.json()["id"] for answer in answers if answer.status_code == 202]

    assert len(begun) == 3
    refused = next(answer for answer in answers if answer.status_code != 202)
    assert problem(refused, "too-many-imports")["limit"] == 3
    await begin(bob)
    await change(db, begun[0], status="completed")
    await begin(ann)
    problem(await ann.post("/v1/imports", json=DRIVE), "too-many-imports")


async def test_the_same_request_with_one_key_is_one_import(ann: httpx2.AsyncClient) -> None:
    answers = [await ann.post("/v1/imports", json=DRIVE, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert answers[1].headers["location"] == answers[0].headers["location"]
    assert len((await ann.get("/v1/imports")).json()["imports"]) == 1


async def test_scopes(gateway: Gateway) -> None:
    async with gateway.client("ann", ("images:read",)) as reader, gateway.client("ann", ("images:write",)) as writer:
        problem(await reader.post("/v1/imports", json=DRIVE), "forbidden")
        made = await begin(writer)
        problem(await writer.get(f"/v1/imports/{made['id']}"), "forbidden")
        for action in ("cancel", "retry"):
            problem(await reader.post(f"/v1/imports/{made['id']}/{action}"), "forbidden")
        assert (await reader.get(f"/v1/imports/{made['id']}/files")).status_code == 200


def test_the_documented_request_is_what_is_taken() -> None:
    schema = DOCUMENT["paths"]["/v1/imports"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    check = validator(schema)
    assert check.is_valid({**DRIVE, "authorization": TOKEN})
    assert not check.is_valid({"source": "ftp", "url": LINK})
    assert not check.is_valid({**DRIVE, "recursiv": True})
