"""P2: the whole pipeline, from upload to ready, beside the bare render loop over the same pictures.

Both use all cores that there are. The client, its sockets and the servers run on the same cores as the renders; the table
says what each of them used, because that is what the pipeline costs beside rendering.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
from websockets.asyncio.client import connect as connect_socket
from websockets.typing import Subprotocol

from benchmarks import engines, pictures, stacks
from benchmarks.engines import Engine
from benchmarks.http import Connection, connect
from benchmarks.report import percentile, progress, show, step, verdict
from heliograph_local.connection import Connection as Addresses
from heliograph_local.services import SERVICES
from heliograph_local.stack import Stack
from heliograph_thumbnailer.imaging.sizes import THUMBNAILS, VARIANTS

AIM = 0.8
_CLIENTS = 6
_ROUNDS = 3
_STAGES = ("accepted", "image.thumbnails_ready", "image.ready")
_PARTS = ("render", "thumbnailer", "gateway", "notifier", "nats", "postgres", "s3", "client")
_WANTED = [asdict(spec) for spec in (*THUMBNAILS, *VARIANTS)]
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Case:
    """Pictures of one kind: the JPEG that all are made from, and how many a round has."""

    name: str
    data: bytes
    count: int


@dataclass
class Round:
    """What one round of a case took: wall seconds, CPU seconds by part, and by stage the seconds of each picture from
    the start of its upload."""

    bare: float = 0.0
    bare_cpu: float = 0.0
    wall: float = 0.0
    thumbnails_wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    stages: dict[str, list[float]] = field(default_factory=dict)


def main() -> None:
    """Measures and prints."""
    step("making the pictures")
    cases = [
        Case("JPEG 3 MP", pictures.jpeg(2048, 1536), 120),
        Case("JPEG 12 MP", pictures.jpeg(4032, 3024), 60),
    ]
    asyncio.run(_measure(cases))


async def _measure(cases: Sequence[Case]) -> None:
    rows: list[tuple[str, ...]] = []
    costs: list[tuple[str, ...]] = []
    with contextlib.ExitStack() as held, progress() as bar:
        loops = [held.enter_context(engines.ours()) for _ in os.sched_getaffinity(0)]
        task = bar.add_task("P2", total=len(cases) * (_ROUNDS + 1))
        async with stacks.running(SERVICES) as stack:
            for case in cases:
                bar.update(task, description=f"{case.name}, alone")
                alone = await _pipeline(stack, case, clients=1, count=max(case.count // 4, 10))
                bar.advance(task)
                rounds = []
                for number in range(_ROUNDS):
                    bar.update(task, description=f"{case.name}, round {number + 1}")
                    rounds.append(await _round(stack, case, loops))
                    bar.advance(task)
                rows.append(_row(case, rounds, alone))
                costs.append(_cost(case, rounds))
    _print(rows, costs)


async def _round(stack: Stack, case: Case, loops: Sequence[Engine]) -> Round:
    """Half of the bare loop, the pipeline, the other half: a machine that is busy elsewhere hits both."""
    before = await asyncio.to_thread(_bare, case, loops)
    found = await _pipeline(stack, case, clients=_CLIENTS, count=case.count)
    after = await asyncio.to_thread(_bare, case, loops)
    found.bare, found.bare_cpu = before[0] + after[0], before[1] + after[1]
    return found


def _bare(case: Case, loops: Sequence[Engine]) -> tuple[float, float]:
    """Half of the case's pictures rendered in memory by a process a core: wall and CPU seconds."""
    for loop in loops:
        loop.load(case.data)
        loop.run(_WANTED)
    times = case.count // 2 // len(loops)
    with ThreadPoolExecutor(len(loops)) as threads:
        took = list(threads.map(lambda loop: loop.run(_WANTED, times), loops))
    return max(one["wall"] for one in took), sum(one["cpu"] for one in took)


async def _pipeline(stack: Stack, case: Case, *, clients: int, count: int) -> Round:
    """Uploads ``count`` pictures from ``clients`` connections; waits for the last event of each."""
    addresses = stack.connection
    started: dict[str, float] = {}
    heard = _Heard()
    seen = heard.seen
    async with _events(addresses, heard):
        cpu, began = _cpu(stack), time.perf_counter()
        left = iter(range(count))

        async def client() -> None:
            async with connect(addresses.api or "") as http:
                for _ in left:
                    at = time.perf_counter()
                    image_id = await _upload(http, addresses.token, case)
                    started[image_id], seen["accepted"][image_id] = at, time.perf_counter()
                    if clients == 1:
                        await heard.until(image_id)

        await asyncio.gather(*(client() for _ in range(clients)))
        async with asyncio.timeout(300):
            for image_id in started:
                await heard.until(image_id)
    spent = _cpu(stack)
    return Round(
        wall=max(seen["image.ready"].values()) - began,
        thumbnails_wall=max(seen["image.thumbnails_ready"].values()) - began,
        cpu={part: spent[part] - cpu[part] for part in _PARTS},
        stages={stage: [at - started[image_id] for image_id, at in seen[stage].items()] for stage in _STAGES},
    )


async def _upload(http: Connection, token: str, case: Case) -> str:
    data = pictures.unique(case.data, time.time_ns() + next(_NUMBERS))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
    status, body = await http.request("POST", "/v1/images", headers=headers, body=[data])
    if status != 201:
        raise RuntimeError(f"upload answered {status}: {body[:300]!r}")
    return str(json.loads(body)["id"])


class _Heard:
    """What came over the socket: by stage and picture the time of it. The client adds what was accepted."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, float]] = {stage: {} for stage in _STAGES}
        self._news = asyncio.Event()

    def take(self, event: dict[str, Any]) -> None:
        stage = event["type"].removeprefix("dev.heliograph.")
        if stage == "image.failed":
            raise RuntimeError(f"a picture failed: {event['data']}")
        if stage in self.seen:
            self.seen[stage].setdefault(event["data"]["image_id"], time.perf_counter())
            self._news.set()

    async def until(self, image_id: str) -> None:
        """Waits until the picture is ready; for one caller at a time."""
        while image_id not in self.seen["image.ready"]:
            self._news.clear()
            await self._news.wait()


@asynccontextmanager
async def _events(addresses: Addresses, heard: _Heard) -> AsyncIterator[None]:
    """Reads the socket into ``heard``."""
    headers = {"Authorization": f"Bearer {addresses.token}"}
    protocol = Subprotocol("cloudevents.json")
    async with connect_socket(
        addresses.events or "", subprotocols=[protocol], additional_headers=headers, proxy=None, max_size=1 << 22
    ) as socket:

        async def read() -> None:
            async for text in socket:
                heard.take(json.loads(text))

        reading = asyncio.create_task(read())
        try:
            yield
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading


def _cpu(stack: Stack) -> dict[str, float]:
    """CPU seconds so far; ``render`` is all that the thumbnailer forked, ``client`` this process."""
    pids = stack.connection.pids
    spent = {part: stacks.cpu_seconds(pids[part]) for part in _PARTS if part in pids}
    own = sum(psutil.Process(pids["thumbnailer"]).cpu_times()[:2])
    spent["render"], spent["thumbnailer"] = spent["thumbnailer"] - own, own
    spent["client"] = time.process_time()
    return spent


def _row(case: Case, rounds: Sequence[Round], alone: Round) -> tuple[str, ...]:
    share = statistics.median(one.bare / one.wall for one in rounds)

    def latencies(found: Sequence[Round], stage: str) -> str:
        values = [seconds * 1000 for one in found for seconds in one.stages[stage]]
        return f"{percentile(values, 50):.0f} / {percentile(values, 99):.0f}"

    return (
        case.name,
        f"{case.count / statistics.median(one.bare for one in rounds):.1f}",
        f"{case.count / statistics.median(one.thumbnails_wall for one in rounds):.1f}",
        f"{case.count / statistics.median(one.wall for one in rounds):.1f}",
        f"{share:.0%}",
        *(latencies([alone], stage) for stage in _STAGES),
        *(latencies(rounds, stage) for stage in _STAGES[1:]),
        verdict(share >= AIM),
    )


def _cost(case: Case, rounds: Sequence[Round]) -> tuple[str, ...]:
    def milliseconds(values: Sequence[float]) -> float:
        return statistics.median(values) * 1000 / case.count

    parts = [milliseconds([one.cpu[part] for one in rounds]) for part in _PARTS]
    bare = milliseconds([one.bare_cpu for one in rounds])
    return (case.name, f"{bare:.1f}", *(f"{part:.1f}" for part in parts), f"{bare / sum(parts):.0%}")


def _print(rows: Sequence[Sequence[str]], costs: Sequence[Sequence[str]]) -> None:
    cores = len(os.sched_getaffinity(0))
    show(
        f"P2 pipeline on {cores} cores, six renditions a picture: pictures a second; milliseconds p50 / p99",
        ("pictures", "bare loop", "thumbnails", "ready", "share", "accepted", "thumbnails", "ready",
         "loaded: thumbnails", "loaded: ready", "aim"),
        rows,
        (
            f"bare loop: {cores} processes render the same pictures from memory. share: ready / bare loop, aim ≥ {AIM:.0%}.",
            "Times run from the start of the upload to the frame on the socket: one picture at a time, then loaded with",
            f"{_CLIENTS} connections that upload as fast as they are answered, so that pictures wait for a core.",
        ),
    )  # fmt: skip
    show(
        "P2 CPU milliseconds a picture",
        ("pictures", "bare loop", *_PARTS, "bare / all"),
        costs,
        ("bare / all: the share that the cores could reach if all were busy all the time.",),
    )
