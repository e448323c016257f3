"""Operators on a real API server and a real NATS: in the test's process, and as processes."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.components import started
from tests.integration.operator.namespaces import OperatorNamespace
from tests.nats_server import NatsServer
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.contracts import subjects
from heliograph_common.contracts.worker_report import EVERY_SECONDS, HandlerReport, QueueReport, WorkerReport, encode
from heliograph_common.runtime.health import Health
from heliograph_operator.bootstrap import build
from heliograph_operator.model import Target
from heliograph_operator.settings import OperatorSettings, ScalerSettings

TARGET = Target("Deployment", "thumbnailer")
STREAM, CONSUMER = "JOBS", "work"
NAME = "thumbnails"
SCALER: dict[str, Any] = {
    "stream": STREAM,
    "consumers": [CONSUMER],
    "minReplicas": 0,
    "maxReplicas": 3,
    "serviceSeconds": 1,
}
"""40 messages want 3 replicas: 40 / 20 s, at 0.8 messages a second of each; more for what arrived a moment ago."""


class Jobs:
    """The stream whose messages are the load."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def create(self) -> None:
        """Stream and consumer."""
        await self.bus.jetstream.add_stream(name=STREAM, subjects=["jobs.*"])
        await self.create_consumer()

    async def create_consumer(self) -> None:
        """A durable one."""
        await self.bus.jetstream.add_consumer(STREAM, durable_name=CONSUMER, ack_policy="explicit")

    async def delete_consumer(self) -> None:
        """As an administrator does."""
        await self.bus.jetstream.delete_consumer(STREAM, CONSUMER)

    async def send(self, count: int) -> None:
        """So many more wait."""
        for number in range(count):
            await self.bus.jetstream.publish("jobs.one", str(number).encode())

    async def finish(self) -> None:
        """None waits any more."""
        await self.bus.jetstream.purge_stream(STREAM)


@asynccontextmanager
async def jobs_on(server: NatsServer) -> AsyncIterator[Jobs]:
    """The test's own connection to it."""
    bus = Bus(server.settings, client_name="test")
    async with started([bus]):
        async with asyncio.timeout(10):
            await bus.wait_connected()
        yield Jobs(bus)


@asynccontextmanager
async def reporting(jobs: Jobs, host: str, *, busy: int, consumer: str = CONSUMER) -> AsyncIterator[None]:
    """A worker on ``host`` that has ``busy`` messages in hand and says so, as a real one does each second."""
    handler = HandlerReport(
        consumer="jobs",
        slots=1,
        busy=busy,
        stalled=0,
        taking=True,
        busy_seconds=0.0,
        completions=0,
        queues=(QueueReport(durable=consumer),),
    )
    report = WorkerReport(service="test", host=host, pid=1, process=host, up_seconds=1.0, handlers=(handler,))

    async def report_on() -> None:
        while True:
            await jobs.bus.client.publish(subjects.workers("test"), encode(report))
            await asyncio.sleep(EVERY_SECONDS)  # the pace is the contract's

    task = asyncio.create_task(report_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class ScaledWorkload:
    """A namespace with a workload, and its load."""

    def __init__(self, namespace: OperatorNamespace, nats: NatsServer, jobs: Jobs) -> None:
        self.namespace = namespace
        self.nats = nats
        self.jobs = jobs

    async def create_scaler(self, **spec: Any) -> None:
        """The scaler of the workload."""
        await self.namespace.create_scaler(NAME, TARGET, **{**SCALER, **spec})

    async def replicas(self) -> int:
        """Of the workload."""
        return await self.namespace.replicas(TARGET)

    async def until_replicas(self, count: int, seconds: float = 30.0) -> None:
        """Returns once the workload is set to so many."""

        async def there() -> bool:
            return await self.replicas() == count

        await until(there, seconds)

    async def status(self) -> dict[str, Any]:
        """Empty until one was written."""
        return dict((await self.namespace.scaler(NAME)).get("status") or {})

    async def until_condition(
        self, kind: str, status: str = "True", *, reason: str | None = None, seconds: float = 40.0
    ) -> dict[str, Any]:
        """The condition, once it is so."""

        async def found() -> dict[str, Any] | None:
            conditions = (await self.status()).get("conditions", [])
            return next(
                (
                    dict(one)
                    for one in conditions
                    if (one["type"], one["status"]) == (kind, status) and reason in {None, one["reason"]}
                ),
                None,
            )

        condition: dict[str, Any] = await until(found, seconds, every=0.1)
        return condition

    async def events(self) -> list[str]:
        """The reasons of all Events, sorted, but for what depends on how quickly messages came."""
        reasons = [event.reason or "" for event in await self.namespace.events()]
        return sorted(reason for reason in reasons if reason not in {"Saturated", "NoLongerSaturated"})


def operator_settings(world: ScaledWorkload, **fields: Any) -> OperatorSettings:
    """Of an operator of this world."""
    chosen = {"namespace": world.namespace.name, "lease_seconds": 3.0, "tick_seconds": 0.2, **fields}
    return OperatorSettings(nats=world.nats.settings, operator=ScalerSettings(**chosen))


@asynccontextmanager
async def operator(world: ScaledWorkload, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> AsyncIterator[Health]:
    """One in this process, with short leases and ticks."""
    monkeypatch.setenv("KUBECONFIG", str(world.namespace.kubeconfig))
    health = Health(cache_seconds=0.1)
    health.phase = "serving"
    async with started(await build(operator_settings(world, **fields), health)):
        yield health


async def failed_checks(health: Health) -> dict[str, str]:
    """What they say."""
    report = await health.report()
    return {name: result.detail for name, result in report.checks.items() if result.status == "failed"}


class OperatorProcess:
    """One that is a process, as the chart runs it."""

    def __init__(self, child: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.child = child
        self.log = log
        self._port = port

    def metric(self, line: str) -> float | None:
        """A metric by its name and labels."""
        found = self._get("/metrics").splitlines()
        return next((float(one.rpartition(" ")[2]) for one in found if one.rpartition(" ")[0] == line), None)

    def checks(self) -> dict[str, str]:
        """Its failed checks."""
        report = msgspec.json.decode(self._get("/readyz") or "{}")
        return {
            name: check["detail"] for name, check in report.get("checks", {}).items() if check["status"] == "failed"
        }

    @property
    def leads(self) -> bool:
        """Whether it acts."""
        return self.metric("heliograph_operator_leader") == 1

    @property
    def resident_bytes(self) -> int:
        """Of memory."""
        pages = Path(f"/proc/{self.child.pid}/statm").read_text(encoding="utf-8").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def _get(self, path: str) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return str(answer.read(), "utf-8")
        except urllib.error.HTTPError as error:
            return str(error.read(), "utf-8")
        except OSError:
            return ""


Start = Callable[..., Any]


@asynccontextmanager
async def operator_process(world: ScaledWorkload, log: Path, **variables: Any) -> AsyncIterator[OperatorProcess]:
    """It is killed at the end of the block, if it still runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = {"TICK_SECONDS": 0.5, "LEASE_SECONDS": 10, "IDENTITY": log.stem, **variables}
    environment = {
        **os.environ,
        "KUBECONFIG": str(world.namespace.kubeconfig),
        "HELIOGRAPH_NATS__URL": world.nats.settings.url,
        "HELIOGRAPH_HTTP__MANAGEMENT_PORT": str(port),
        "HELIOGRAPH_HTTP__HOST": "127.0.0.1",
        "HELIOGRAPH_OPERATOR__NAMESPACE": world.namespace.name,
        **{f"HELIOGRAPH_OPERATOR__{name}": str(value) for name, value in chosen.items()},
    }
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "heliograph_operator", env=environment, stdout=output, stderr=output
        )
        try:
            yield OperatorProcess(child, port, log)
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
