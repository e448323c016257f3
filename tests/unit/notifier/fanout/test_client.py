from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.notifier.support import FakeClient, event

from heliograph_notifier.fanout.client import QueueLimits
from heliograph_notifier.protocol.codes import CloseCode

STEPS = st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.booleans()), max_size=60)


@given(STEPS)
def test_bytes_leave_in_order_and_the_queue_is_bounded(steps: list[bytes | bool]) -> None:
    """Data is sent; ``True`` opens the transport, ``False`` stops it."""
    limits = QueueLimits(200, 8)
    client = FakeClient(limits=limits)
    sent = b""
    for step in steps:
        if client.closed:
            break
        if isinstance(step, bool):
            client.open = step
            if step:
                client.flush()
        else:
            client.send(step)
            sent += step
        assert client.queued_bytes <= limits.bytes
        assert sent.startswith(b"".join(client.written))
    if client.closed:
        assert client.code is CloseCode.SLOW
        assert client.queued_bytes == 0
    else:
        client.open = True
        client.flush()
        assert b"".join(client.written) == sent
        assert client.queued_bytes == 0


def test_what_a_transport_fetches_is_what_was_sent() -> None:
    client = FakeClient()
    client.open = False
    for number in range(10):
        client.send(bytes([number]))
    assert client.take() == bytes(range(10))
    assert client.take() == b""


def test_a_closed_client_sends_nothing_and_closes_once() -> None:
    client = FakeClient()
    client.close(CloseCode.SERVICE_RESTART, "")
    client.close(CloseCode.SLOW, "")
    client.offer(event(1))
    assert client.code is CloseCode.SERVICE_RESTART
    assert client.written == []


async def test_emptied_waits_for_the_queue() -> None:
    client = FakeClient()
    await client.emptied()
    client.open = False
    client.send(b"x")
    waiting = asyncio.create_task(client.emptied())
    await asyncio.sleep(0)
    assert not waiting.done()
    client.open = True
    client.flush()
    await waiting


async def test_emptied_returns_when_the_client_is_closed() -> None:
    client = FakeClient()
    client.open = False
    client.send(b"x")
    waiting = asyncio.create_task(client.emptied())
    await asyncio.sleep(0)
    client.close(CloseCode.SLOW, "")
    await waiting
