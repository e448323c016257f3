"""Starting, stopping, starting again; two stacks at a time; what is left when the supervisor is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest
from nats.js.errors import ServiceUnavailableError
from tests.integration.local.support import Marks, Up, dev

from heliograph_local.errors import AlreadyRunning, NotRunning, StartFailed
from heliograph_local.faults import Faults
from heliograph_local.folder import Folder
from heliograph_local.services import Service
from heliograph_local.stack import Stack

SERVERS = ("nats", "postgres", "s3")


async def test_second_start_continues_with_the_data(stack_folder: Path) -> None:
    async with Stack(stack_folder, services=()) as stack:
        first = stack.connection
        for server in SERVERS:
            await Marks(first).leave(server, "kept")
        children = [row.pid for row in stack.supervisor.table]
    with pytest.raises(NotRunning):
        _ = stack.connection
    assert not stack.folder.connection.exists()
    assert not any(psutil.pid_exists(pid) for pid in children if pid)
    assert "database system is shut down" in (stack.folder.logs / "postgres.log").read_text()

    async with Stack(stack_folder, services=()) as stack:
        second = stack.connection
        assert (second.nats, second.postgres, second.s3) == (first.nats, first.postgres, first.s3)
        for server in SERVERS:
            assert await Marks(second).find(server, "kept")


async def test_two_stacks_side_by_side_and_one_folder_only_once(stack_folder: Path) -> None:
    one = Stack(stack_folder / "one", services=())
    two = Stack(stack_folder / "two", services=(), nats_max_file_store=1024 * 1024)
    async with one:
        async with two:
            ports = [{row.port for row in stack.supervisor.table} for stack in (one, two)]
            assert not ports[0] & ports[1]
            await Marks(one.connection).leave("nats", "of one")
            await Marks(two.connection).leave("nats", "of two")
            with pytest.raises(ServiceUnavailableError, match="insufficient resources"):  # one's disk is not full
                await _fill(two)
            assert await Marks(one.connection).find("nats", "of one")
            with pytest.raises(AlreadyRunning, match=rf"already running in .* \(pid {os.getpid()}\)"):
                async with Stack(stack_folder / "one", services=()):
                    pass
        assert await Marks(one.connection).find("nats", "of one")


async def test_port_taken_meanwhile_is_given_up_and_said(stack_folder: Path) -> None:
    said: list[str] = []
    async with Stack(stack_folder, services=()) as stack:
        port = stack.nats.port
        for server in ("nats", "s3"):
            await Marks(stack.connection).leave(server, "kept")
        master = stack.s3.ports.master
    with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", master)):
        async with Stack(stack_folder, services=(), report=said.append) as stack:
            assert stack.nats.port != port
            assert f"port {port} of nats is taken; it listens on {stack.nats.port} now" in said
            for server in ("nats", "s3"):
                assert await Marks(stack.connection).find(server, "kept")


async def test_children_die_with_a_killed_supervisor_and_the_next_start_recovers(stack_folder: Path) -> None:
    assert dev("up", "--detach", "--only-servers", data=stack_folder).returncode == 0
    up = Up(stack_folder)
    for server in SERVERS:
        await Marks(up.connection).leave(server, "kept")
    supervisor = up.folder.owner()
    assert supervisor
    family = [psutil.Process(supervisor), *psutil.Process(supervisor).children(recursive=True)]
    assert len(family) > 4  # PostgreSQL has children of its own

    os.kill(supervisor, signal.SIGKILL)

    assert not psutil.wait_procs(family, timeout=30)[1]
    assert up.folder.owner() is None
    assert dev("status", data=stack_folder).returncode == 1
    assert dev("up", "--detach", "--only-servers", data=stack_folder).returncode == 0
    try:
        for server in SERVERS:
            assert await Marks(up.connection).find(server, "kept")
    finally:
        assert dev("down", data=stack_folder).returncode == 0
    assert dev("reset", "--yes", data=stack_folder).returncode == 0
    assert not Path.exists(stack_folder)


def test_down_and_reset_without_a_stack(stack_folder: Path) -> None:
    down = dev("down", data=stack_folder)
    assert (down.returncode, down.stderr) == (1, f"heliograph: no stack is running in {stack_folder}\n")
    stack_folder.mkdir()
    (stack_folder / "holiday.jpg").write_text("not ours")
    assert dev("reset", "--yes", data=stack_folder).returncode == 0
    assert [file.name for file in stack_folder.iterdir()] == ["holiday.jpg"]


async def test_ctrl_c_in_the_foreground_stops_in_order(stack_folder: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heliograph_local", "up", "--only-servers", "--data", str(stack_folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert child.stdout
    while (line := await child.stdout.readline()) != b"Ready.\n":
        assert line, "it ended before it was ready"
    child.send_signal(signal.SIGINT)
    rest = await child.stdout.read()

    assert await child.wait() == 0
    assert rest.decode() == "Stopping...\n"
    assert Folder.at(stack_folder).read_state()["phase"] == "stopped"
    assert {row["state"] for row in Folder.at(stack_folder).read_state()["processes"]} == {"stopped"}


async def test_ctrl_c_while_starting_leaves_nothing_behind(stack_folder: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heliograph_local", "up", "--only-servers", "--data", str(stack_folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert child.stdout
    await child.stdout.readline()  # the first server is ready, the others are not
    family = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGTERM)
    await child.communicate()

    assert family
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert Folder.at(stack_folder).owner() is None


SERVICE = """
import http.server, json, os, signal, socket, sys, threading
settings = {key: value for key, value in os.environ.items() if key.startswith("HELIOGRAPH_")}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(settings).encode())
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(settings["HELIOGRAPH_HTTP__MANAGEMENT_PORT"])), Handler)
def drain(*_):
    for name, url in (("nats", settings["HELIOGRAPH_NATS__URL"]), ("s3", settings["HELIOGRAPH_S3__ENDPOINT"]),
                      ("postgres", settings["HELIOGRAPH_DATABASE__URL"].partition("@")[2].partition("/")[0])):
        host, _, port = url.rpartition("/")[2].partition(":")
        with socket.create_connection((host, int(port)), timeout=5):
            print(f"{name} was there while draining", flush=True)
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, drain)
server.serve_forever()
print("drained", flush=True)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which this process and its children import: a service ``sleepy`` and two provisioners."""
    (tmp_path / "sleepy").mkdir()
    (tmp_path / "sleepy" / "__init__.py").touch()
    (tmp_path / "sleepy" / "__main__.py").write_text(SERVICE)
    (tmp_path / "provision_well.py").write_text("import os\nprint(os.environ['HELIOGRAPH_DATABASE__URL'])\n")
    (tmp_path / "provision_badly.py").write_text("raise SystemExit('the migration is broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


async def test_services_get_their_environment_drain_first_and_come_back(
    stack_folder: Path, modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOGRAPH_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("HELIOGRAPH_NATS__URL", "nats://elsewhere:4222")
    services = (Service("gateway", "sleepy", clients=True), Service("worker", "sleepy", replicas=2))
    async with Stack(stack_folder, services, provision="provision_well") as stack:
        names = [row.name for row in stack.supervisor.table]
        assert names == ["nats", "postgres", "s3", "gateway", "worker-1", "worker-2"]
        environment = stack.environment("gateway")
        assert environment["HELIOGRAPH_TELEMETRY__OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
        assert environment["HELIOGRAPH_NATS__URL"] == stack.nats.url
        assert stack.connection.api == f"http://127.0.0.1:{environment['HELIOGRAPH_HTTP__PORT']}"
        assert json.loads(await _get(environment)).items() <= environment.items()
        assert "HELIOGRAPH_HTTP__PORT" not in stack.environment("worker-1")

        await Faults(stack_folder).restart("worker-2", graceful=False)

        assert await _get(stack.environment("worker-2"))
        gateway_log = stack.folder.logs / "gateway.log"
    assert gateway_log.read_text().splitlines() == [
        "nats was there while draining",
        "s3 was there while draining",
        "postgres was there while draining",
        "drained",
    ]


async def test_failed_provisioning_is_told_and_stops_everything(stack_folder: Path, modules: Path) -> None:
    stack = Stack(stack_folder, (Service("gateway", "sleepy", clients=True),), provision="provision_badly")
    with pytest.raises(StartFailed, match="the migration is broken"):
        await stack.__aenter__()
    assert {row.state for row in stack.supervisor.table} == {"stopped"}
    assert stack.folder.owner() is None


async def test_service_that_cannot_start_is_told_with_its_log(stack_folder: Path, modules: Path) -> None:
    (modules / "sleepy" / "__main__.py").write_text("raise SystemExit('no such setting')\n")
    stack = Stack(stack_folder, (Service("gateway", "sleepy", clients=True),), provision="provision_well")
    with pytest.raises(StartFailed, match=r"(?s)gateway died 3 times while starting .*no such setting"):
        await stack.__aenter__()
    assert stack.folder.owner() is None


async def _fill(stack: Stack) -> None:
    for _ in range(20):
        await Marks(stack.connection).leave("nats", "x" * 100_000)


async def _get(environment: dict[str, str]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(environment["HELIOGRAPH_HTTP__MANAGEMENT_PORT"]))
    writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]
