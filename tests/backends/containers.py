"""PostgreSQL, NATS and S3 in containers, with the settings of the trial chart, published on loopback only.

They are removed when the block ends; what a killed run left is removed by the next one (``engine.remove_abandoned``).
testcontainers' own reaper does not run: it is one more image, and may use the engine as root.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import urllib3
from docker.errors import DockerException
from minio.error import MinioException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy
from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget
from tests.backends import engine

from heliograph_local.errors import LocalError, StartFailed
from heliograph_local.ports import HOST
from heliograph_local.servers.s3 import S3, S3Ports
from heliograph_local.testing.worlds import ACCOUNTS, Servers, account_name

START_SECONDS = 60
_POLL = 0.1
_USER = "heliograph"
_BUCKET = "heliograph"
_REGION = "us-east-1"
_POSTGRES, _NATS, _S3 = 5432, 4222, 8333  # ports inside
_LOG_LINES = 40


@contextmanager
def running(data: Path) -> Iterator[Servers]:
    """One container of each server; ``data`` is a folder for what the tests keep beside them.

    Raises:
        Unavailable: this machine has no engine or no image.
        StartFailed: a container did not start within ``START_SECONDS``; with the end of its log.
    """
    testcontainers_config.ryuk_disabled = True
    with engine.connected() as client:
        images = {name: engine.image(client, name) for name in engine.SERVERS}
        engine.remove_abandoned(client)
    password, access_key, secret_key = (secrets.token_hex(12) for _ in range(3))
    nats_passwords = [secrets.token_hex(12) for _ in range(ACCOUNTS)]
    postgres = _postgres(images["postgres"], password)
    nats = _nats(images["nats"], nats_passwords)
    s3 = _s3(images["s3"], access_key, secret_key)
    with ExitStack() as stack:
        for container in (postgres, nats, s3):
            stack.push(container)  # so that it is removed where another one does not start
        with ThreadPoolExecutor() as pool:
            list(pool.map(start, (postgres, nats, s3)))
        yield Servers(
            data=str(data),
            nats_url=f"nats://{HOST}:{port_of(nats, _NATS)}",
            nats_passwords=nats_passwords,
            postgres_url=f"postgresql://{_USER}:{password}@{HOST}:{port_of(postgres, _POSTGRES)}/postgres",
            s3={
                "endpoint": f"http://{HOST}:{port_of(s3, _S3)}",
                "access_key": access_key,
                "secret_key": secret_key,
                "bucket": _BUCKET,
                "region": _REGION,
            },
        )


def container(image: str, port: int, ready: WaitStrategy) -> DockerContainer:
    """One that belongs to this process, whose ``port`` will be a free one of the loopback address."""
    made = DockerContainer(image).with_kwargs(labels=engine.label(), network="bridge")
    published: dict[str, Any] = made.ports
    published[f"{port}/tcp"] = (HOST, None)  # with_exposed_ports would publish it to the network
    return made.waiting_for(ready.with_startup_timeout(START_SECONDS).with_poll_interval(_POLL))


def start(container: DockerContainer) -> None:
    """Returns when it is ready.

    Raises:
        StartFailed: it ended, or was not ready in time.
    """
    try:
        container.start()
    except (DockerException, RuntimeError, TimeoutError) as error:
        told = f"{container.image} did not start in a container: {error}"
        if container._container is not None:
            log = b"".join(container.get_logs()).decode("utf-8", "replace").splitlines()
            told += "\n" + "\n".join(log[-_LOG_LINES:])
        raise StartFailed(told) from error


def port_of(container: DockerContainer, port: int) -> int:
    """Where ``port`` of the container is on the loopback address."""
    return int(container.get_docker_client().port(container.get_container_id(), port))


def _postgres(image: str, password: str) -> DockerContainer:
    # While initdb's scripts run, a server listens on a socket only and says that it is ready too.
    ready = LogMessageWaitStrategy(re.compile("listening on IPv4.*ready to accept connections", re.DOTALL))
    return (
        container(image, _POSTGRES, ready)
        .with_command(["-c", "max_connections=200"])
        .with_envs(
            POSTGRES_USER=_USER,
            POSTGRES_PASSWORD=password,
            POSTGRES_INITDB_ARGS="--locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8",
        )
    )


def _nats(image: str, passwords: list[str]) -> DockerContainer:
    accounts = {
        account_name(number): {
            "jetstream": "enabled",
            "users": [{"user": account_name(number), "password": password}],
        }
        for number, password in enumerate(passwords)
    }
    configuration = {  # NATS reads JSON as well
        "server_name": "heliograph",
        "listen": f"0.0.0.0:{_NATS}",
        "jetstream": {"store_dir": "/data", "sync_interval": "always", "max_file_store": 16 * 1024**3},
        "accounts": accounts,
    }
    return (
        container(image, _NATS, LogMessageWaitStrategy("Server is ready"))
        .with_command(["--config", "/etc/nats/nats.conf"])
        .with_copy_into_container(json.dumps(configuration).encode(), "/etc/nats/nats.conf")
    )


def _s3(image: str, access_key: str, secret_key: str) -> DockerContainer:
    identity = {
        "name": "heliograph",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    command = (
        f"mini -dir=/data -ip={HOST} -ip.bind=0.0.0.0 -s3.port={_S3} -s3.config=/etc/seaweedfs/identities.json "
        f"-bucket={_BUCKET} -s3.port.iceberg=0 -s3.port.lance=0 -webdav=false -admin.ui=false -master.telemetry=false "
        "-master.resumeState=false -filer.localSocket=/tmp/filer.sock -s3.localSocket=/tmp/s3.sock"
    )
    return (
        container(image, _S3, _TakesObjects(access_key, secret_key))
        .with_command(command.split())
        .with_copy_into_container(json.dumps({"identities": [identity]}).encode(), "/etc/seaweedfs/identities.json")
    )


class _TakesObjects(WaitStrategy):
    """Ready when an object can be written and read back: SeaweedFS answers health checks long before."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        super().__init__()
        self._keys = access_key, secret_key
        self.with_transient_exceptions(urllib3.exceptions.HTTPError, MinioException, LocalError)

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:
        assert isinstance(container, DockerContainer)
        if not self._poll(lambda: self._ready(container)):
            raise TimeoutError(f"it takes no objects after {START_SECONDS} s")

    def _ready(self, container: DockerContainer) -> bool:
        container.reload()
        if container.status == "exited":
            raise RuntimeError("it ended")  # not transient, so that nobody waits for it any longer
        ports = S3Ports(master=0, volume=0, filer=0, s3=port_of(container, _S3), admin=0)
        asyncio.run(S3(Path(), ports, *self._keys, bucket=_BUCKET, region=_REGION).ready())
        return True
