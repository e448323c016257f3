"""What the gateway's tests talk with and to: a running gateway, its answers, images by way of the API or the tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import delete, text, update
from tests.components import started

from heliograph_common.auth.tokens import issue_token
from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.db.work_models import Work
from heliograph_common.ids import new_id
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.runtime.lifecycle import Component
from heliograph_gateway.bootstrap import build
from heliograph_gateway.settings import GatewaySettings

EVERY_SCOPE = ("images:read", "images:write")


@dataclass
class Gateway:
    """A running gateway: its address, its settings, and tokens for it."""

    port: int
    settings: GatewaySettings
    health: Health

    def token(self, subject: str = "ann", scopes: Sequence[str] = EVERY_SCOPE, **more: Any) -> str:
        """A token that it accepts."""
        return issue_token(self.settings.auth, subject=subject, scopes=scopes, **more)

    @asynccontextmanager
    async def client(
        self, subject: str = "ann", scopes: Sequence[str] = EVERY_SCOPE, *, token: str | None = None
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A client with a token of ``subject``, or with ``token`` (empty: without one)."""
        bearer = self.token(subject, scopes) if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=20, trust_env=False
        ) as client:
            yield client


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """A gateway in this process."""
    health = Health(cache_seconds=0)
    components: Sequence[Component] = await build(settings, health)
    async with started(components, stop_seconds=3):
        health.phase = "serving"
        port = next(component.port for component in components if isinstance(component, HttpServer))
        yield Gateway(port, settings, health)


def problem(answer: httpx2.Response, slug: str) -> dict[str, Any]:
    """The problem of ``answer``, which is checked to be one of ``slug``."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == answer.status_code or "images" in body
    assert {"title", "detail", "remedy", "trace_id"} <= body.keys()
    return body


MULTIPART = "multipart/form-data; boundary=b"


def part(disposition: bytes, data: bytes) -> bytes:
    return b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + data + b"\r\n"


async def exchange(port: int, *pieces: bytes) -> bytes:
    """What the server says to ``pieces`` until it closes the connection; sending goes on whatever comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        try:
            writer.write(piece)
            await writer.drain()
        except ConnectionError:
            break
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


Picture = Callable[..., bytes]


async def upload(client: httpx2.AsyncClient, data: bytes, **parameters: str) -> dict[str, Any]:
    answer = await client.post("/v1/images", content=data, params=parameters, headers={"Content-Type": "image/png"})
    assert answer.status_code in {200, 201}, answer.text
    image: dict[str, Any] = answer.json()
    return image


async def change(db: Database, image_id: str, **values: Any) -> None:
    """Changes its row. One that is over has no work left, as a worker would have seen to."""
    async with db.transaction() as connection:
        await connection.execute(update(Image).where(Image.id == UUID(image_id)).values(values))
        if {values.get("processing_status"), values.get("analysis_status")} & {"complete", "failed"}:
            await connection.execute(delete(Work).where(Work.target == UUID(image_id)))


async def count(bus: Bus, stream: str, subject: str, *, expected: int) -> int:
    """How many messages of ``subject`` there are, once there are ``expected`` or ten seconds have passed."""
    found = 0
    for _ in range(200):
        state = (await bus.jetstream.stream_info(stream, subjects_filter=subject)).state
        found = (state.subjects or {}).get(subject, 0)
        if found >= expected:
            break
        await asyncio.sleep(0.05)  # fewer may be right, so that it is no failure
    return found


async def many(db: Database, owner: str, total: int, rare: Sequence[int] = (), *, first: int = 1) -> None:
    """So many rows of an owner, those of the numbers ``rare`` with another name; later numbers are newer."""
    statement = text(
        "INSERT INTO images (id, owner, name, source, sha256, bytes, mime_type, width, height) "
        "SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid, :owner, "
        "CASE WHEN n = ANY(:rare) THEN 'rare-' || n ELSE 'common' END, 'upload', 'x' || n, 1, 'image/png', 1, 1 "
        "FROM generate_series(:first, :first + :total - 1) AS n"
    )
    async with db.transaction(statement_seconds=60) as connection:
        await connection.execute(statement, {"owner": owner, "total": total, "rare": list(rare), "first": first})


def image_row(owner: str, phash: int | None, **values: Any) -> dict[str, Any]:
    image_id = new_id()
    return {
        "id": image_id, "owner": owner, "name": "a.png", "source": "upload", "sha256": image_id.hex * 2, "bytes": 1,
        "mime_type": "image/png", "width": 1, "height": 1, "phash": phash, "deleted_at": None, **values,
    }  # fmt: skip
