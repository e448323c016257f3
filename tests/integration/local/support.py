"""A stack seen from outside: the command that starts it, its processes, and marks left in its servers."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import psycopg
import urllib3
from minio import Minio
from nats.js import JetStreamContext

from heliograph_local.connection import Connection
from heliograph_local.folder import Folder


def dev(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Runs ``heliograph dev``."""
    return subprocess.run(
        [sys.executable, "-m", "heliograph_local", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


class Up:
    """A running stack seen from outside, by what its connection file says."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = Folder.at(data)

    @property
    def connection(self) -> Connection:
        return Connection.read(self.folder)

    def row(self, name: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self.folder.read_state()["processes"]
        return next(row for row in rows if row["name"] == name)


@asynccontextmanager
async def jetstream(connection: Connection) -> Any:
    client = await nats.connect(connection.nats, allow_reconnect=False, connect_timeout=2)
    try:
        yield client.jetstream()
    finally:
        await client.close()


class Marks:
    """Leaves a mark in a server and finds it again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def leave(self, server: str, text: str) -> None:
        await getattr(self, f"_leave_{server}")(text)

    async def find(self, server: str, text: str) -> bool:
        found: bool = await getattr(self, f"_find_{server}")(text)
        return found

    async def _leave_nats(self, text: str) -> None:
        async with jetstream(self._connection) as context:
            stream: JetStreamContext = context
            await stream.add_stream(name="MARKS", subjects=["marks.>"])
            await stream.publish("marks.one", text.encode())

    async def _find_nats(self, text: str) -> bool:
        async with jetstream(self._connection) as context:
            message = await context.get_last_msg("MARKS", "marks.one")
            return bool(message.data == text.encode())

    async def _leave_postgres(self, text: str) -> None:
        async with await psycopg.AsyncConnection.connect(self._connection.postgres) as database:
            await database.execute("CREATE TABLE IF NOT EXISTS marks (mark text)")
            await database.execute("INSERT INTO marks VALUES (%s)", (text,))

    async def _find_postgres(self, text: str) -> bool:
        async with await psycopg.AsyncConnection.connect(self._connection.postgres) as database:
            cursor = await database.execute("SELECT 1 FROM marks WHERE mark = %s", (text,))
            return await cursor.fetchone() is not None

    async def _leave_s3(self, text: str) -> None:
        client, pool = self._s3()
        client.put_object(self._connection.s3.bucket, f"marks/{text}", io.BytesIO(text.encode()), len(text))
        pool.clear()

    async def _find_s3(self, text: str) -> bool:
        client, pool = self._s3()
        with client.get_object(self._connection.s3.bucket, f"marks/{text}") as answer:
            found = answer.read() == text.encode()
        pool.clear()
        return found

    def _s3(self) -> tuple[Minio, urllib3.PoolManager]:
        pool, s3 = urllib3.PoolManager(retries=False, timeout=5), self._connection.s3
        host = s3.endpoint.removeprefix("http://")
        client = Minio(
            host, access_key=s3.access_key, secret_key=s3.secret_key, secure=False, region=s3.region, http_client=pool
        )
        return client, pool
