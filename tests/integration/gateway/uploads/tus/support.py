"""A small tus client for the tests: it says just what a test wants said, right or wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import httpx2
from tests import polling

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_gateway.settings import GatewaySettings

ROOT = "/v1/uploads/tus"
VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}


def metadata(**pairs: str) -> dict[str, str]:
    """``Upload-Metadata`` of ``pairs``."""
    encoded = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    return {"Upload-Metadata": ",".join(encoded)}


@dataclass
class Tus:
    """Speaks tus over ``http``."""

    http: httpx2.AsyncClient

    async def post(self, headers: dict[str, str], body: bytes = b"") -> httpx2.Response:
        """A creation."""
        more = BYTES if body else {}
        return await self.http.post(ROOT, content=body, headers={**VERSION, **more, **headers})

    async def begin(self, length: int, **headers: str) -> str:
        """A new upload of ``length`` bytes; returns its address."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.post({"Upload-Length": str(length), **named})
        assert answer.status_code == 201, answer.text
        return str(answer.headers["location"])

    async def patch(self, url: str, offset: int, body: bytes, **headers: str) -> httpx2.Response:
        """Adds bytes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        more = {**VERSION, **BYTES, "Upload-Offset": str(offset), **named}
        return await self.http.patch(url, content=body, headers=more)

    async def head(self, url: str) -> httpx2.Response:
        """Where it stands."""
        return await self.http.head(url, headers=VERSION)

    async def offset(self, url: str) -> int:
        """Where it stands, as a number."""
        answer = await self.head(url)
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["upload-offset"])

    async def delete(self, url: str) -> httpx2.Response:
        """Ends it."""
        return await self.http.delete(url, headers=VERSION)


async def cut_patch(
    port: int, token: str, url: str, offset: int, body: bytes, *, claimed: int, stay: bool = False, more: str = ""
) -> bytes:
    """A PATCH over a bare socket that sends ``body`` of ``claimed`` bytes; then hangs up, or says nothing more and returns
    what it is answered. It begins when the server is ready for it: uvicorn drops what it holds when a client hangs up.
    ``more``: lines of the header."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"PATCH {url} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: {BYTES['Content-Type']}\r\nUpload-Offset: {offset}\r\nContent-Length: {claimed}\r\n"
        f"Expect: 100-continue\r\n{more}\r\n"
    )
    try:
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(body)
        await writer.drain()
        return await reader.readuntil(b"\r\n\r\n") if stay else b""
    finally:
        writer.close()


async def until(tus: Tus, url: str, offset: int) -> None:
    """Waits until the upload stands at ``offset``."""

    async def there() -> bool:
        return await tus.offset(url) == offset

    await polling.until(there)


async def image_at(client: httpx2.AsyncClient, answer: httpx2.Response, content: bytes) -> dict[str, Any]:
    """The image that ``answer`` names; its original is checked to be ``content``."""
    image: dict[str, Any] = (await client.get(answer.headers["heliograph-image"])).json()
    assert image["sha256"] == hashlib.sha256(content).hexdigest()
    signed = await client.get(f"{image['links']['original']}?url=1")
    async with httpx2.AsyncClient(trust_env=False) as s3:
        assert (await s3.get(signed.json()["url"])).content == content
    return image


async def stored_objects(settings: GatewaySettings) -> list[str]:
    """The objects of unfinished uploads."""
    blobs = MinioBlobs(settings.s3)
    try:
        return [info.key async for info in blobs.list("uploads/")]
    finally:
        await blobs.close()
