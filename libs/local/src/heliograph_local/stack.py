"""The embedded stack as one object: servers, provisioning, services, in that order; down in the reverse order.

An asynchronous context manager. The only place where
concrete servers and services are put together.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
from pydantic import SecretStr

from heliograph_common.auth.tokens import issue_token
from heliograph_common.settings import AuthSettings
from heliograph_local.connection import Connection, S3Connection
from heliograph_local.credentials import (
    AUDIENCE,
    BUCKET,
    DATABASE,
    DATABASE_USER,
    ISSUER,
    NATS_USER,
    REGION,
    Credentials,
)
from heliograph_local.doubles import addresses
from heliograph_local.doubles.addresses import Doubles
from heliograph_local.errors import NotRunning, StartFailed
from heliograph_local.folder import Folder
from heliograph_local.ports import HOST, PortBook
from heliograph_local.process import Process
from heliograph_local.servers.nats import Account, Nats
from heliograph_local.servers.postgres import Postgres
from heliograph_local.servers.s3 import S3, S3Ports
from heliograph_local.services import GATEWAY, NOTIFIER, PROVISION, SERVICES, Service, check_installed
from heliograph_local.supervisor import Report, Supervisor
from heliograph_local.unprivileged import binaries, data_folder, server_account

_DRAIN_SECONDS = 30.0  # a service ends its work within 25 s (drain_seconds)
_PROVISION_SECONDS = 60.0
_TOKEN_LIFETIME = timedelta(days=30)
_USER_SCOPES = ("images:read", "images:write")
_ADMIN_SCOPES = (*_USER_SCOPES, "admin")


class Stack:
    """One stack on one data folder.

    ``accounts`` are NATS accounts beside the stack's own; ``nats_max_file_store`` is JetStream's disk in bytes;
    ``provision`` is the module that is run between servers and services; ``overrides`` are variables of the services that
    win over the stack's own, such as the address of a proxy before a server; ``doubles``: the test doubles of the
    providers run too, and services ask them; ``report`` gets one line for everything worth telling. Entering raises
    AlreadyRunning, StartFailed or LocalError.
    """

    def __init__(
        self,
        data: Path,
        services: Sequence[Service] = SERVICES,
        *,
        accounts: Sequence[Account] = (),
        nats_max_file_store: int | None = None,
        provision: str = PROVISION,
        overrides: Mapping[str, str] | None = None,
        doubles: Doubles | None = None,
        report: Report = lambda _line: None,
    ) -> None:
        self.folder = Folder.at(data)
        self.services = tuple(services)
        self._accounts = tuple(accounts)
        self._nats_max_file_store = nats_max_file_store
        self._provisioner = provision
        self._overrides = dict(overrides or {})
        self._doubles = doubles
        self._report = report
        self.supervisor = Supervisor(self.folder, report)
        self._held = ExitStack()
        self._credentials: Credentials | None = None
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        check_installed(self.services, self._provisioner)
        if self._doubles:
            addresses.check_installed()
        self.folder.create()
        self._held.enter_context(self.folder.locked())
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._stop()

    @property
    def connection(self) -> Connection:
        """
        Raises:
            NotRunning: outside of ``async with``.
        """
        if self._connection is None:
            raise NotRunning(f"the stack in {self.folder.path} is not running; start it with: heliograph dev up")
        return self._connection

    @property
    def doubles_url(self) -> str | None:
        """Where the doubles of the providers answer; ``None`` without them."""
        return f"http://{HOST}:{self._ports.take('doubles')}" if self._doubles else None

    def environment(self, replica: str) -> dict[str, str]:
        """The environment of a service's process, by the name of the replica; ``provision`` is one too.

        Variables that the user has set reach the services, except those that say where the stack is; ``overrides`` do.
        """
        credentials = self._load_credentials()
        ours = {
            "HELIOGRAPH_ENVIRONMENT": "development",
            "HELIOGRAPH_NATS__URL": self.nats.url,
            "HELIOGRAPH_NATS__USER": NATS_USER,
            "HELIOGRAPH_NATS__PASSWORD": credentials.nats_password,
            "HELIOGRAPH_DATABASE__URL": self.postgres.url("postgresql+psycopg"),
            "HELIOGRAPH_S3__ENDPOINT": self.s3.endpoint,
            "HELIOGRAPH_S3__ACCESS_KEY": credentials.s3_access_key,
            "HELIOGRAPH_S3__SECRET_KEY": credentials.s3_secret_key,
            "HELIOGRAPH_S3__BUCKET": BUCKET,
            "HELIOGRAPH_S3__REGION": REGION,
            "HELIOGRAPH_AUTH__SECRET": credentials.token_secret,
            "HELIOGRAPH_AUTH__ISSUER": ISSUER,
            "HELIOGRAPH_AUTH__AUDIENCE": AUDIENCE,
            "HELIOGRAPH_IMPORTS__TOKEN_KEYS": credentials.token_key,
            "HELIOGRAPH_HTTP__HOST": HOST,
            "PYTHONUNBUFFERED": "1",
        }
        for service in self.services:
            if replica in service.replica_names():
                ours["HELIOGRAPH_HTTP__MANAGEMENT_PORT"] = str(self._ports.take(f"{replica}-management"))
                if service.clients:
                    ours["HELIOGRAPH_HTTP__PORT"] = str(self._ports.take(replica))
                if service.name == NOTIFIER.name:  # the page that connects to it is the gateway's
                    ours["HELIOGRAPH_SOCKETS__ORIGINS"] = json.dumps([self._address("http", GATEWAY)])
                if self.doubles_url is not None:
                    ours |= addresses.environment(service.name, self.doubles_url)
        return {"HELIOGRAPH_LOG__FORMAT": "console", **os.environ, **ours, **self._overrides}

    async def _start(self) -> None:
        self._ports = PortBook(self.folder.path / "ports.json")
        self._held.callback(self._ports.close)
        self.supervisor.set_phase("starting")
        self._make_servers()
        for line in self._ports.moved:
            self._report(line)
        await self.supervisor.start([self.nats.process(), self.postgres.process(), self.s3.process()])
        if self.doubles_url is not None:
            await self.supervisor.start([self._doubles_process(self.doubles_url)])
        if self.services:
            await self._provision()
            await self.supervisor.start(self._service_processes())
        self._connection = self._make_connection()
        self._connection.write(self.folder)
        self.supervisor.set_phase("ready")

    async def _stop(self) -> None:
        try:
            self.supervisor.set_phase("stopping")
            await self.supervisor.stop([name for service in self.services for name in service.replica_names()])
            for server in ("doubles", "s3", "nats", "postgres") if self._doubles else ("s3", "nats", "postgres"):
                await self.supervisor.stop([server])
            self.supervisor.set_phase("stopped")
        finally:
            self._connection = None
            self.folder.connection.unlink(missing_ok=True)
            self._held.close()

    def _load_credentials(self) -> Credentials:
        if self._credentials is None:
            self._credentials = Credentials.load(self.folder)
        return self._credentials

    def _make_servers(self) -> None:
        credentials, take, path = self._load_credentials(), self._ports.take, self.folder.path
        self.nats = Nats(
            folder=path / "nats",
            port=take("nats"),
            monitor_port=take("nats-monitor"),
            accounts=(Account(NATS_USER, credentials.nats_password), *self._accounts),
            **({} if self._nats_max_file_store is None else {"max_file_store": self._nats_max_file_store}),
        )
        account = server_account()
        postgres = data_folder(path / "postgres", account)
        if postgres != path / "postgres":
            self._report(f"PostgreSQL runs as user nobody, which cannot enter {path}; its data is in {postgres}")
        self.postgres = Postgres(
            folder=postgres,
            binaries=binaries(account),
            port=take("postgres"),
            user=DATABASE_USER,
            password=credentials.database_password,
            database=DATABASE,
            account=account,
        )
        self.s3 = S3(
            folder=path / "s3",
            ports=S3Ports(
                **{
                    part: take(part if part == "s3" else f"s3-{part}")
                    for part in ("master", "volume", "filer", "s3", "admin")
                }
            ),
            access_key=credentials.s3_access_key,
            secret_key=credentials.s3_secret_key,
            bucket=BUCKET,
            region=REGION,
        )

    async def _provision(self) -> None:
        """Migrations, streams and bucket: one run, which changes nothing where all is as it should be."""
        log = self.folder.logs / "provision.log"
        with log.open("wb") as output:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._provisioner, env=self.environment("provision"), stdout=output, stderr=output
            )
        try:
            async with asyncio.timeout(_PROVISION_SECONDS):
                code = await child.wait()
        except BaseException:
            child.kill()
            await child.wait()
            raise
        if code:
            raise StartFailed(
                f"provisioning failed (exit code {code}):\n{log.read_text(encoding='utf-8', errors='replace')}"
            )
        self._report("provisioned database, streams and bucket")

    def _service_processes(self) -> list[Process]:
        return [self._service_process(service, name) for service in self.services for name in service.replica_names()]

    def _service_process(self, service: Service, name: str) -> Process:
        environment = self.environment(name)
        ready_url = f"http://{HOST}:{environment['HELIOGRAPH_HTTP__MANAGEMENT_PORT']}/readyz"

        async def ready() -> None:
            async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
                (await client.get(ready_url)).raise_for_status()

        return Process(
            name=name,
            port=int(environment["HELIOGRAPH_HTTP__PORT" if service.clients else "HELIOGRAPH_HTTP__MANAGEMENT_PORT"]),
            command=[sys.executable, "-m", service.module],
            environment=environment,
            folder=self.folder.path,
            ready=ready,
            stop_seconds=_DRAIN_SECONDS,
        )

    def _doubles_process(self, url: str) -> Process:
        async def ready() -> None:
            async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
                (await client.get(url)).raise_for_status()

        port, doubles = self._ports.take("doubles"), self._doubles or Doubles()
        return Process(
            name="doubles",
            port=port,
            command=[
                *(sys.executable, "-m", "heliograph_local.doubles", "--host", HOST, "--port", str(port)),
                *(["--pictures", str(doubles.pictures)] if doubles.pictures else []),
                *(["--calls", str(doubles.calls)] if doubles.calls else []),
                *(["--photo-calls", str(doubles.photo_calls)] if doubles.photo_calls else []),
            ],
            environment={**os.environ, "PYTHONUNBUFFERED": "1"},
            folder=self.folder.path,
            ready=ready,
        )

    def _make_connection(self) -> Connection:
        credentials = self._load_credentials()
        auth = AuthSettings(secret=SecretStr(credentials.token_secret), issuer=ISSUER, audience=AUDIENCE)
        host_and_port = self.nats.url.removeprefix("nats://")
        return Connection(
            api=self._address("http", GATEWAY),
            events=self._address("ws", NOTIFIER, "/v1/events"),
            token=issue_token(auth, subject="local", scopes=_USER_SCOPES, lifetime=_TOKEN_LIFETIME),
            admin_token=issue_token(auth, subject="local-admin", scopes=_ADMIN_SCOPES, lifetime=_TOKEN_LIFETIME),
            nats=f"nats://{NATS_USER}:{credentials.nats_password}@{host_and_port}",
            postgres=self.postgres.url(),
            s3=S3Connection(
                endpoint=self.s3.endpoint,
                access_key=credentials.s3_access_key,
                secret_key=credentials.s3_secret_key,
                bucket=BUCKET,
                region=REGION,
            ),
            pids={"supervisor": os.getpid(), **{row.name: row.pid for row in self.supervisor.table if row.pid}},
        )

    def _address(self, scheme: str, service: Service, path: str = "") -> str | None:
        if service.name not in {running.name for running in self.services}:
            return None
        return f"{scheme}://{HOST}:{self._ports.take(service.name)}{path}"
