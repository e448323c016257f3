"""Imports by the client: what it asks, and what it makes of the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from tests.unit.client.fake import FakeServer, busy
from tests.unit.client.fake_imports import counts
from tests.unit.client.support import UNKNOWN

from heliograph_client import AsyncClient, Client, Connection, ProviderToken, RetryPolicy
from heliograph_client.errors import Conflict, NotFound, Rejected, WaitTimeout
from heliograph_client.import_models import Import

LINK = "https://drive.google.com/drive/folders/abcdefghijklmnop"
TOKEN = ProviderToken(
    access_token="secret", refresh_token="other", expires_at=datetime(2027, 1, 15, 8, tzinfo=UTC), client_id="app"
)


async def test_a_folder_is_imported(fake: FakeServer, client: AsyncClient) -> None:
    made = await client.start_import("google_drive", LINK, recursive=False, analyze="food", credential="team")
    assert (made.source, made.url, made.status, made.recursive) == ("google_drive", LINK, "queued", False)
    assert fake.imports.requests == [
        {"source": "google_drive", "url": LINK, "recursive": False, "analyze": "food", "credential": "team"}
    ]
    assert (await client.get_import(made.id)).id == made.id


async def test_a_list_of_urls_is_imported(fake: FakeServer, client: AsyncClient) -> None:
    await client.start_import("urls", urls=("https://a.example/b", "https://a.example/c"))
    assert fake.imports.requests[0]["urls"] == ["https://a.example/b", "https://a.example/c"]
    assert "url" not in fake.imports.requests[0]


async def test_a_users_token_is_sent_and_not_shown(fake: FakeServer, client: AsyncClient) -> None:
    await client.start_import("dropbox", LINK, authorization=TOKEN)
    sent = fake.imports.requests[0]["authorization"]
    assert sent == {
        "access_token": "secret", "refresh_token": "other", "expires_at": "2027-01-15T08:00:00Z", "client_id": "app",
    }  # fmt: skip
    assert "secret" not in f"{TOKEN} {TOKEN!r}"


async def test_what_is_no_folder_is_refused(client: AsyncClient) -> None:
    with pytest.raises(Rejected, match="Not a link"):
        await client.start_import("google_drive", "nowhere")


async def test_an_import_is_not_begun_twice(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults["POST /v1/imports"].extend([busy(429), busy(429)])
    await client.start_import("google_drive", LINK)
    assert len(fake.imports.all) == 1


async def test_lists_are_followed_to_their_ends(fake: FakeServer, client: AsyncClient) -> None:
    made = [fake.imports.add("dropbox" if number % 2 else "google_drive")["id"] for number in range(5)]
    assert [str(each.id) async for each in client.imports()] == made[::-1]
    assert [str(each.id) async for each in client.imports(source="dropbox", status="queued")] == [made[3], made[1]]
    files = [fake.imports.add_file(made[0], "failed" if number == 3 else "imported") for number in range(5)]
    assert [str(each.id) async for each in client.import_files(made[0])] == [file["id"] for file in files]
    assert [each.path async for each in client.import_files(made[0], status="failed")] == ["sub/3.jpg"]


async def test_waiting_tells_how_far_it_is(fake: FakeServer, client: AsyncClient) -> None:
    import_id = fake.imports.add()["id"]
    seen: list[Import] = []
    ended = await client.wait_for_import(import_id, 20, on_progress=seen.append)
    assert (ended.status, ended.finished, ended.counts.done) == ("completed", True, 4)
    assert [(each.status, each.progress) for each in seen] == [("queued", 0), ("running", 50), ("completed", 100)]
    assert (seen[1].rate.files_per_second, seen[1].remaining_seconds, seen[1].counts.done) == (2.5, 7.0, 2)


async def test_waiting_has_an_end(fake: FakeServer, client: AsyncClient) -> None:
    fake.imports.ends = {"status": "running"}
    with pytest.raises(WaitTimeout, match="it goes on"):
        await client.wait_for_import(fake.imports.add()["id"], 0.5)
    with pytest.raises(NotFound):
        await client.wait_for_import(UNKNOWN)


async def test_cancel_and_retry(fake: FakeServer, client: AsyncClient) -> None:
    import_id = fake.imports.add()["id"]
    done = fake.imports.add(status="completed", counts=counts(found=1, imported=1))
    with pytest.raises(Conflict):
        await client.retry_import(done["id"])
    assert (await client.cancel_import(import_id)).status == "canceled"
    with pytest.raises(Conflict):
        await client.cancel_import(import_id)
    assert (await client.retry_import(import_id)).status == "running"
    assert fake.received("POST", f"/v1/imports/{import_id}/retry")[-1].body == b""
    await client.retry_import(import_id, authorization=TOKEN)
    body = fake.received("POST", f"/v1/imports/{import_id}/retry")[-1].body
    assert json.loads(body)["authorization"]["access_token"] == "secret"


def test_without_an_event_loop(fake: FakeServer, connection: Connection, policy: RetryPolicy) -> None:
    with Client(connection, policy=policy) as client:
        made = client.start_import("google_drive", LINK)
        assert client.wait_for_import(made.id, 20).status == "completed"
        assert [each.id for each in client.imports()] == [made.id]
        assert list(client.import_files(made.id)) == []
        assert client.get_import(made.id).finished
