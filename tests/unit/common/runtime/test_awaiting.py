"""A process whose settings name files that are not there yet."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.polling import until

from heliograph_common.runtime.awaiting import Awaiting
from heliograph_common.setting_sources import MissingFile, SecretsMissing

_SERVICE = """
from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.runtime.lifecycle import run
from heliograph_common.runtime.management import routes
from heliograph_common.settings import AuthSettings, ServiceSettings
from starlette.applications import Starlette

class Settings(ServiceSettings):
    auth: AuthSettings = AuthSettings()

class Part:
    name = "part"
    async def start(self) -> None: pass
    async def stop(self, deadline_seconds: float) -> None: pass

async def build(settings, health):
    assert settings.auth.secret.get_secret_value() == "there at last"
    return [Part()]

def meanwhile(http, health):
    return [HttpServer("api", Starlette(routes=routes(health)), host=http.host, port=http.port)]

run("example", Settings, build, meanwhile)
"""


@asynccontextmanager
async def service(secret: Path, port: int, api_port: int, grace: float) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **os.environ,
        "HELIOGRAPH_HTTP__PORT": str(api_port),
        "HELIOGRAPH_HTTP__MANAGEMENT_PORT": str(port),
        "HELIOGRAPH_AUTH__SECRET_FILE": str(secret),
        "HELIOGRAPH_STARTUP_GRACE_SECONDS": str(grace),
    }
    environment.pop("HELIOGRAPH_AUTH__SECRET", None)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVICE, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def probe(client: httpx2.AsyncClient, port: int, path: str) -> httpx2.Response | None:
    try:
        return await client.get(f"http://127.0.0.1:{port}{path}")
    except httpx2.TransportError:
        return None


async def ended(child: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        output, _ = await child.communicate()
    return [json.loads(line) for line in output.splitlines()]


async def test_a_file_that_comes_within_the_grace_period(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    secret, port, api_port = tmp_path / "secret", unused_tcp_port_factory(), unused_tcp_port_factory()
    async with service(secret, port, api_port, 600) as child, httpx2.AsyncClient(trust_env=False) as client:
        live = await until(lambda: probe(client, port, "/livez"))
        ready = await client.get(f"http://127.0.0.1:{port}/readyz")
        served = await until(lambda: probe(client, api_port, "/readyz"))
        secret.write_text("there at last\n")

        async def serving() -> bool:
            answer = await probe(client, port, "/readyz")
            return answer is not None and answer.status_code == 200

        await until(serving)
        child.terminate()
        logged = await ended(child)

    assert (live.status_code, ready.status_code, served.status_code) == (200, 503, 503)
    assert ready.json()["status"] == "starting"
    assert ready.json()["checks"]["secrets"]["detail"].startswith("waiting for secrets: HELIOGRAPH_AUTH__SECRET_FILE")
    assert child.returncode == 0
    assert len([line for line in logged if line["event"] == "waiting for secrets"]) == 1
    assert "there at last" not in str(logged)


async def test_a_file_that_does_not_come(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    secret = tmp_path / "secret"
    async with service(secret, unused_tcp_port_factory(), unused_tcp_port_factory(), 1) as child:
        logged = await ended(child)
    assert child.returncode == 1
    [failed] = [line for line in logged if line["event"] == "startup failed"]
    assert "Mount the secret there" in failed["error"]
    assert f"HELIOGRAPH_AUTH__SECRET_FILE names {secret}" in failed["error"]


async def test_a_process_that_waits_can_be_stopped(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    port = unused_tcp_port_factory()
    async with (
        service(tmp_path / "secret", port, unused_tcp_port_factory(), 600) as child,
        httpx2.AsyncClient(trust_env=False) as client,
    ):
        await until(lambda: probe(client, port, "/livez"))
        child.terminate()
        logged = await ended(child)
    assert child.returncode == 0
    assert "startup failed" not in {line["event"] for line in logged}


async def test_a_port_that_is_taken_is_told_while_waiting(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    taken = server.sockets[0].getsockname()[1]
    async with server, service(tmp_path / "secret", taken, unused_tcp_port_factory(), 600) as child:
        logged = await ended(child)
    assert child.returncode == 1
    assert "component start failed" in {line["event"] for line in logged}


async def test_no_grace_means_no_waiting() -> None:
    missing = SecretsMissing([MissingFile("HELIOGRAPH_AUTH__SECRET_FILE", Path("/none"))])
    waiting = Awaiting(lambda: pytest.fail("was tried"), missing, time.monotonic())
    with pytest.raises(RuntimeError, match="waiting for secrets"):
        await waiting.check()
    with pytest.raises(SecretsMissing, match="/none"):
        await waiting.wait()
