"""The pytest plugin: worlds of tests are empty, separate, and gone afterwards."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import nats
import psutil
import psycopg
import pytest
import urllib3
from minio import Minio
from nats.aio.client import Client
from tests.polling import until_sync

from heliograph_local.testing import Bucket, Database, NatsAccount, Servers
from heliograph_local.testing.worlds import (
    copy_database,
    create_bucket,
    delete_bucket,
    delete_streams,
    drop_database,
    free_account,
)


def test_databases_are_copies_of_the_template(servers: Servers, database: Database) -> None:
    with psycopg.connect(database.libpq_url, autocommit=True) as mine:
        assert mine.execute("SELECT count(*) FROM inbox").fetchone() == (0,)
        mine.execute("INSERT INTO inbox VALUES ('someone', gen_random_uuid())")
        other = copy_database(servers, servers.database("heliograph_template"))
        with psycopg.connect(other.libpq_url) as theirs:
            assert theirs.execute("SELECT count(*) FROM inbox").fetchone() == (0,)
    drop_database(servers, other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(other.libpq_url)
    assert database.url == database.libpq_url.replace("postgresql:", "postgresql+psycopg:")


async def test_accounts_do_not_see_each_other(
    servers: Servers, session_folder: Path, nats_account: NatsAccount
) -> None:
    with free_account(servers, session_folder) as other:
        assert other.user != nats_account.user
        async with await _connect(nats_account) as mine, await _connect(other) as theirs:
            await mine.jetstream().add_stream(name="WORK", subjects=["work.>"])
            await mine.jetstream().publish("work.render", b"mine")
            assert await theirs.jetstream().streams_info() == []
            await delete_streams(nats_account)
            assert await mine.jetstream().streams_info() == []


def test_buckets_are_separate_and_deleted_with_their_content(servers: Servers, bucket: Bucket) -> None:
    other = create_bucket(servers)
    pool = urllib3.PoolManager(retries=False, timeout=10)
    client = Minio(
        bucket.endpoint.removeprefix("http://"),
        access_key=bucket.access_key,
        secret_key=bucket.secret_key,
        secure=False,
        region=bucket.region,
        http_client=pool,
    )
    client.put_object(other.bucket, "originals/one", io.BytesIO(b"1"), 1)
    assert [found.object_name for found in client.list_objects(other.bucket, recursive=True)] == ["originals/one"]
    assert list(client.list_objects(bucket.bucket, recursive=True)) == []
    delete_bucket(other)
    assert not client.bucket_exists(other.bucket)
    assert client.bucket_exists(bucket.bucket)
    pool.clear()


def test_environment_names_the_world_of_the_test(
    heliograph_environment: dict[str, str], database: Database, nats_account: NatsAccount, bucket: Bucket
) -> None:
    assert heliograph_environment["HELIOGRAPH_DATABASE__URL"] == database.url
    assert heliograph_environment["HELIOGRAPH_NATS__USER"] == nats_account.user
    assert heliograph_environment["HELIOGRAPH_S3__BUCKET"] == bucket.bucket


INNER_TEST = """
import json, pathlib, time
import pytest

@pytest.mark.parametrize("number", range(4))
def test_use(servers, number, request):
    out = pathlib.Path({out!r}) / f"{{number}}.json"
    out.write_text(json.dumps([servers.data, request.config.workerinput["workerid"]]))
    time.sleep(1)  # so that one worker cannot take them all
"""


def test_workers_share_one_set_of_servers_that_ends_with_them(tmp_path: Path) -> None:
    (tmp_path / "test_inner.py").write_text(INNER_TEST.format(out=str(tmp_path)))
    options = ["-n", "2", "-o", "asyncio_default_fixture_loop_scope=function", "-c", "/dev/null", "--rootdir", "."]
    command = [sys.executable, "-m", "pytest", "-q", *options, "test_inner.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    seen = [json.loads(file.read_text()) for file in tmp_path.glob("*.json")]
    assert len(seen) == 4
    assert {worker for _, worker in seen} == {"gw0", "gw1"}
    (data,) = {data for data, _ in seen}
    until_sync(lambda: not Path(data).parent.exists() and not _named_by(data))


def _named_by(data: str) -> list[str]:
    """Command lines that name the folder."""
    lines = (" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if data in line]


async def _connect(account: NatsAccount) -> Client:
    return await nats.connect(account.url, user=account.user, password=account.password, allow_reconnect=False)
