"""A nats-server of a test's own, to be restarted, killed or filled."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

from tests.polling import until

from heliograph_common.settings import NatsSettings


class NatsServer:
    """A nats-server with JetStream on a free port, whose data outlive a restart."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder}/data", sync_interval: always }}\n'
        )
        self._process: asyncio.subprocess.Process | None = None

    @property
    def settings(self) -> NatsSettings:
        return NatsSettings(url=f"nats://127.0.0.1:{self.port}")

    async def start(self) -> None:
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            ".venv/bin/nats-server", "-c", str(self._config), stdout=quiet, stderr=quiet
        )
        await until(self._listening, every=0.005)  # a client that comes too early tries again only after 0.2 s

    async def _listening(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def send(self, what: signal.Signals) -> None:
        """Sends it a signal, such as SIGSTOP, after which it is there and says nothing."""
        assert self._process is not None
        self._process.send_signal(what)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()
