"""Direct uploads: what goes to the server and what to the object store, and what is tried again."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import Response
from tests.unit.client.fake import TOKEN, FakeServer, busy

from heliograph_client import AsyncClient
from heliograph_client.body import CHUNK
from heliograph_client.errors import Rejected, Unavailable, UnexpectedAnswer

STORE = "PUT /store"


async def test_a_file_goes_to_the_object_store(fake: FakeServer, client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "Æ.jpg"
    path.write_bytes(bytes(CHUNK + 5))
    told: list[tuple[int, int | None]] = []
    image = await client.upload_direct(path, priority="high", on_progress=lambda *sent: told.append(sent))
    [announced] = fake.received("POST", "/v1/uploads")
    [put] = fake.received("PUT", "/store")

    assert json.loads(announced.body) == {
        "name": "Æ.jpg",
        "bytes": CHUNK + 5,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "priority": "high",
    }
    assert announced.headers["authorization"] == f"Bearer {TOKEN}"
    assert put.body == path.read_bytes()
    assert (put.headers["content-length"], put.headers["content-type"]) == (str(CHUNK + 5), "a/b")
    assert "authorization" not in put.headers  # the token is for nobody else
    assert told == [(sent, CHUNK + 5) for sent in (0, CHUNK, CHUNK + 5)]
    assert (image.name, image.created) == ("Æ.jpg", True)


async def test_what_the_server_has_is_not_sent(fake: FakeServer, client: AsyncClient) -> None:
    first = await client.upload(b"picture", name="a")
    again = await client.upload_direct(b"picture", name="b")

    assert (again.id, again.created) == (first.id, False)
    assert fake.received("PUT", "/store") == []


async def test_an_open_file_is_read_twice_from_where_it_stands(fake: FakeServer, client: AsyncClient) -> None:
    file = io.BytesIO(b"skipped-file")
    file.seek(8)
    await client.upload_direct(file)
    assert fake.received("PUT", "/store")[0].body == b"file"

    async def stream() -> AsyncIterator[bytes]:
        yield b"once"

    with pytest.raises(ValueError, match=r"or use upload\(\)"):
        await client.upload_direct(stream())


async def test_a_busy_object_store_is_tried_again(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults[STORE] += [busy(), Response("slow down", 503)]
    assert (await client.upload_direct(b"picture")).created
    assert [request.body for request in fake.received("PUT", "/store")] == [b"picture"] * 3

    fake.faults[STORE] += [busy()] * 10
    with pytest.raises(Unavailable):
        await client.upload_direct(b"another")


async def test_a_refusal_of_the_object_store_is_not_taken_for_one_of_the_token(
    fake: FakeServer, client: AsyncClient
) -> None:
    fake.faults[STORE].append(Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml"))
    with pytest.raises(UnexpectedAnswer, match="object store rejected the file with status 403"):
        await client.upload_direct(b"picture")


async def test_a_file_that_changes_meanwhile_is_refused(fake: FakeServer, client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"before")

    def change(sent: int, _total: int | None) -> None:
        if not sent:
            path.write_bytes(b"behind")

    with pytest.raises(Rejected):
        await client.upload_direct(path, on_progress=change)
