"""Fault test 15: streams at their ``max_bytes``, JetStream at its limit of storage, and its disk full.

A stream of nats-server 2.15.1 that met a full file system stores nothing more, whatever space there is later, until the
server is started anew: publishes get no answer, while the JetStream API goes on answering. Its ``/healthz`` says so, and the
supervisor starts it anew for that, as a cluster's probe does; our services are left alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
from nats.errors import Error as NatsError
from nats.js.api import StorageType, StreamConfig
from tests.chaos.answers import Flow, judge_answers
from tests.chaos.collect import jetstream, unfinished
from tests.chaos.network import isolated
from tests.chaos.pictures import picture
from tests.chaos.scenarios.slow import freeze_renders
from tests.chaos.world import World

from heliograph_local.process import Unhealthy
from heliograph_local.supervisor import Status

NUMBER, TITLE = 15, "streams and disk full"
ISOLATED = True
_KIB, _MIB = 1 << 10, 1 << 20
_BYTES = {"WORK": 16 * _KIB, "EVENTS": 128 * _KIB, "DEAD": 64 * _KIB}
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": "4",
    "HELIOGRAPH_LIMITS__WAITING_BEFORE_LOW": "100000",
    **{f"HELIOGRAPH_NATS__{name}_BYTES": str(size) for name, size in _BYTES.items()},
}
WORLD = {"nats_max_file_store": 4 * _MIB, "nats_disk": 32 * _MIB}

_WITHIN = 20.0
_ENDS = 45.0
"""Seconds within which a picture that is uploaded while NATS is useless has to end: patience, a sweep, and its render."""
_MENDED = 240.0
"""Seconds within which NATS works again once there is space: restarts while there was none make the next one rarer."""
_DONE = "SELECT count(*) FROM images WHERE sha256 = ANY(%s) AND processing_status = 'complete'"


async def run(world: World, *, quick: bool) -> None:
    """The streams' own limits first, then what they share, then what lies below."""
    world.standstill = 60.0 if quick else 300.0
    # What waited in the outbox may be more than EVENTS holds: then clients are told so, and have to look for themselves.
    world.history.expected_resets = frozenset({"too_old"})
    before = world.pids()
    await _streams_full(world, count=60 if quick else 400)
    async with _store_filled(world):
        await _meanwhile(world, "JetStream's storage full", 10_000, seconds=4.0 if quick else 30.0)
    await world.settled()
    if isolated():
        await _disk_full(world, seconds=4.0 if quick else 30.0)
    else:
        world.notes.append("without a full disk: this machine allows no file system of our own")
    await world.settled()
    judge_answers(world, within=_WITHIN)
    now = {name: pid for name, pid in world.pids().items() if name in before}
    world.require(now == before, "services", f"some died of it: {before} became {now}")


async def _streams_full(world: World, *, count: int) -> None:
    """More commands than WORK holds while nothing is rendered; then more events than EVENTS holds."""
    largest = 0
    with freeze_renders(world):
        sending = asyncio.create_task(world.sender.send_all(picture(index, world.rng) for index in range(count)))
        async with jetstream(world.connection) as stream:
            while not sending.done():
                largest = max(largest, (await stream.stream_info("WORK")).state.bytes)
                await asyncio.sleep(0.2)
        await sending
    await world.settled()
    async with jetstream(world.connection) as stream:
        for name, size in _BYTES.items():
            found = (await stream.stream_info(name)).config.max_bytes
            world.require(found == size, name, f"its max_bytes is {found}, not {size}")
        dropped = (await stream.stream_info("EVENTS")).state.first_seq - 1
    world.notes.append(f"WORK held up to {largest} of {_BYTES['WORK']} bytes, EVENTS dropped {dropped} events")
    full = largest > _BYTES["WORK"] * 0.9 and dropped > 0
    world.require(full, "test", f"streams were not full: WORK {largest} bytes, {dropped} events dropped")


@asynccontextmanager
async def _store_filled(world: World) -> AsyncIterator[None]:
    """Within the block another stream has taken all that JetStream may store."""
    async with jetstream(world.connection) as stream:
        config = StreamConfig(name="FILLER", subjects=["filler"], storage=StorageType.FILE)
        await stream.add_stream(config)
        try:
            for size in (64 * _KIB, 1 * _KIB, 1):
                with suppress(NatsError):
                    for _ in range(10_000):
                        await stream.publish("filler", b"x" * size)
            yield
        finally:
            await stream.delete_stream("FILLER")


async def _disk_full(world: World, *, seconds: float) -> None:
    """The last block of the disk is taken by a file, which is removed later. What NATS needs then is the supervisor's."""
    filler, before = world.stack.folder.path / "nats" / "filler", _nats(world).restarts
    await asyncio.to_thread(_fill, filler)
    try:
        await _meanwhile(world, "JetStream's disk full", 20_000, seconds=seconds)
        world.notes.append(f"on a full disk /healthz of nats-server says {await _health(world)}")
    finally:
        filler.unlink()
    began = time.monotonic()
    while not (mended := await _works(world)) and time.monotonic() - began < _MENDED:
        await asyncio.sleep(1)
    nats = _nats(world)
    world.kills += nats.restarts - before
    world.notes.append(
        f"NATS works {time.monotonic() - began:.0f} s after there is space, "
        f"{nats.restarts - before} restarts; the last time it {nats.last_end}"
    )
    world.require(mended, "nats", f"it stores nothing {_MENDED:.0f} s after there is space: {await _health(world)}")


def _nats(world: World) -> Status:
    return next(row for row in world.stack.supervisor.table if row.name == "nats")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (_MIB, 4 * _KIB, 1):
            with suppress(OSError):  # no space left
                while True:
                    file.write(b"x" * size)


async def _works(world: World) -> bool:
    """Whether NATS has stored what the outbox held."""
    with suppress(NatsError, OSError, TimeoutError):
        return not (await unfinished(world.connection))[1]
    return False


async def _health(world: World) -> str:
    """Status and beginning of what a probe would get."""
    try:
        await world.stack.nats.healthy()
    except (Unhealthy, OSError) as problem:
        return str(problem)[:100]
    return "200"


async def _meanwhile(world: World, name: str, first: int, *, seconds: float) -> None:
    """Uploads for some time; those that are accepted end before anything is mended."""
    known = set(world.history.accepted)
    flow = Flow(world, first=first)
    sending = asyncio.create_task(flow.send(lanes=2))
    await asyncio.sleep(seconds)
    flow.stop()
    await sending
    new = [sha256 for sha256 in world.history.accepted if sha256 not in known]
    began = time.monotonic()
    while (done := await _done(world, new)) < len(new) and time.monotonic() - began < _ENDS:
        await asyncio.sleep(0.5)
    world.say(f"{name}: {done} of {len(new)} pictures complete after {time.monotonic() - began:.1f} s")
    world.notes.append(f"{name}: {done} of {len(new)} complete after {time.monotonic() - began:.1f} s")
    world.require(done == len(new), "pictures", f"{name}: only {done} of {len(new)} were complete within {_ENDS:.0f} s")


async def _done(world: World, sha256s: list[str]) -> int:
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        row = await (await database.execute(_DONE, (sha256s,))).fetchone()
    assert row is not None
    return int(row[0])
