"""The system's resolver: numbers in all ways of writing them, and its failures in our words."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from heliograph_common.outbound.errors import RequestTimedOut, UnknownHost
from heliograph_common.outbound.resolver import LOOKUPS, SystemResolver


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "0x7f000001", "127.1", "017700000001", "localhost"]
)
async def test_loopback_is_found_however_it_is_written(host: str) -> None:
    assert {"127.0.0.1", "::1"} >= {str(each) for each in await SystemResolver().resolve(host, 80)}


async def test_each_address_is_told_once() -> None:
    found = await SystemResolver().resolve("::ffff:127.0.0.1", 80)
    assert [str(each) for each in found] == ["::ffff:7f00:1"]


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "..", "127.0.0.1."])
async def test_what_can_be_no_name_is_unknown(host: str) -> None:
    with pytest.raises(UnknownHost, match="spelling"):
        await SystemResolver().resolve(host, 80)


async def test_a_lookup_has_a_limit() -> None:
    with pytest.raises(RequestTimedOut):
        await SystemResolver(seconds=0).resolve("127.0.0.1", 80)


async def test_lookups_that_hang_keep_no_thread_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    hanging: set[int] = set()

    def hang(*_: object, **__: object) -> list[object]:
        hanging.add(threading.get_ident())
        ended.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    resolver = SystemResolver(seconds=0.05)
    try:
        found = await asyncio.gather(*(resolver.resolve("a.example", 80) for _ in range(100)), return_exceptions=True)
        assert {type(each) for each in found} == {RequestTimedOut}
        assert len(hanging) == LOOKUPS
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(lambda: "done") == "done"
    finally:
        ended.set()
