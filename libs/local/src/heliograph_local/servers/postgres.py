"""PostgreSQL 18 from its wheel's binaries, called directly.

Passwords only (SCRAM) over TCP, on loopback; over the socket in its folder the user who runs the stack
needs none. Its configuration is written again at each start and lies outside the data folder, so a start always means
what this module says. PostgreSQL refuses to run as root: see ``unprivileged.py``.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from heliograph_local.errors import StartFailed
from heliograph_local.ports import HOST
from heliograph_local.process import Process
from heliograph_local.servers import clean_environment
from heliograph_local.unprivileged import Account

_SETTINGS = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
hba_file = '{folder}/pg_hba.conf'
ident_file = '{folder}/pg_ident.conf'
max_connections = 200
shared_buffers = 64MB
max_wal_size = 512MB
fsync = on
synchronous_commit = on
full_page_writes = on
io_method = sync
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
password_encryption = scram-sha-256
"""


@dataclass(frozen=True)
class Postgres:
    """One cluster. ``folder`` must be reachable for ``account``, as must ``binaries``."""

    folder: Path
    binaries: Path
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    account: Account | None

    def url(self, scheme: str = "postgresql", database: str | None = None) -> str:
        """Where it is, with user and password."""
        return f"{scheme}://{self.user}:{self.password}@{HOST}:{self.port}/{database or self.database}"

    def process(self) -> Process:
        return Process(
            name="postgres",
            port=self.port,
            command=[
                str(self.binaries / "postgres"),
                "-D",
                str(self._data),
                "-c",
                f"config_file={self.folder / 'postgresql.conf'}",
            ],
            environment=clean_environment(self.folder),
            folder=self.folder,
            prepare=self.prepare,
            ready=self.ready,
            stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients to leave
            orphan_signal=signal.SIGQUIT,  # immediate shutdown: takes the backends along, recovery at the next start
            stop_seconds=30,
            owner=(self.account.uid, self.account.gid) if self.account else None,
        )

    async def prepare(self) -> None:
        """Makes the cluster where there is none, and writes its configuration.

        Raises:
            StartFailed: ``initdb`` failed, or the data belong to another major version.
        """
        self._own(self.folder)
        version = self._data / "PG_VERSION"
        if not version.exists():
            await self._initdb()
        elif (found := version.read_text(encoding="ascii").strip()) != "18":
            raise StartFailed(
                f"{self._data} was created by PostgreSQL {found}, not 18; delete it with: heliograph dev reset"
            )
        self._own(self.folder / "socket")
        self._forget_dead_postmaster()
        # The socket's path is relative to the data folder: at most 107 bytes are allowed.
        settings = _SETTINGS.format(host=HOST, port=self.port, folder=self.folder, socket="../socket")
        self._write("postgresql.conf", settings)
        self._write("pg_hba.conf", f"local all all peer map=owner\nhost all all {HOST}/32 scram-sha-256\n")
        names = {getpass.getuser(), self.account.name if self.account else getpass.getuser()}
        self._write("pg_ident.conf", "".join(f"owner {name} {self.user}\n" for name in sorted(names)))

    async def ready(self) -> None:
        """Raises until a login over TCP can query; makes the database where there is none."""
        try:
            await self._query(self.database)
        except psycopg.OperationalError as error:
            if f'database "{self.database}" does not exist' not in str(error):
                raise
            create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database))
            await self._query("postgres", create)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    async def _query(self, database: str, statement: sql.Composed | None = None) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self.url(database=database), autocommit=True, connect_timeout=2
        )
        async with connection:
            await connection.execute(statement or sql.SQL("SELECT 1"))

    async def _initdb(self) -> None:
        """Into a folder beside, renamed when done: an interrupted one leaves nothing that looks finished."""
        making, password = self.folder / "data.new", self.folder / "password"
        shutil.rmtree(making, ignore_errors=True)
        self._write(password.name, self.password)
        child = await asyncio.create_subprocess_exec(
            str(self.binaries / "initdb"),
            f"--pgdata={making}",
            f"--username={self.user}",
            f"--pwfile={password}",
            "--auth-local=peer",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C.UTF-8",
            cwd=self.folder,
            env=clean_environment(self.folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        try:
            output, _ = await child.communicate()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise
        finally:
            password.unlink(missing_ok=True)
        if child.returncode:
            raise StartFailed(f"initdb failed:\n{output.decode('utf-8', 'replace')}")
        making.rename(self._data)

    def _forget_dead_postmaster(self) -> None:
        """A pid file whose pid belongs to something else by now would keep PostgreSQL from starting."""
        file = self._data / "postmaster.pid"
        if not file.exists():
            return
        pid = file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
        comm = Path(f"/proc/{pid}/comm")
        if comm.exists() and comm.read_text(encoding="utf-8").strip() != "postgres":
            file.unlink()

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)

    def _write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        path.write_text(content, encoding="utf-8")
