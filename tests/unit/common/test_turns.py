"""The sharing of places among owners and imports."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.turns import Queue, share

QUEUES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.integers(0, 300)), max_size=12).map(
    lambda rows: [Queue(UUID(int=place), *row) for place, row in enumerate(rows)]
)


def totals(queues: list[Queue], granted: dict[UUID, int]) -> dict[str, int]:
    """What is under way of each owner afterwards."""
    found: dict[str, int] = defaultdict(int)
    for queue in queues:
        found[queue.owner] += queue.under_way + granted.get(queue.key, 0)
    return found


def test_one_owner_has_half_the_places_though_nobody_else_waits() -> None:
    assert share([Queue(UUID(int=1), "ann", 3, 1000)], 20) == {UUID(int=1): 7}
    assert share([Queue(UUID(int=1), "ann", 10, 1000)], 20) == {}


def test_who_comes_later_has_the_next_places() -> None:
    many, few = UUID(int=1), UUID(int=2)
    assert share([Queue(many, "ann", 18, 1000), Queue(few, "bob", 0, 5)], 20) == {few: 2}
    assert share([Queue(many, "ann", 0, 1000), Queue(few, "bob", 0, 5)], 20) == {many: 10, few: 5}


def test_an_owners_imports_share_what_the_owner_has() -> None:
    queues = [Queue(UUID(int=1), "ann", 0, 99), Queue(UUID(int=2), "ann", 0, 99), Queue(UUID(int=3), "bob", 0, 99)]
    assert share(queues, 40) == {UUID(int=1): 10, UUID(int=2): 10, UUID(int=3): 20}


@given(QUEUES, st.integers(0, 120))
def test_no_place_is_given_twice_or_kept_back(queues: list[Queue], window: int) -> None:
    granted = dict(share(queues, window))
    free = max(0, window - sum(queue.under_way for queue in queues))
    most, wanted = max(1, window // 2), 0
    for owner in {queue.owner for queue in queues}:
        own = [queue for queue in queues if queue.owner == owner]
        under_way = sum(queue.under_way for queue in own)
        wanted += min(sum(queue.waiting for queue in own), max(0, most - under_way))
    assert sum(granted.values()) == min(free, wanted)
    assert all(0 < granted.get(queue.key, 1) <= max(queue.waiting, 1) for queue in queues)


@given(QUEUES, st.integers(0, 120))
def test_nobody_gets_a_place_while_one_with_fewer_waits(queues: list[Queue], window: int) -> None:
    granted = dict(share(queues, window))
    total = totals(queues, granted)
    left = {queue.owner for queue in queues if granted.get(queue.key, 0) < queue.waiting}
    assert all(total[owner] <= max(1, window // 2) for owner in {q.owner for q in queues if granted.get(q.key)})
    got = {queue.owner for queue in queues if granted.get(queue.key)}
    for rich in got:
        for poor in left - {rich}:
            assert total[rich] <= total[poor] + 1
