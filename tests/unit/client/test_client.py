"""Requests: what is sent, what is tried again, what errors become."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from tests.unit.client.fake import ADMIN_TOKEN, TOKEN, FakeServer, Foreign, busy
from tests.unit.client.fake_answers import problem
from tests.unit.client.support import UNKNOWN

from heliograph_client import AsyncClient, Connection, RetryPolicy
from heliograph_client.body import CHUNK
from heliograph_client.errors import (
    Conflict,
    NotFound,
    NotRendered,
    ProblemError,
    Rejected,
    SourceChanged,
    Unauthorised,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from heliograph_client.models import DisplaySize

IMAGES = "POST /v1/images"


async def test_uploads_a_file_with_its_name_and_progress(fake: FakeServer, client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "Æ & b.jpg"
    path.write_bytes(bytes(CHUNK * 2 + 5))
    told: list[tuple[int, int | None]] = []
    image = await client.upload(path, priority="high", on_progress=lambda sent, total: told.append((sent, total)))
    [request] = fake.received("POST")
    assert request.body == path.read_bytes()
    assert request.query == {"name": "Æ & b.jpg", "priority": "high"}
    assert request.headers["content-length"] == str(CHUNK * 2 + 5)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert told == [(sent, CHUNK * 2 + 5) for sent in (0, CHUNK, 2 * CHUNK, 2 * CHUNK + 5)]
    assert image.created is True
    assert image.status == "pending"


async def test_the_same_bytes_again_are_the_same_image(client: AsyncClient) -> None:
    first, again = [await client.upload(b"picture", name="a") for _ in range(2)]
    assert first.id == again.id
    assert (first.created, again.created) == (True, False)


async def test_uploads_open_files_and_streams(fake: FakeServer, client: AsyncClient) -> None:
    file = io.BytesIO(b"skipped-file")
    file.seek(8)
    await client.upload(file)

    async def stream() -> AsyncIterator[bytes]:
        yield b"a str"
        yield b"eam"

    await client.upload(stream(), name="s.jpg")
    assert [request.body for request in fake.received("POST")] == [b"file", b"a stream"]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_server_is_asked_again_with_the_whole_body(
    fake: FakeServer, client: AsyncClient, tmp_path: Path, status: int
) -> None:
    fake.faults[IMAGES] += [busy(status), busy(status)]
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 1000)
    await client.upload(path)
    assert [len(request.body) for request in fake.received("POST")] == [1000, 1000, 1000]


async def test_gives_up_after_the_policys_attempts(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults[IMAGES] += [busy() for _ in range(9)]
    with pytest.raises(Unavailable, match=r"a server is away\. Do it right\."):
        await client.upload(b"x")
    assert len(fake.received("POST")) == 4


async def test_retry_after_is_honoured(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults[IMAGES].append(busy(429, seconds=1))
    began = asyncio.get_running_loop().time()
    await client.upload(b"x")
    assert asyncio.get_running_loop().time() - began >= 1


async def test_a_server_that_asks_for_too_long_is_not_waited_for(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults[IMAGES].append(busy(503, seconds=3600))
    with pytest.raises(Unavailable):
        await client.upload(b"x")
    assert len(fake.received("POST")) == 1


async def test_a_stream_that_cannot_be_read_again_is_not_sent_again(fake: FakeServer, client: AsyncClient) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"once"

    fake.faults[IMAGES].append(busy())
    with pytest.raises(Unavailable):
        await client.upload(stream())
    assert len(fake.received("POST")) == 1


@asynccontextmanager
async def flaky(fake: FakeServer, policy: RetryPolicy, cuts: list[int]) -> AsyncIterator[AsyncClient]:
    """A client behind a relay that cuts its connections after so many bytes; later ones pass."""
    remaining = iter(cuts)
    relays: set[asyncio.Task[None]] = set()
    parts = urlsplit(fake.api)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            relays.add(task)
        cut = next(remaining, None)
        if cut is not None:
            await reader.read(cut)
            writer.transport.abort()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            return
        up_reader, up_writer = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(pipe(reader, up_writer), pipe(up_reader, writer))

    async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()
        await target.wait_closed()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(api=f"http://127.0.0.1:{port}", events=fake.events, token=TOKEN)
    async with server:
        async with AsyncClient(connection, policy=policy) as client:
            yield client
        await asyncio.gather(*relays)


async def test_an_upload_survives_lost_connections(fake: FakeServer, policy: RetryPolicy) -> None:
    async with flaky(fake, policy, [10, 5000]) as client:
        image = await client.upload(b"p" * 200_000, name="p.jpg")
    assert image.bytes == 200_000


async def test_what_is_not_repeatable_is_sent_once(fake: FakeServer, policy: RetryPolicy) -> None:
    image = fake.add_image(status="failed")
    async with flaky(fake, policy, [10]) as client:
        with pytest.raises(Unreachable):
            await client.retry(image["id"])
        await client.retry(image["id"])


async def test_a_repeated_delete_finds_nothing_and_is_content(fake: FakeServer, client: AsyncClient) -> None:
    image = fake.add_image()
    path = f"/v1/images/{image['id']}"
    fake.faults[f"DELETE {path}"] += [busy(502), problem(404, "not-found", "there is none")]
    await client.delete(image["id"])
    with pytest.raises(NotFound):
        await client.delete(UNKNOWN)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected),
        (401, Unauthorised),
        (403, Unauthorised),
        (404, NotFound),
        (409, Conflict),
        (412, Conflict),
        (413, Rejected),
        (415, Rejected),
        (422, Rejected),
        (418, ProblemError),
        (500, Unavailable),
    ],
)
async def test_problems_become_errors(
    fake: FakeServer, client: AsyncClient, status: int, error: type[ProblemError]
) -> None:
    """Of whichever status and kind: a gateway that is newer than the client may have others."""
    fake.faults[IMAGES].append(Foreign(problem(status, "some-kind", "it is wrong.", limit_bytes=7)))
    with pytest.raises(error) as raised:
        await client.upload(b"x")
    assert type(raised.value) is error
    assert str(raised.value) == "it is wrong. Do it right."
    assert raised.value.problem.type == "/problems/some-kind"
    assert raised.value.problem.model_extra == {"limit_bytes": 7}


@pytest.mark.parametrize("media_type", ["application/problem+json", "application/json", "text/html"])
async def test_answers_that_are_no_problem_documents(fake: FakeServer, client: AsyncClient, media_type: str) -> None:
    fake.faults[IMAGES].append(Foreign(Response(b"[<html>]", 404, media_type=media_type)))
    with pytest.raises(NotFound, match="the server answered 404"):
        await client.upload(b"x")


async def test_answers_of_other_servers(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults["GET /v1/queue"] += [
        Foreign(PlainTextResponse("hello")),
        Foreign(RedirectResponse("https://elsewhere/")),
    ]
    with pytest.raises(UnexpectedAnswer, match="check the address"):
        await client.queue()
    with pytest.raises(UnexpectedAnswer, match="https://elsewhere/"):
        await client.queue()


async def test_no_server(policy: RetryPolicy) -> None:
    nowhere = Connection(api="http://127.0.0.1:1", events="ws://127.0.0.1:1/v1/events", origin="HELIOGRAPH_API")
    async with AsyncClient(nowhere, policy=policy) as client:
        with pytest.raises(Unreachable, match=r"http://127.0.0.1:1 does not answer .* \(HELIOGRAPH_API\)"):
            await client.queue()


async def test_a_file_that_shrinks_while_it_is_sent(client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes(3 * CHUNK))

    def shrink(sent: int, _total: int | None) -> None:
        if sent == CHUNK:
            path.write_bytes(b"")

    with pytest.raises(SourceChanged, match="became shorter"):
        await client.upload(path, on_progress=shrink)


async def test_lists_all_pages_and_stops_where_it_is_left(fake: FakeServer, client: AsyncClient) -> None:
    names = [fake.add_image(f"{number}.jpg")["name"] for number in range(5)]
    assert [image.name async for image in client.list()] == names[::-1]
    assert len(fake.received("GET")) == 3
    images = client.list(status="complete")
    assert (await anext(images)).name == "4.jpg"
    await images.aclose()
    assert fake.received("GET")[-1].query == {"status": "complete", "limit": "100"}
    assert len(fake.received("GET")) == 4


async def test_downloads_without_showing_the_token(fake: FakeServer, client: AsyncClient, tmp_path: Path) -> None:
    image = await client.get(fake.add_image(content=b"original")["id"])
    saved = await client.download(image.renditions[0], tmp_path / "thumbnail.jpg")
    assert saved.read_bytes() == b"thumbnail"
    assert (await client.download(image.original, tmp_path / "o")).read_bytes() == b"original"
    assert "authorization" not in fake.received("GET", "/files")[0].headers
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o", "thumbnail.jpg"]


async def test_a_download_that_ends_early_is_tried_again_and_leaves_nothing(
    fake: FakeServer, client: AsyncClient, tmp_path: Path
) -> None:
    image = await client.get(fake.add_image()["id"])
    fake.faults["GET /files"] += [Response(b"thumb"), Response(b"")]
    assert (await client.download(image.renditions[0], tmp_path / "a.jpg")).read_bytes() == b"thumbnail"
    fake.faults["GET /files"] += itertools.repeat(Response(b"thumb"), 9)
    with pytest.raises(Unreachable, match="5 of 9 bytes"):
        await client.download(image.renditions[0], tmp_path / "b.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


async def test_what_is_not_rendered(fake: FakeServer, client: AsyncClient, tmp_path: Path) -> None:
    image = await client.get(fake.add_image()["id"])
    missing = image.renditions[0].model_copy(update={"url": f"/v1/images/{image.id}/renditions/600"})
    with pytest.raises(NotRendered):
        await client.download(missing, tmp_path / "a.jpg")


async def test_administrators_requests_show_the_administrators_token(fake: FakeServer, connection: Connection) -> None:
    fake.add_letter("7")
    admin = Connection(**{**dict(connection), "admin_token": ADMIN_TOKEN})
    size = DisplaySize(name="s", kind="thumbnail", width=10, height=10, fit="cover")
    async with AsyncClient(admin) as client:
        assert [letter.id async for letter in client.dead_letters()] == ["7"]
        assert (await client.dead_letter("7")).reason == "it is broken"
        assert (await client.replay_dead_letter("7")).circuit_closed
        with pytest.raises(NotFound):
            await client.drop_dead_letter("7")
        assert (await client.queue()).waiting == 3
        assert await client.set_display_sizes([size]) == [size]
        shown = {request.headers["authorization"] for request in fake.requests}
        assert shown == {f"Bearer {ADMIN_TOKEN}"}
        assert await client.display_sizes() == [size]
        assert fake.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"


async def test_checks(fake: FakeServer, client: AsyncClient) -> None:
    assert await client.last_check() is None
    started = await client.start_check(repair=True)
    assert (started.state, started.repair, started.left) == ("running", True, 0)
    assert (await client.check(started.id)).progress == 50
    assert (await client.cancel_check(started.id)).state == "cancelled"
    assert [each.id async for each in client.checks()] == [started.id]
    with pytest.raises(NotFound):
        await client.check(UNKNOWN)


async def test_quarantined_messages(fake: FakeServer, client: AsyncClient) -> None:
    made = [fake.add_quarantined() for _ in range(3)]
    found = [each async for each in client.quarantine()]
    assert [str(each.id) for each in found] == made[::-1]
    assert (found[0].owner, found[0].bytes) == ("someone", 2_000_000)
    assert (await client.queue()).outbox.quarantined == 3
    await client.release_quarantined(made[0])
    await client.drop_quarantined(found[0].id)
    assert list(fake.quarantined) == [made[1]]
    for act in (client.release_quarantined, client.drop_quarantined):
        with pytest.raises(NotFound):
            await act(UNKNOWN)
