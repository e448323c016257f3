from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.notifier.support import EPOCH, FakeClient, FakeHistory, message

from heliograph_common.bus.ordered import StreamState
from heliograph_common.errors import BusUnavailable
from heliograph_notifier.fanout.client import QueueLimits
from heliograph_notifier.fanout.hub import Hub, Ring
from heliograph_notifier.fanout.replay import Replay
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.frames import encode_event
from heliograph_notifier.protocol.vocabulary import ResetReason


class ReplayedStream:
    """A stream, a hub that has read it, and a replay."""

    def __init__(self, past: int, *, ring: int, **history: Any) -> None:
        self.history = FakeHistory([message(seq, "ann" if seq % 3 else "bob") for seq in range(1, past + 1)], **history)
        self.hub = Hub(Ring(ring, 10_000_000))
        self.hub.begin(EPOCH, 0)
        for item in self.history.messages:
            self.hub.admit(encode_event(item, EPOCH))
        self.replay = Replay(self.hub, self.history, concurrent=1, stall=0.1)

    def publish(self) -> None:
        item = message(len(self.history.messages) + 1)
        self.history.messages.append(item)
        made = encode_event(item, EPOCH)
        for client in self.hub.admit(made):
            client.offer(made)


@given(
    past=st.integers(0, 40),
    ring=st.integers(1, 50),
    start=st.integers(0, 40),
    live=st.integers(0, 30),
    pauses=st.lists(st.integers(0, 4), min_size=30, max_size=30),
)
def test_hand_over_has_no_gap_and_no_repeat(past: int, ring: int, start: int, live: int, pauses: list[int]) -> None:
    """Whatever is published while a client catches up, at whatever moments: it gets all after its cursor, once."""
    start = min(start, past)

    async def scenario() -> FakeClient:
        stream = ReplayedStream(past, ring=ring, pause=True)
        client = FakeClient("ann")
        following = asyncio.create_task(stream.replay.follow(client, f"{EPOCH}.{start}"))
        for pause in pauses[:live]:
            for _ in range(pause):
                await asyncio.sleep(0)
            stream.publish()
        await following
        stream.publish()
        return client

    client = asyncio.run(scenario())
    everything = [seq for seq in range(1, past + live + 2) if seq % 3 or seq > past]
    assert client.got == [seq for seq in everything if seq > start]
    assert client.live


async def test_without_a_cursor_only_what_is_new() -> None:
    stream = ReplayedStream(10, ring=5)
    client = FakeClient("ann")
    await stream.replay.follow(client, None)
    stream.publish()
    assert client.got == [11]
    assert str(client.told[0][1]) == f"{EPOCH}.10"


async def test_the_ring_alone_needs_no_stream() -> None:
    stream = ReplayedStream(10, ring=5)
    client = FakeClient("ann")
    await stream.replay.follow(client, f"{EPOCH}.5")
    assert client.got == [7, 8, 10]
    assert stream.history.reads == 0


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [("nonsense", "malformed"), ("60.1", "other_epoch"), (f"{EPOCH}.99", "unknown"), (f"{EPOCH}.2", "too_old")],
)
async def test_resets(cursor: str, reason: str) -> None:
    stream = ReplayedStream(10, ring=2, first_seq=5)
    client = FakeClient("ann")
    await stream.replay.follow(client, cursor)
    assert [(word, str(at)) for word, at in client.told] == [(reason, f"{EPOCH}.10")]
    stream.publish()
    assert client.got == [11]


async def test_a_cursor_just_before_what_the_stream_holds_is_young_enough() -> None:
    stream = ReplayedStream(10, ring=2, first_seq=5)
    client = FakeClient("ann")
    await stream.replay.follow(client, f"{EPOCH}.4")
    assert client.got == [5, 7, 8, 10]


async def test_events_that_expire_during_a_replay_are_a_reset() -> None:
    stream = ReplayedStream(10, ring=2)

    async def state() -> StreamState:
        stream.history.first_seq = 6  # expires right after it was looked at
        return StreamState(EPOCH, 1, 10)

    stream.history.stream_state = state  # type: ignore[method-assign]
    client = FakeClient("ann")
    await stream.replay.follow(client, f"{EPOCH}.1")
    assert [word for word, _ in client.told] == ["ready", "too_old"]


@pytest.mark.parametrize("reason", ["rewound", "other_epoch", "deleted"])
async def test_a_break_of_the_stream_during_a_replay_is_a_reset(reason: ResetReason) -> None:
    stream = ReplayedStream(10, ring=2, pause=True)
    client = FakeClient("ann")
    following = asyncio.create_task(stream.replay.follow(client, f"{EPOCH}.1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stream.hub.begin(EPOCH, 3, after=reason)
    await following
    assert client.told[-1][0] == reason


async def test_a_client_that_reads_nothing_of_a_replay_is_slow() -> None:
    stream = ReplayedStream(50, ring=100)
    client = FakeClient("ann", limits=QueueLimits(1_000_000, 10))
    client.open = False
    await stream.replay.follow(client, f"{EPOCH}.0")
    assert client.code is CloseCode.SLOW
    assert not client.live


async def test_without_the_stream_a_client_is_told_to_come_back() -> None:
    stream = ReplayedStream(10, ring=2)

    async def away() -> StreamState:
        raise BusUnavailable("away")

    stream.history.stream_state = away  # type: ignore[method-assign]
    client = FakeClient("ann")
    await stream.replay.follow(client, f"{EPOCH}.1")
    assert client.code is CloseCode.HISTORY_UNAVAILABLE
