"""The gateway process does not grow with what is uploaded."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time

import httpx2
import psutil
import pytest
from tests.corpus.pictures import png
from tests.integration.gateway.support import EVERY_SCOPE

from heliograph_common.auth.tokens import issue_token
from heliograph_common.bus.connection import Bus
from heliograph_gateway.settings import GatewaySettings

UPLOADS = 20
LIMIT = 200 * 1024 * 1024


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _until_ready(port: int, process: asyncio.subprocess.Process) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
        while process.returncode is None:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError(f"the gateway ended with {process.returncode}")


async def _upload(port: int, token: str, number: int, size: int) -> int:
    """Uploads a file of ``size`` bytes that begins as a PNG, every other one as multipart; returns the status."""
    picture = png(seed=number)
    opening, closing, content_type = b"", b"", "image/png"
    if number % 2:
        opening = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        closing, content_type = b"\r\n--b--\r\n", "multipart/form-data; boundary=b"
    head = (
        f"POST /v1/images HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {size + len(opening) + len(closing)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + opening + picture)
        left, zeros = size - len(picture), bytes(256 * 1024)
        while left:
            writer.write(zeros[:left])
            left -= len(zeros[:left])
            await writer.drain()
        writer.write(closing)
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def _upload_as_clients_do(port: int, token: str, number: int, size: int) -> int:
    """As ``_upload``, again after a 503: on a busy machine the object store may be too slow for a while."""
    for _ in range(5):
        if (status := await _upload(port, token, number, size)) != 503:
            break
        await asyncio.sleep(1)  # the object store catches up
    return status


@pytest.mark.timeout(400)
async def test_twenty_large_uploads_at_once(
    heliograph_environment: dict[str, str], gateway_settings: GatewaySettings, bus: Bus
) -> None:
    port = _free_port()
    environment = {
        **os.environ,
        **heliograph_environment,
        "HELIOGRAPH_HTTP__PORT": str(port),
        "HELIOGRAPH_HTTP__MANAGEMENT_PORT": str(_free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heliograph_gateway", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    peak = 0
    try:
        await _until_ready(port, process)
        watched = psutil.Process(process.pid)
        idle = watched.memory_info().rss
        token = issue_token(gateway_settings.auth, subject="ann", scopes=EVERY_SCOPE)
        size = gateway_settings.limits.file_bytes
        started = time.monotonic()
        uploads = asyncio.gather(*(_upload_as_clients_do(port, token, number, size) for number in range(UPLOADS)))
        while not uploads.done():
            peak = max(peak, watched.memory_info().rss)
            await asyncio.sleep(0.02)
        statuses = await uploads
        print(f"idle {idle >> 20} MiB, peak {peak >> 20} MiB, {time.monotonic() - started:.1f} s")  # noqa: T201
    finally:
        if process.returncode is None:
            process.terminate()
        code = await process.wait()

    assert statuses == [201] * UPLOADS
    assert peak < LIMIT
    assert code == 0
