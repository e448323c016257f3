"""One embedded stack for one fault test: its own folder, its processes, its client, and the means to do harm to it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import httpx2
import psutil
import psycopg
from nats.errors import Error as NatsError
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from tests.chaos.checker import Finding, judge
from tests.chaos.client import Sender, listening
from tests.chaos.collect import collect, unfinished
from tests.chaos.evidence import Evidence
from tests.chaos.history import History, Picture
from tests.chaos.network import ProxiedStack, isolated, small_disk
from tests.chaos.pictures import picture
from tests.chaos.s3_faults import S3Faults

from heliograph_common.auth.tokens import issue_token
from heliograph_common.settings import AuthSettings
from heliograph_local.connection import Connection
from heliograph_local.doubles.addresses import Doubles
from heliograph_local.errors import NotRunning
from heliograph_local.faults import Faults
from heliograph_local.services import ANALYZER, GATEWAY, IMPORTER, NOTIFIER, THUMBNAILER, Service
from heliograph_local.stack import Stack

Say = Callable[[str], None]

_ROOT = Path(__file__).parents[2]  # services of our own (``thumbnailers``) are found from here
_STANDSTILL = 60.0  # longer than a lease of the outbox (30 s) and any ack_wait here
_SAY_EVERY = 3.0
_PHOTO_CALLS = "photo-calls"
_NEVER_MET = '{"quota": 1000000, "window_seconds": 1, "burst": 1000000}'
_RATE_LIMITS = {  # one owner sends all: the limits are asked, faults or not, and never met
    "HELIOGRAPH_RATE_LIMITS__DEFAULT": _NEVER_MET,
    "HELIOGRAPH_RATE_LIMITS__ROUTES": f'{{"POST *": {_NEVER_MET}}}',
}


@dataclass
class World:
    """What a scenario works with. ``failures`` takes what it finds itself; the checker's findings are added to it.
    ``s3_faults`` stands between the services and the S3 server, and does nothing unless told to."""

    stack: Stack
    faults: Faults
    history: History
    sender: Sender
    rng: random.Random
    say: Say
    s3_faults: S3Faults
    provided: Sequence[Picture] = ()
    """What the double of Google Drive has, in one folder."""
    failures: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    told_of: Callable[[Evidence], list[str]] = lambda _evidence: []
    """What the scenario tells of the evidence, for the table."""
    kills: int = 0
    others: Sequence[tuple[Connection, Sender]] = ()
    """Further owners, each with a client of its own."""
    model_calls: Path | None = None
    """The file in which the double of the model writes what it is asked."""
    standstill: float = _STANDSTILL
    """Seconds without any movement after which what is left counts as stuck."""

    @property
    def connection(self) -> Connection:
        return self.stack.connection

    @property
    def photo_calls(self) -> Path:
        """The file in which the double of Unsplash writes what it is asked."""
        return self.stack.folder.path / _PHOTO_CALLS

    @property
    def replicas(self) -> list[str]:
        """Names of all services' processes."""
        return [name for service in self.stack.services for name in service.replica_names()]

    @property
    def thumbnailers(self) -> list[str]:
        return [name for name in self.replicas if name.startswith("thumbnailer")]

    def fail(self, subject: str, what: str) -> None:
        """Notes that something is not as promised."""
        self.failures.append(Finding("wrong", subject, what))

    def require(self, holds: bool, subject: str, what: str) -> None:
        """Notes ``what`` unless it ``holds``."""
        if not holds:
            self.fail(subject, what)

    def pids(self) -> dict[str, int | None]:
        """The process of each service now."""
        return {row.name: row.pid for row in self.stack.supervisor.table if row.name in self.replicas}

    def state(self, name: str) -> str:
        """As ``heliograph dev status`` tells it."""
        return next(row.state for row in self.stack.supervisor.table if row.name == name)

    @property
    def all_answered(self) -> bool:
        """Whether each picture that was sent so far is accepted or refused."""
        history = self.history
        return bool(history.sent) and len(history.accepted) + len(history.refused) >= len(history.sent)

    def kill(self, name: str) -> bool:
        """SIGKILL, whatever it does at the moment; ``False`` when it has no process."""
        with suppress(NotRunning, ProcessLookupError):
            self.faults.kill(name)
            self.kills += 1
            self.history.killed.append((time.time(), name))
            return True
        return False

    async def all_ready(self, seconds: float = 60.0) -> None:
        """Returns when every service is up."""
        for name in self.replicas:
            await self.faults.wait_ready(name, seconds=seconds)

    async def metric(self, replica: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels, as the process says now."""
        port = self.stack.environment(replica)["HELIOGRAPH_HTTP__MANAGEMENT_PORT"]
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
            text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(
            sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def render_children(self, replica: str) -> list[psutil.Process]:
        """The processes in which a thumbnailer renders: children of its zygote."""
        with suppress(NotRunning, psutil.NoSuchProcess):
            zygotes = psutil.Process(self.faults.pid(replica)).children()
            return [child for zygote in zygotes for child in zygote.children()]
        return []

    async def settled(self) -> None:
        """Waits until nothing is left to do, or nothing has moved for long, and until the socket has told all; what is
        not done then is for the checker."""
        last, moved, said = (-1, -1, -1, -1), time.monotonic(), 0.0
        while time.monotonic() - moved < self.standstill:
            with suppress(psycopg.OperationalError, NatsError, OSError, TimeoutError):  # a server may be on its way up
                left = await unfinished(self.connection)
                if not any(left):
                    break
                if left != last:
                    last, moved = left, time.monotonic()
                if time.monotonic() - said > _SAY_EVERY:
                    said = time.monotonic()
                    images, outbox, work, messages = left
                    self.say(
                        f"settling: {images} images, {outbox} outbox rows, {work} rows of work, {messages} messages"
                    )
            await asyncio.sleep(0.5)
        told = -1
        while told != (told := len(self.history.events) + len(self.history.told_by_client_library)):
            await asyncio.sleep(1.5)

    async def judged(self) -> list[Finding]:
        """The checker's verdict on the whole run, together with what the scenario found."""
        self.say("collecting evidence")
        others = [connection for connection, _ in self.others]
        evidence = await collect(self.connection, self.rng, others=others, model_calls=self.model_calls)
        self.say("judging")
        self.notes += self.told_of(evidence)
        return [*judge(self.history, evidence), *self.failures]


@asynccontextmanager
async def world(
    rng: random.Random,
    say: Say,
    *,
    thumbnailers: int = 2,
    thumbnailer: str = THUMBNAILER.module,
    environment: Mapping[str, str] | None = None,
    nats_max_file_store: int | None = None,
    importers: int = 0,
    analyzers: int = 0,
    owners: int = 1,
    provided: int = 0,
    words: bool = False,
    nats_disk: int | None = None,
    s3_proxy: bool = False,
    proxied: bool = False,
    patience: float = 20.0,
    keep: Callable[[], bool] = lambda: False,
) -> AsyncIterator[World]:
    """A fresh stack with a client that listens. ``environment`` reaches all services; ``keep`` is asked at the end whether
    the folder, with its logs, is to stay.

    ``thumbnailer`` is the module that is run as the thumbnailer; ``nats_max_file_store`` is JetStream's disk in bytes, and
    ``nats_disk`` the size of a file system of its own, where this machine lets us make one; ``s3_proxy``: services reach S3
    through ``World.s3_faults``; with ``importers``, so many run, and the double of a provider with ``provided``
    pictures; with ``analyzers``, so many, and the double of a model; with ``words``, that of Unsplash; ``owners`` is how
    many clients there are, each of an owner of its own; ``proxied``: they reach every server through a proxy that can stand
    still (``network.py``);
    ``patience`` is how many seconds the client waits for an answer."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-chaos-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user where this runs as root
    services: tuple[Service, ...] = (GATEWAY, replace(THUMBNAILER, module=thumbnailer, replicas=thumbnailers), NOTIFIER)
    if importers:
        services = (*services, replace(IMPORTER, replicas=importers))
    if analyzers:
        services = (*services, replace(ANALYZER, replicas=analyzers))
    model_calls = folder / "model-calls" if analyzers else None
    pictures = _provide(folder / "pictures", rng, provided) if provided else []
    before = dict(os.environ)
    os.environ.update({**_RATE_LIMITS, **(environment or {})})
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(_ROOT)]))
    disk = small_disk(folder / "nats", nats_disk) if nats_disk and isolated() else nullcontext()
    history = History()
    s3_faults = S3Faults(lambda: stack.s3.endpoint, rng)
    stack = (ProxiedStack if proxied else Stack)(
        folder,
        services,
        nats_max_file_store=nats_max_file_store,
        overrides={"HELIOGRAPH_S3__ENDPOINT": s3_faults.endpoint} if s3_proxy else None,
        report=lambda _line: None,
        doubles=Doubles(folder / "pictures" if provided else None, model_calls, folder / _PHOTO_CALLS)
        if provided or analyzers or words
        else None,
    )
    try:
        say("starting the stack")
        async with AsyncExitStack() as entered:
            entered.enter_context(disk)
            entered.enter_context(s3_faults.running())
            await entered.enter_async_context(stack)
            connections = [stack.connection, *(_of_owner(stack, number) for number in range(2, owners + 1))]
            senders = [Sender(each, history, rng, patience=patience) for each in connections]
            for sender in senders:
                entered.push_async_callback(sender.aclose)
            for each in connections:
                await entered.enter_async_context(listening(each, history))
            others = list(zip(connections, senders, strict=True))[1:]
            here = World(stack, Faults(folder), history, senders[0], rng, say, s3_faults, provided=pictures)
            here.others, here.model_calls = others, model_calls
            yield here
    finally:
        os.environ.clear()
        os.environ.update(before)
        if keep():
            say(f"logs are kept in {folder}/logs")
        else:
            stack.folder.remove()
            shutil.rmtree(folder, ignore_errors=True)


def _of_owner(stack: Stack, number: int) -> Connection:
    """A connection with the token of another owner."""
    told = stack.environment(GATEWAY.name)
    auth = AuthSettings(
        secret=SecretStr(told["HELIOGRAPH_AUTH__SECRET"]),
        issuer=told["HELIOGRAPH_AUTH__ISSUER"],
        audience=told["HELIOGRAPH_AUTH__AUDIENCE"],
    )
    scopes = ("images:read", "images:write")
    token = issue_token(auth, subject=f"owner-{number}", scopes=scopes, lifetime=timedelta(hours=12))
    return replace(stack.connection, token=token)


def _provide(folder: Path, rng: random.Random, count: int) -> list[Picture]:
    """Writes ``count`` pictures for a provider to serve."""
    folder.mkdir()
    pictures = [picture(index, rng, width=160, height=120) for index in range(count)]
    for each in pictures:
        (folder / each.name).write_bytes(each.data)
    return pictures
