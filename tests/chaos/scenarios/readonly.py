"""Fault test 13: PostgreSQL takes no writes for a while, as a replica before its promotion, and is then failed over."""

from __future__ import annotations

import asyncio

import psycopg
from tests.chaos.answers import Flow, judge_answers
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 13, "PostgreSQL read-only, then failed over"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4"}

_WITHIN = 20.0
_READ_ONLY = "ALTER SYSTEM SET default_transaction_read_only = on"
_WRITABLE = "ALTER SYSTEM RESET default_transaction_read_only"
_CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


async def run(world: World, *, quick: bool) -> None:
    """Read-only with work in hand; then the machine is gone, its successor comes up read-only and is promoted."""
    rounds, read_only, gone = (1, 6.0, 2.0) if quick else (2, 45.0, 10.0)
    world.standstill = 60.0 if quick else 300.0
    before, flow = world.pids(), Flow(world, width=1600, height=1200)
    sending = asyncio.create_task(flow.send())
    for _ in range(rounds):
        await asyncio.sleep(2)
        await _set(world, _READ_ONLY)
        world.say("postgres is read-only")
        await asyncio.sleep(read_only)
        await world.faults.take_down("postgres")
        world.kills += 1
        await asyncio.sleep(gone)
        await world.faults.bring_up("postgres")
        world.say("postgres is back, read-only")
        await asyncio.sleep(gone)
        await _set(world, _WRITABLE)
        world.say("postgres is promoted")
    await asyncio.sleep(1)
    flow.stop()
    await sending
    await world.settled()
    refused = sum(answer.status == 503 for answer in world.history.answers)
    world.require(refused > 0, "test", "no upload met the read-only server")
    judge_answers(world, within=_WITHIN)
    await _still_working(world)
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")


async def _set(world: World, statement: str) -> None:
    """As a failover: whoever was connected is cut off and finds the other state when it comes back."""
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        await database.execute(statement)
        await database.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.2)  # the postmaster has read it before anyone comes back
        await database.execute(_CUT)


async def _still_working(world: World) -> None:
    """No worker stopped for good: each one takes something of a last load."""
    taken = "heliograph_message_duration_seconds_count"
    done = {name: await world.metric(name, taken) for name in world.thumbnailers}
    await world.sender.send_all(picture(100_000 + index, world.rng, width=1600, height=1200) for index in range(16))
    await world.settled()
    for name, earlier in done.items():
        world.require(await world.metric(name, taken) > earlier, name, "takes no work any more")
