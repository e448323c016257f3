"""A gateway, as a process, whose token secret is not there when it starts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests.integration.gateway.support import EVERY_SCOPE
from tests.polling import until

from heliograph_common.auth.tokens import issue_token
from heliograph_common.bus.connection import Bus
from heliograph_gateway.settings import GatewaySettings


@asynccontextmanager
async def gateway(environment: dict[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "heliograph_gateway", env=os.environ | environment, stdout=output
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(60):
            await process.wait()


async def health(client: httpx2.AsyncClient) -> dict[str, Any] | None:
    try:
        answer = await client.get("/health")
    except httpx2.TransportError:
        return None
    assert answer.status_code == 200, "it would be restarted for that"
    body: dict[str, Any] = answer.json()
    return body


async def test_a_secret_that_comes_after_the_start_is_taken(
    heliograph_environment: dict[str, str],
    gateway_settings: GatewaySettings,
    bus: Bus,
    unused_tcp_port_factory: Callable[[], int],
    tmp_path: Path,
) -> None:
    port, management_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    environment = heliograph_environment | {
        "HELIOGRAPH_HTTP__PORT": str(port),
        "HELIOGRAPH_HTTP__MANAGEMENT_PORT": str(management_port),
        "HELIOGRAPH_AUTH__SECRET_FILE": str(tmp_path / "secret"),
        "HELIOGRAPH_STARTUP_GRACE_SECONDS": "600",
    }
    secret = environment.pop("HELIOGRAPH_AUTH__SECRET")
    token = issue_token(gateway_settings.auth, subject="ann", scopes=EVERY_SCOPE)
    async with (
        gateway(environment, tmp_path / "log"),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        waiting = await until(lambda: health(client))
        live = await client.get(f"http://127.0.0.1:{management_port}/livez")
        ready = await client.get(f"http://127.0.0.1:{management_port}/readyz")
        refused = await client.get("/v1/images", headers={"Authorization": f"Bearer {token}"})
        (tmp_path / "secret").write_text(f"{secret}\n")

        async def served() -> bool:
            try:
                answer = await client.get("/v1/images", headers={"Authorization": f"Bearer {token}"})
            except httpx2.TransportError:  # between the servers of before and after
                return False
            return answer.status_code == 200

        await until(served, 60)
        found = await health(client)

    assert waiting["startup_mode"] is True
    assert waiting["checks"]["secrets"] == "unhealthy"
    assert (live.status_code, ready.status_code, refused.status_code) == (200, 503, 503)
    assert found is not None
    assert "secrets" not in found["checks"]
    assert secret not in (tmp_path / "log").read_text()
