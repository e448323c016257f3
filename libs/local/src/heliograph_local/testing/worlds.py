"""What one test gets inside the session's servers: a database, a NATS account, a bucket; made quickly, gone afterwards.

Each is a small dataclass with exactly what the settings of a service need.
"""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nats
import psycopg
import urllib3
from minio import Minio
from psycopg import sql

from heliograph_local.credentials import AUDIENCE, ISSUER
from heliograph_local.errors import LocalError
from heliograph_local.ports import HOST

ACCOUNTS = 64
TOKEN_SECRET = "the secret of the tests, which is long enough"  # noqa: S105


def account_name(number: int) -> str:
    """Name of a NATS account and of its user."""
    return f"acct{number}"


@dataclass(frozen=True)
class Database:
    """``url`` is for SQLAlchemy, ``libpq_url`` for psycopg."""

    name: str
    url: str = field(repr=False)
    libpq_url: str = field(repr=False)


@dataclass(frozen=True)
class NatsAccount:
    """An account with JetStream and nothing in it."""

    url: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Bucket:
    """An empty bucket and keys that may do anything with it."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str
    region: str


@dataclass(frozen=True)
class Servers:
    """The session's servers with the keys to everything in them. ``data`` is a folder that goes with them; ``s3`` has the
    fields of ``Bucket`` (its ``bucket`` is the servers' own)."""

    data: str
    nats_url: str
    nats_passwords: list[str] = field(repr=False)
    postgres_url: str = field(repr=False)
    s3: dict[str, str] = field(repr=False)

    def database(self, name: str) -> Database:
        """Names a database, which need not exist."""
        address = self.postgres_url.partition("://")[2].rpartition("/")[0]
        return Database(name, f"postgresql+psycopg://{address}/{name}", f"postgresql://{address}/{name}")


def environment_of(database: Database, account: NatsAccount, bucket: Bucket) -> dict[str, str]:
    """The environment variables of a service that lives in this world."""
    return {
        "HELIOGRAPH_ENVIRONMENT": "development",
        "HELIOGRAPH_NATS__URL": account.url,
        "HELIOGRAPH_NATS__USER": account.user,
        "HELIOGRAPH_NATS__PASSWORD": account.password,
        # JetStream reserves them in one server for all accounts.
        "HELIOGRAPH_NATS__WORK_BYTES": str(32 * 1024**2),
        "HELIOGRAPH_NATS__EVENTS_BYTES": str(64 * 1024**2),
        "HELIOGRAPH_NATS__DEAD_BYTES": str(8 * 1024**2),
        "HELIOGRAPH_DATABASE__URL": database.url,
        "HELIOGRAPH_S3__ENDPOINT": bucket.endpoint,
        "HELIOGRAPH_S3__ACCESS_KEY": bucket.access_key,
        "HELIOGRAPH_S3__SECRET_KEY": bucket.secret_key,
        "HELIOGRAPH_S3__BUCKET": bucket.bucket,
        "HELIOGRAPH_S3__REGION": bucket.region,
        "HELIOGRAPH_AUTH__SECRET": TOKEN_SECRET,
        "HELIOGRAPH_AUTH__ISSUER": ISSUER,
        "HELIOGRAPH_AUTH__AUDIENCE": AUDIENCE,
        "HELIOGRAPH_HTTP__HOST": HOST,
        "HELIOGRAPH_LOG__FORMAT": "console",
    }


def create_database(servers: Servers, database: Database) -> None:
    """An empty one."""
    _administer(servers, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database.name)))


def copy_database(servers: Servers, template: Database) -> Database:
    """A copy of ``template`` under a new name; of its files, which is quicker than page by page through the log."""
    copy = servers.database(f"test_{uuid.uuid4().hex[:12]}")
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    _administer(servers, create.format(sql.Identifier(copy.name), sql.Identifier(template.name)))
    return copy


def drop_database(servers: Servers, database: Database) -> None:
    """Whoever is still connected is thrown out."""
    _administer(servers, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name)))


def template_account(servers: Servers) -> NatsAccount:
    """The account in which the template was provisioned; tests never get it."""
    return NatsAccount(servers.nats_url, account_name(0), servers.nats_passwords[0])


@contextmanager
def free_account(servers: Servers, folder: Path) -> Iterator[NatsAccount]:
    """One that no other test uses at the moment, in any worker.

    Raises:
        LocalError: all are in use.
    """
    for number in range(1, ACCOUNTS):
        with (folder / f"{account_name(number)}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield NatsAccount(servers.nats_url, account_name(number), servers.nats_passwords[number])
            return
    raise LocalError(f"all {ACCOUNTS - 1} NATS accounts are in use; run fewer tests at a time")


async def delete_streams(account: NatsAccount) -> None:
    """Empties an account: its streams, and with them their consumers and messages."""
    client = await nats.connect(account.url, user=account.user, password=account.password, allow_reconnect=False)
    try:
        jetstream = client.jetstream()
        for stream in await jetstream.streams_info():
            await jetstream.delete_stream(str(stream.config.name))
    finally:
        await client.close()


def create_bucket(servers: Servers) -> Bucket:
    """A new one with a name of its own."""
    made = Bucket(**{**servers.s3, "bucket": f"test-{uuid.uuid4().hex[:12]}"})
    with _s3(made) as client:
        client.make_bucket(made.bucket)
    return made


def delete_bucket(bucket: Bucket) -> None:
    """With all that is in it, which this S3 server allows in one request."""
    with _s3(bucket) as client:
        client.remove_bucket(bucket.bucket)


def _administer(servers: Servers, statement: sql.Composed) -> None:
    with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def _s3(bucket: Bucket) -> Iterator[Minio]:
    pool = urllib3.PoolManager(retries=False, timeout=10)
    try:
        yield Minio(
            bucket.endpoint.removeprefix("http://"),
            access_key=bucket.access_key,
            secret_key=bucket.secret_key,
            secure=False,
            region=bucket.region,
            http_client=pool,
        )
    finally:
        pool.clear()
