"""Sends all clients away when the process ends: a notice with a jittered hint, then closes in batches, so that the other
pods are not met by everyone at once."""

from __future__ import annotations

import asyncio
import random

import structlog

from heliograph_notifier.fanout.hub import Hub
from heliograph_notifier.protocol.codes import CloseCode

log = structlog.get_logger(__name__)

_BATCH_SECONDS = 0.25
_REASON = "The server is shutting down. Reconnect with your cursor."


async def drain(hub: Hub, *, notice: float, spread: float, deadline: float) -> None:
    """Takes no more clients and closes those there are, within ``deadline`` seconds: ``notice`` seconds after the
    ``draining`` frame, spread over ``spread`` seconds; both shrink where the deadline is short."""
    hub.draining = True
    scale = min(1.0, deadline * 0.8 / max(notice + spread, 0.001))
    notice, spread = notice * scale, spread * scale
    clients = list(hub.clients)
    if not clients:
        return
    log.info("closing client connections", clients=len(clients), seconds=round(notice + spread, 1))
    for client in clients:
        client.tell_draining(round(1000 * random.uniform(0, spread)))  # noqa: S311 - jitter
    await _until_gone(hub, notice)
    random.shuffle(clients)
    batches = max(1, round(spread / _BATCH_SECONDS))
    for number in range(batches):
        for client in clients[number::batches]:
            client.close(CloseCode.SERVICE_RESTART, _REASON)
        if not hub.clients:
            break
        await asyncio.sleep(spread / batches)
    await _until_gone(hub, deadline * 0.1)


async def _until_gone(hub: Hub, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while hub.clients and loop.time() < end:  # noqa: ASYNC110 - polled for a moment, once in a process's life
        await asyncio.sleep(min(0.05, seconds))
