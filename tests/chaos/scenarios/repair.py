"""Fault test 11: objects, rows and events that were there are gone. A check with repair brings objects and rows back in one
cycle; clients that resume over lost events are told so."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import httpx2
import psycopg
from tests.chaos.collect import jetstream, object_store
from tests.chaos.history import Observed
from tests.chaos.pictures import picture
from tests.chaos.world import World
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

NUMBER, TITLE = 11, "renditions and events lost"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4", "HELIOGRAPH_SOCKETS__RING_EVENTS": "10"}

_SHARE = 0.01
_CYCLE = 120.0
_QUIET = 3.0


async def run(world: World, *, quick: bool) -> None:
    """Takes one in a hundred of each away, and asks for a check."""
    await world.sender.send_all(picture(index, world.rng) for index in range(40 if quick else 400))
    await world.settled()
    await _lose_objects(world)
    await _lose_rows(world)
    await _lose_events(world)
    await _check(world)
    await world.settled()
    await _resume(world)


def _some(number: int) -> int:
    return max(2, round(number * _SHARE))


async def _lose_objects(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        rows = await (await database.execute("SELECT image_id::text, key FROM renditions ORDER BY key")).fetchall()
    s3 = world.connection.s3
    lost = world.rng.sample(rows, _some(len(rows)))
    for image_id, key in lost:
        await asyncio.to_thread(object_store(s3).remove_object, s3.bucket, key)
        world.history.harmed.add(image_id)
    world.say(f"{len(lost)} of {len(rows)} rendition objects are gone")


async def _lose_rows(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        rows = await (await database.execute("SELECT image_id::text, name FROM renditions ORDER BY 1, 2")).fetchall()
        lost = world.rng.sample(rows, _some(len(rows)))
        for image_id, name in lost:
            await database.execute("DELETE FROM renditions WHERE image_id = %s AND name = %s", (image_id, name))
            world.history.harmed.add(image_id)
    world.say(f"{len(lost)} of {len(rows)} rendition rows are gone")


async def _lose_events(world: World) -> None:
    """Neither the first nor the last: the stream's bounds shall not tell."""
    async with jetstream(world.connection) as stream:
        state = (await stream.stream_info("EVENTS")).state
        inner = range(state.first_seq + 2, state.last_seq - 1)
        lost = world.rng.sample(inner, _some(len(inner)))
        for sequence in lost:
            body = json.loads((await stream.get_msg("EVENTS", sequence)).data or b"")
            await stream.delete_msg("EVENTS", sequence)
            world.history.erased.add(body["id"])
    world.say(f"{len(lost)} of {state.messages} events are gone")


async def _check(world: World) -> None:
    """Asks for a check with repair and waits until it is over."""
    headers = {"Authorization": f"Bearer {world.connection.admin_token}"}
    base = world.connection.api or ""
    async with httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=20) as http:
        asked = await http.post("/v1/admin/checks", json={"repair": True})
        world.require(asked.status_code == 202, "check", f"asking for it was answered with {asked.status_code}")
        if asked.status_code != 202:
            return
        shown: dict[str, object] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(_CYCLE):
                while shown.get("state") not in {"complete", "failed", "cancelled"}:
                    await asyncio.sleep(0.3)
                    shown = (await http.get(asked.headers["Location"])).json()
    world.say(f"the check says {shown}")
    world.require(shown.get("state") == "complete", "check", f"is not complete after {_CYCLE:.0f} s: {shown}")


async def _resume(world: World) -> None:
    """Clients come with cursors from before the lost events, to a notifier that has nothing in memory."""
    await world.faults.restart("notifier")
    world.kills += 1
    events = world.history.first_events()
    first_lost = next(index for index, event in enumerate(events) if event.id in world.history.erased)
    for start in {0, first_lost - 1}:
        told, resets = await _listen_from(world, events[start].cursor)
        missing = [event.id for event in events[start + 1 :] if event.id not in told]
        world.notes.append(f"from event {start}: {len(told)} told, {len(missing)} not, resets {resets}")
        world.require(bool(resets) or not missing, "socket", f"{len(missing)} events were skipped without a reset")
    told, resets = await _listen_from(world, events[-3].cursor)
    world.require(not resets, "socket", f"a client that missed nothing was reset: {resets}")
    world.require(_ids(events[-2:]) <= told, "socket", "a client that missed nothing was not told the newest events")


def _ids(events: list[Observed]) -> set[str]:
    return {event.id for event in events}


async def _listen_from(world: World, cursor: str) -> tuple[set[str], list[str]]:
    """Ids of the events that a client is told that comes with ``cursor``, and the reasons of resets."""
    told: set[str] = set()
    resets: list[str] = []
    headers = {"Authorization": f"Bearer {world.connection.token}"}
    url, protocols = world.connection.events or "", [Subprotocol("heliograph.v1")]
    async with connect(url, subprotocols=protocols, additional_headers=headers, proxy=None, max_size=None) as socket:
        await socket.send(json.dumps({"op": "subscribe", "types": [], "cursor": cursor}))
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(_QUIET):
                    frame = json.loads(await socket.recv())
                if frame.get("op") == "reset":
                    resets.append(str(frame.get("reason")))
                elif "op" not in frame:
                    told.add(frame["id"])
    return told, resets
