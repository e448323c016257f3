"""Fault test 18: messages that nobody can read, of a newer version or too large, in WORK and in the outbox, among good
ones. Each is put aside once with its reason; nothing comes back for ever and nobody falls silent."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import psycopg
from psycopg.types.json import Jsonb
from tests.chaos.collect import jetstream, messages_of
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 18, "bad messages"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4"}

_MAX_PAYLOAD = 1 << 20
_WITHIN = 90.0
_SUBJECTS = ("work.render.high", "work.render.normal", "work.render.low")
_QUARANTINED = """
    SELECT convert_from(substr(payload, 1, 60), 'UTF8'), to_jsonb(outbox) ->> 'quarantine_reason' FROM outbox
    WHERE to_jsonb(outbox) ->> 'quarantined_at' IS NOT NULL
"""


async def run(world: World, *, quick: bool) -> None:
    """Bad ones between two lots of good ones, then a lot that shows whether all still work."""
    count, rounds = (12, 1) if quick else (80, 5)
    before = world.pids()
    sending = asyncio.create_task(world.sender.send_all(picture(index, world.rng) for index in range(count)))
    marks = []
    for _ in range(rounds):
        marks += await _publish_bad(world)
        marks += await _strand_bad(world)
        await asyncio.sleep(world.rng.uniform(0.2, 1.0))
    await sending
    world.say(f"{len(marks)} bad messages are under way")
    await _all_aside(world, marks)
    await world.sender.send_all(picture(count + index, world.rng) for index in range(count))
    await world.settled()
    for mark, (times, reasons) in (await _aside(world, marks)).items():
        world.require(times == 1, mark, f"was put aside {times} times")
        world.require(all(reasons), mark, "was put aside without a reason")
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")
    await _judge_alive(world)


async def _publish_bad(world: World) -> list[str]:
    """Into WORK, past the services."""
    made: list[tuple[str, Callable[[str], bytes]]] = [
        ("notjson", lambda mark: mark.encode() + b"\xff\x00 is not JSON"),
        ("noenvelope", lambda mark: json.dumps({"mark": mark}).encode()),
        ("unknown", lambda mark: _envelope(mark, type="render.hologram")),
        ("newer", lambda mark: _envelope(mark, version=99)),
        ("malformed", _envelope),
        # Its dead letter, which quotes it, is larger than any message may be.
        ("large", lambda mark: mark.encode() + b'"' * (_MAX_PAYLOAD - 4096)),
    ]
    marks = []
    async with jetstream(world.connection) as stream:
        for kind, make in made:
            mark = f"bad-{kind}-{uuid4().hex[:8]}"
            await stream.publish(world.rng.choice(_SUBJECTS), make(mark), headers={"Nats-Msg-Id": mark})
            marks.append(mark)
    return marks


def _envelope(mark: str, **changes: object) -> bytes:
    """A render command that lacks its image."""
    plain = {
        "mark": mark,
        "id": str(uuid4()),
        "type": "render.image",
        "version": 1,
        "occurred_at": "2026-01-01T00:00:00Z",
        "owner": "local",
        "data": {"picture": "none"},
    }
    return json.dumps(plain | changes).encode()


async def _strand_bad(world: World) -> list[str]:
    """Into the outbox, as if a service had left them there: over the server's limit, under it but for the headers, and to
    a subject that cannot be."""
    rows = [
        ("over", "events.image.stored", _MAX_PAYLOAD + 100_000),
        ("nearly", "events.image.stored", _MAX_PAYLOAD - 20),
        ("subject", "events.image stored", 100),
    ]
    marks = []
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        for kind, subject, size in rows:
            mark = f"bad-{kind}-{uuid4().hex[:8]}"
            payload = json.dumps({"mark": mark, "filling": ""}).encode().ljust(size)
            message_id = uuid4()
            headers = Jsonb({"Nats-Msg-Id": str(message_id)})
            statement = "INSERT INTO outbox (id, subject, headers, payload) VALUES (%s, %s, %s, %s)"
            await database.execute(statement, (message_id, subject, headers, payload))
            marks.append(mark)
    return marks


async def _all_aside(world: World, marks: list[str]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < _WITHIN:
        found = await _aside(world, marks)
        if all(times for times, _ in found.values()):
            world.notes.append(f"{len(marks)} bad messages were put aside within {time.monotonic() - began:.0f} s")
            return
        await asyncio.sleep(0.5)
    missing = Counter(mark.split("-")[1] for mark, (times, _) in found.items() if not times)
    world.fail("bad messages", f"not put aside within {_WITHIN:.0f} s: {dict(missing)}")


async def _aside(world: World, marks: list[str]) -> dict[str, tuple[int, list[str]]]:
    """How often each is among dead letters and in quarantine, and with which reasons."""
    seen: list[tuple[str, str]] = []
    async with jetstream(world.connection) as stream:
        for letter in await messages_of(stream, "DEAD"):
            data: dict[str, Any] = letter["data"]
            seen.append((data["payload"][:4096], data["reason"]))
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        seen += [(start, reason or "") for start, reason in await (await database.execute(_QUARANTINED)).fetchall()]
    found = {mark: [reason for text, reason in seen if mark in text] for mark in marks}
    return {mark: (len(reasons), reasons) for mark, reasons in found.items()}


async def _judge_alive(world: World) -> None:
    """Each service answers, and has a connection to NATS."""
    port = next(row.port for row in world.stack.supervisor.table if row.name == "nats")
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
        for name in world.replicas:
            management = world.stack.environment(name)["HELIOGRAPH_HTTP__MANAGEMENT_PORT"]
            status = 0
            with suppress(httpx2.HTTPError):
                status = (await http.get(f"http://127.0.0.1:{management}/readyz")).status_code
            world.require(status == 200, name, f"is not ready at the end: {status}")
            sockets = psutil.Process(world.faults.pid(name)).net_connections("tcp")
            connected = any(each.raddr and each.raddr.port == port for each in sockets)
            world.require(connected, name, "has no connection to NATS at the end")
