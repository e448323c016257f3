"""Fault test 6: a render three times as long as ``ack_wait`` is not delivered again.

The render processes are frozen; their parents, which give the signs of life, are not.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from tests.chaos.collect import jetstream
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 6, "render longer than ack_wait"
ACK_WAIT = 3.0
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": f"{ACK_WAIT:g}", "HELIOGRAPH_RENDER__SLOTS": "2"}

_TIMES = 3.3


async def run(world: World, *, quick: bool) -> None:
    """As many pictures as there are slots are rendered slowly, while others wait behind them."""
    count = 8 if quick else 40
    children = [child for name in world.thumbnailers for child in world.render_children(name)]
    world.require(len(children) == 4, "test", f"{len(children)} render processes, not 4")
    _signal(children, signal.SIGSTOP)
    began = asyncio.get_running_loop().time()
    await world.sender.send_all(picture(index, world.rng) for index in range(count))
    slow = _TIMES * ACK_WAIT
    world.say(f"{count} pictures accepted, {len(children)} renders take {slow:.0f} s")
    await asyncio.sleep(max(0.0, slow - (asyncio.get_running_loop().time() - began)))
    early = {event.subject for event in world.history.events if event.type == "image.ready"}
    _signal(children, signal.SIGCONT)
    world.kills += len(children)
    await world.settled()
    world.require(not early, "test", f"{len(early)} pictures were complete while all renders stood still")
    await _judge_deliveries(world, count)


async def _judge_deliveries(world: World, count: int) -> None:
    """Each command was delivered once: by the server's count, and by the workers'."""
    async with jetstream(world.connection) as stream:
        consumer = await stream.consumer_info("WORK", "thumbnailer-normal")
    assert consumer.delivered is not None
    deliveries = consumer.delivered.consumer_seq
    world.notes.append(f"{deliveries} deliveries of {count} commands, renders of {_TIMES * ACK_WAIT:.0f} s")
    world.require(deliveries == count, "thumbnailer-normal", f"{deliveries} deliveries of {count} commands")
    for name in world.thumbnailers:
        again = await world.metric(name, "heliograph_redeliveries_total")
        world.require(again == 0, name, f"took {again:.0f} messages that were delivered again")


@contextmanager
def freeze_renders(world: World) -> Iterator[None]:
    """Within the block no render goes on, and none that is begun gets on."""
    children = [child for name in world.thumbnailers for child in world.render_children(name)]
    _signal(children, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(children, signal.SIGCONT)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
