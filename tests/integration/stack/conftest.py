"""The whole product as a user starts it, one for the session, with a receiver of traces beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.integration.stack.support import Receiver, Running
from tests.memory_folder import memory_folder

from heliograph_local.faults import Faults
from heliograph_local.testing import new_stack_folder


@pytest.fixture(scope="session")
def traces() -> Iterator[Receiver]:
    """The receiver, listening."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def stack(traces: Receiver) -> Iterator[Running]:
    """Everything, started by `heliograph dev up --detach --with-doubles`."""
    with new_stack_folder(memory_folder()) as data:
        command = [sys.executable, "-m", "heliograph_client", "dev"]
        environment = os.environ | {"HELIOGRAPH_TELEMETRY__OTLP_ENDPOINT": f"http://127.0.0.1:{traces.port}"}
        environment["HELIOGRAPH_NATS__ACK_WAIT"] = "6"
        environment["HELIOGRAPH_RENDER__PATIENCE"] = "1"
        up = subprocess.run(
            [*command, "up", "--detach", "--with-doubles", "--data", str(data)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert up.returncode == 0, up.stdout + up.stderr
        try:
            connection = json.loads((data / "connection.json").read_text(encoding="utf-8"))
            yield Running(data, connection, Faults(data), traces, up.stdout)
        finally:
            subprocess.run([*command, "down", "--data", str(data)], capture_output=True, timeout=60, check=True)
