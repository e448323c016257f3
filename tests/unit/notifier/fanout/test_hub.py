from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.notifier.support import EPOCH, FakeClient, event, word_event

from heliograph_notifier.fanout.filters import Filter
from heliograph_notifier.fanout.hub import Hub, Ring
from heliograph_notifier.protocol.vocabulary import FilterRequest


def hub_at(head: int = 0, *, ring_events: int = 100) -> Hub:
    hub = Hub(Ring(ring_events, 10_000_000))
    hub.begin(EPOCH, head)
    return hub


def deliver(hub: Hub, seq: int, owner: str = "ann") -> None:
    made = event(seq, owner)
    for reached in hub.admit(made):
        reached.offer(made)


@given(st.lists(st.integers(1, 3), max_size=80), st.integers(1, 20), st.integers(0, 20_000), st.integers(0, 300))
def test_the_ring_holds_every_event_after_its_floor(gaps: list[int], max_events: int, max_bytes: int, seq: int) -> None:
    ring = Ring(max_events, max_bytes)
    everything = []
    at = 0
    for gap in gaps:
        at += gap
        everything.append(event(at))
        ring.append(everything[-1])
        assert len(ring) <= max_events
        assert ring.bytes <= max_bytes or len(ring) == 1
        assert ring.bytes == sum(kept.size for kept in ring.after(ring.floor, 1000))
    start = max(seq, ring.floor)
    assert ring.after(start, 1000) == [kept for kept in everything if kept.seq > start]
    assert ring.after(start, 3) == [kept for kept in everything if kept.seq > start][:3]


def test_a_long_run_through_a_short_ring() -> None:
    ring = Ring(10, 10_000_000)
    for seq in range(1, 5001):
        ring.append(event(seq))
    assert [kept.seq for kept in ring.after(4990, 100)] == list(range(4991, 5001))
    assert ring.floor == 4990


OWNERS = st.sampled_from(["ann", "bob", "cy"])


@given(st.lists(OWNERS, max_size=40), st.lists(st.one_of(OWNERS, st.none()), max_size=6))
def test_each_client_gets_its_owners_events_and_only_those(events: list[str], clients: list[str | None]) -> None:
    hub = hub_at()
    joined = [FakeClient(owner) for owner in clients]
    for client in joined:
        hub.join(client)
    for seq, owner in enumerate(events, start=1):
        deliver(hub, seq, owner)
    for client in joined:
        assert client.got == [
            seq for seq, owner in enumerate(events, start=1) if client.owner is None or client.owner == owner
        ]


def test_events_of_words_go_to_every_client_whose_filter_passes_them() -> None:
    hub = hub_at()
    ann, bob, everyone, other = FakeClient("ann"), FakeClient("bob"), FakeClient(None), FakeClient("cy")
    other.filter = Filter(FilterRequest(types=["image.*"]))
    for client in (ann, bob, everyone, other):
        hub.join(client)
    made = word_event(1)
    for reached in hub.admit(made):
        reached.offer(made)
    deliver(hub, 2, "ann")
    assert [client.got for client in (ann, bob, everyone, other)] == [[1, 2], [1], [1, 2], []]


def test_one_that_left_gets_nothing() -> None:
    hub = hub_at()
    client = FakeClient()
    hub.join(client)
    deliver(hub, 1)
    hub.leave(client)
    hub.leave(client)
    deliver(hub, 2)
    assert client.got == [1]
    assert not list(hub.live())


def test_a_client_ahead_of_this_process_waits_for_what_is_new_to_it() -> None:
    hub = hub_at(5)
    client = FakeClient()
    client.position = 7
    hub.join(client)
    assert str(hub.cursor_of(client)) == f"{EPOCH}.7"
    for seq in range(6, 10):
        deliver(hub, seq)
    assert client.got == [8, 9]


def test_filters_narrow() -> None:
    hub = hub_at()
    client = FakeClient()
    client.filter = Filter(FilterRequest(types=["image.failed"]))
    hub.join(client)
    deliver(hub, 1)
    assert client.got == []


def test_a_new_beginning_forgets_the_ring() -> None:
    hub = hub_at()
    deliver(hub, 1)
    generation = hub.generation
    hub.begin("60", 17)
    assert len(hub.ring) == 0
    assert hub.ring.floor == 17
    assert str(hub.cursor) == "60.17"
    assert hub.generation > generation


def test_sockets_are_counted_by_principal() -> None:
    hub = hub_at()
    hub.hold("ann")
    hub.hold("ann")
    hub.release("ann")
    assert (hub.count("ann"), hub.count("bob")) == (1, 0)
