"""Core NATS: who listens hears what is said now, through reconnects, and nothing is kept for later."""

from __future__ import annotations

import time

from tests.components import started
from tests.polling import until

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.notices import Listener, say


async def test_a_listener_hears_again_after_a_reconnect_and_knows_that_it_missed_something(bus: Bus) -> None:
    heard: list[bytes] = []
    listener = Listener(bus, "workers.*", heard.append)
    async with started([listener]):
        await until(lambda: listener.listening_for)
        assert await say(bus, "workers.one", b"before")
        await until(lambda: heard)
        at = time.monotonic()
        await bus.client.force_reconnect()
        await until(lambda: listener.listening_for and time.monotonic() - listener.listening_for >= at)

        async def heard_again() -> bool:
            await say(bus, "workers.two", b"after")
            return b"after" in heard

        await until(heard_again)
    assert heard[0] == b"before"


async def test_a_listener_may_be_started_before_nats_is_there(bus: Bus) -> None:
    own, heard = Bus(bus.settings, client_name="test-listener"), list[bytes]()
    listener = Listener(own, "workers.*", heard.append)
    assert listener.listening_for == 0
    async with started([listener, own]):
        await until(lambda: listener.listening_for)
        await say(bus, "workers.one", b"x")
        await until(lambda: heard == [b"x"])
    assert listener.listening_for == 0


async def test_nothing_is_kept_for_a_server_that_is_away(bus: Bus) -> None:
    never = Bus(bus.settings.model_copy(update={"url": "nats://127.0.0.1:1"}), client_name="test-away")
    assert not await say(never, "workers.one", b"x")
    assert not await say(bus, "workers.one", b"x" * (bus.client.max_payload + 1))
