"""The servers of a running stack: what they keep through a kill, what they listen on, who may read what."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import uuid

import psutil
import psycopg
import pytest
from tests.integration.local.support import Marks, Up, dev
from tests.polling import until_sync

from heliograph_local.faults import Faults

SERVERS = ("nats", "postgres", "s3")


@pytest.mark.parametrize("server", SERVERS)
async def test_killed_server_comes_back_on_its_port_with_its_data(up: Up, server: str) -> None:
    before, mark = up.row(server), uuid.uuid4().hex
    await Marks(up.connection).leave(server, mark)

    await Faults(up.data).restart(server, graceful=False)

    after = up.row(server)
    assert after["pid"] != before["pid"]
    assert (after["port"], after["restarts"]) == (before["port"], before["restarts"] + 1)
    assert await Marks(up.connection).find(server, mark)
    assert f"{server} died (killed by SIGKILL); restarting in" in (up.folder.logs / "up.log").read_text()


async def test_server_that_is_taken_down_stays_down_until_it_is_brought_up(up: Up) -> None:
    faults, port = Faults(up.data), up.row("nats")["port"]

    await faults.take_down("nats")
    await asyncio.sleep(0.5)  # the client notices that it is cut off

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await faults.bring_up("nats")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


async def test_frozen_server_answers_again_when_thawed(up: Up) -> None:
    faults = Faults(up.data)

    pid = faults.freeze("nats")
    until_sync(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    faults.thaw("nats")

    await Marks(up.connection).leave("nats", "thawed")
    assert faults.pid("nats") == pid


def test_nothing_listens_beyond_loopback(up: Up) -> None:
    listening = [
        connection.laddr.ip
        for server in SERVERS
        for connection in psutil.Process(up.row(server)["pid"]).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5  # clients of three servers, NATS's monitor, SeaweedFS's parts
    assert set(listening) == {"127.0.0.1"}


def test_postgres_is_not_root_and_wants_a_password(up: Up) -> None:
    assert psutil.Process(up.row("postgres")["pid"]).uids().effective != 0
    without_password = up.connection.postgres.partition("@")[2]
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(f"postgresql://heliograph@{without_password}")


def test_postgres_lets_the_owner_of_the_stack_in_through_its_socket(up: Up) -> None:
    socket, port = up.data / "postgres" / "socket", up.row("postgres")["port"]
    with psycopg.connect(host=str(socket), port=port, user="heliograph", dbname="heliograph") as database:
        assert database.execute("SELECT current_user").fetchone() == ("heliograph",)


def test_postgres_keeps_its_promises(up: Up) -> None:
    with psycopg.connect(up.connection.postgres) as database:
        row = database.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),"
            " datlocprovider, datcollate FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row == ("on", "on", "on", "b", "C.UTF-8")


def test_only_the_owner_reads_credentials(up: Up) -> None:
    private = [up.folder.connection, *up.folder.secrets.iterdir(), up.data / "nats" / "nats.conf"]
    assert len(private) >= 7
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    assert stat.S_IMODE(up.folder.secrets.stat().st_mode) == 0o700


def test_no_secret_is_on_a_command_line_or_in_the_output(up: Up) -> None:
    secrets = [file.read_text() for file in up.folder.secrets.iterdir()]
    seen = (up.folder.logs / "up.log").read_text()
    for server in SERVERS:
        seen += " ".join(psutil.Process(up.row(server)["pid"]).cmdline())
    assert not [secret for secret in secrets if secret in seen]


def test_second_up_says_that_it_is_already_running(up: Up) -> None:
    pid = up.folder.owner()
    for arguments in (["up", "--only-servers"], ["up", "--only-servers", "--detach"], ["reset", "--yes"]):
        again = dev(*arguments, data=up.data)
        assert again.returncode == 1
        assert again.stderr.startswith(f"heliograph: already running in {up.data} (pid {pid})")
    assert up.folder.owner() == pid


def test_status_tells_addresses_and_processes(up: Up) -> None:
    answer = dev("status", "--json", data=up.data)

    assert answer.returncode == 0
    status = json.loads(answer.stdout)
    assert status["pid"] == up.folder.owner()
    assert (status["phase"], status["api"], status["events"]) == ("ready", None, None)
    assert status["nats"].endswith(f"@127.0.0.1:{up.row('nats')['port']}")
    assert status["s3"]["bucket"] == "heliograph"
    assert {(row["name"], row["state"]) for row in status["processes"]} == {(server, "ready") for server in SERVERS}
    for row in status["processes"]:
        os.kill(row["pid"], 0)


def test_logs_name_their_process(up: Up) -> None:
    assert "Server is ready" in dev("logs", "nats", data=up.data).stdout
    everything = dev("logs", data=up.data).stdout
    assert "nats     | " in everything
    assert "postgres | " in everything
    unknown = dev("logs", "nonsense", data=up.data)
    assert unknown.returncode == 1
    assert "available: nats, postgres, s3, up" in unknown.stderr
