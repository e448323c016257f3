"""A process that runs and is of no use is started anew; one that is well, silent for a while, or held down is not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.polling import until

from heliograph_local.faults import Faults
from heliograph_local.folder import Folder
from heliograph_local.health import answer
from heliograph_local.ports import PortBook
from heliograph_local.process import Process, Unhealthy
from heliograph_local.stack import Stack
from heliograph_local.supervisor import Status, Supervisor

SERVER = """
import http.server, pathlib, sys
port, sick, forever = int(sys.argv[1]), pathlib.Path("sick"), pathlib.Path("for_ever").exists()
if not forever:
    sick.unlink(missing_ok=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if sick.exists() and self.path == "/healthz" else 200)
        self.end_headers()
        self.wfile.write(b'{"error": "critical write error"}')
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


class Supervised:
    """One HTTP server. The file ``sick`` makes it say 503 until it is started anew, ``for_ever`` then too."""

    def __init__(self, folder: Folder, port: int, **limits: float) -> None:
        self.folder, self.said = folder, list[str]()
        self.faults = Faults(folder.path)
        self.supervisor = Supervisor(folder, self.said.append)
        process = Process(
            name="server",
            port=port,
            command=[sys.executable, "-c", SERVER, str(port)],
            environment={},
            folder=folder.path,
            ready=lambda: answer(port, "/"),
            healthy=lambda: answer(port, "/healthz"),
        )
        self.process = replace(process, **limits)  # type: ignore[arg-type]

    @property
    def row(self) -> Status:
        return self.supervisor.table[0]

    def sicken(self, *, for_ever: bool = False) -> None:
        (self.folder.path / "sick").touch()
        if for_ever:
            (self.folder.path / "for_ever").touch()

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        await until(condition, seconds)


@asynccontextmanager
async def supervised(path: Path, **limits: float) -> AsyncIterator[Supervised]:
    folder = Folder.at(path)
    folder.path.mkdir()
    folder.create()
    with contextlib.closing(PortBook(folder.path / "ports.json")) as ports:
        server = Supervised(folder, ports.take("server"), **limits)
        await server.supervisor.start([server.process])
        try:
            yield server
        finally:
            await server.supervisor.stop(["server"])


async def test_one_that_says_that_it_is_unhealthy_is_started_anew_and_it_is_told(tmp_path: Path) -> None:
    async with supervised(tmp_path / "data", unhealthy_seconds=1.5) as server:
        before = server.row.pid
        server.sicken()
        await server.faults.wait_ready("server", restarts=1)
        assert server.row.pid != before
        assert server.row.last_end is not None
        assert "it is not healthy: 503" in server.row.last_end
        assert "critical write error" in server.row.last_end
        assert any("server was stopped: it said for" in line for line in server.said)
        await asyncio.sleep(4)  # the supervisor checks in real time
        assert server.row.restarts == 1  # now that it is well


async def test_healthy_or_frozen_for_a_while_is_left_alone(tmp_path: Path) -> None:
    async with supervised(tmp_path / "data", unhealthy_seconds=1.0) as server:
        await asyncio.sleep(3)  # the supervisor checks in real time
        server.faults.freeze("server")
        await asyncio.sleep(9)  # two checks without an answer
        server.faults.thaw("server")
        await asyncio.sleep(3)  # the supervisor checks in real time
        assert (server.row.state, server.row.restarts) == ("ready", 0)


async def test_frozen_for_too_long_is_started_anew(tmp_path: Path) -> None:
    async with supervised(tmp_path / "data", silent_seconds=1.0) as server:
        server.faults.freeze("server")
        await server.faults.wait_ready("server", restarts=1)
        assert "no answer" in (server.row.last_end or "")


async def test_held_down_stays_down(tmp_path: Path) -> None:
    async with supervised(tmp_path / "data", unhealthy_seconds=0.0, silent_seconds=0.0) as server:
        await server.faults.take_down("server")
        server.sicken()
        restarts = server.row.restarts
        await asyncio.sleep(4)  # the supervisor checks in real time
        assert (server.row.state, server.row.restarts) == ("held", restarts)
        await server.faults.bring_up("server")


async def test_restarts_that_mend_nothing_become_rare(tmp_path: Path) -> None:
    async with supervised(tmp_path / "data", unhealthy_seconds=1.0) as server:
        server.sicken(for_ever=True)
        await server.until(lambda: server.row.restarts == 3)
        spans = [line.split(" s ")[0].rpartition(" ")[2] for line in server.said if "it said for" in line]
        assert [int(span) >= least for span, least in zip(spans, (1, 2, 4), strict=True)] == [True] * 3


async def test_a_table_that_cannot_be_written_stops_no_restart(tmp_path: Path) -> None:
    async with supervised(tmp_path / "data", unhealthy_seconds=1.0) as server:
        server.folder.state.unlink()
        server.folder.state.mkdir()  # stands for a full disk
        server.sicken()
        await server.until(lambda: server.row.restarts == 1 and server.row.state == "ready")
        os.kill(server.row.pid or 0, signal.SIGKILL)
        await server.until(lambda: server.row.restarts == 2 and server.row.state == "ready")


async def test_nats_that_has_lost_a_stream_says_so(stack_folder: Path) -> None:
    async with Stack(stack_folder, services=()) as stack:
        await stack.nats.healthy()
        account = stack.nats.accounts[0].name
        lost = stack.nats.folder / "data" / "jetstream" / account / "streams" / "LOST"
        lost.mkdir(parents=True)
        with pytest.raises(Unhealthy, match=r"503 .*LOST"):
            await stack.nats.healthy()
        assert stack.nats.process().healthy is not None
