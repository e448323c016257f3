"""Of all candidates one acts at most, whatever happens to them, to the API server and to the Lease."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.lease_world import LEASE, LeaseWorld, Process

from heliograph_operator.cluster.errors import CALL_SECONDS
from heliograph_operator.cluster.port import LeaseRecord
from heliograph_operator.lease import ACTING_PART, RELEASED_SECONDS, Candidate, call_seconds

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
PERIOD = LEASE / 5


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.4]))
def test_two_never_act_together(seed: int, trouble: float) -> None:
    chance = random.Random(seed)
    world = LeaseWorld(chance, trouble)
    for identity in ("operator-0", "operator-1", "operator-2"):
        world.at(chance.uniform(0, 5), partial(world.start, identity))
    for _ in range(12):
        world.at(chance.uniform(0, 150), chance.choice(_disturbances(world, chance)))
    world.run(180)


def _disturbances(world: LeaseWorld, chance: random.Random) -> list[Callable[[], object]]:
    def restart() -> None:
        process = chance.choice(world.processes) if world.processes else None
        if process and process.alive:
            process.alive = False
            world.at(world.now + chance.uniform(0, 20), lambda: world.start(process.identity))

    def outage() -> None:
        world.reachable = False
        world.at(world.now + chance.uniform(0, 30), recover)

    def recover() -> None:
        world.reachable = True

    return [
        restart,
        outage,
        world.delete,
        lambda: world.edit(holder=""),
        lambda: world.edit(holder="", seconds=RELEASED_SECONDS),
        lambda: world.edit(holder=f"operator-{chance.randrange(3)}"),
        lambda: world.edit(seconds=chance.choice([-5, 0, 1, 3, 86_400])),
        lambda: world.edit(renewed=None),
        lambda: world.edit(transitions=7),
    ]


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_one_acts_all_the_time_while_nothing_happens(seed: int) -> None:
    world = LeaseWorld(random.Random(seed))
    world.start("one")
    world.run(LEASE)
    world.start("two")
    assert world.run(100).keys() == {"one"}
    assert world.run(200)["one"] > 99.9


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_another_takes_over_from_one_that_is_killed(seed: int) -> None:
    world, first, _ = _two(seed)
    first.alive = False
    killed = world.now
    acted = world.run(killed + 30)
    assert acted["two"] > 30 - LEASE - PERIOD - 1
    assert acted["two"] < 30 - LEASE + PERIOD + 1


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_one_that_cannot_renew_stops_before_its_lease_is_over(seed: int) -> None:
    world, _, _ = _two(seed)
    world.reachable = False
    acted = world.run(world.now + 100)
    assert LEASE * ACTING_PART - PERIOD - 1 < acted["one"] < LEASE * ACTING_PART + 1
    world.reachable = True
    assert sum(world.run(world.now + 30).values()) > 15, "one of both acts again"


def test_a_note_on_the_lease_does_not_end_a_term() -> None:
    """An annotation changes its version and nothing else."""
    world, _, _ = _two(1)
    for _ in range(5):
        world.edit()
        assert world.run(world.now + 10)["one"] > 9


def test_a_lease_that_is_deleted_is_held_again_after_a_pause() -> None:
    world, _, _ = _two(1)
    world.delete()
    assert sum(world.run(world.now + 30).values()) > 30 - LEASE - PERIOD


def test_a_released_lease_is_taken_at_once() -> None:
    world, first, second = _two(1)
    released = first.candidate.released(NOW)
    first.alive = False
    assert released
    world.edit(holder=released.holder, seconds=released.seconds, acquired=released.acquired)
    assert (released.holder, released.seconds, released.acquired) == ("", RELEASED_SECONDS, None)
    world.run(world.now + PERIOD + 0.5)
    assert second.acting(world.now)


def test_who_stopped_acts_no_more_and_who_does_not_hold_it_releases_nothing() -> None:
    world, first, second = _two(1)
    assert second.candidate.released(NOW) is None
    first.candidate.stop()
    assert not first.acting(world.now)
    assert first.candidate.released(NOW)


def test_who_reads_the_name_of_another_acts_no_more_at_once() -> None:
    candidate = _holder()
    assert candidate.acting(1.0)
    candidate.see(LeaseRecord("other", LEASE, NOW, 1, "9"), 1.0)
    assert not candidate.acting(1.0)


def test_a_holder_that_a_person_removed_is_waited_for() -> None:
    """It acts until it has seen that; a time of acquisition tells the Lease from one that was released."""
    candidate = Candidate("me", LEASE)
    candidate.see(LeaseRecord("", RELEASED_SECONDS, NOW, 1, "9", acquired=NOW), 0.0)
    assert candidate.plan(LEASE - 0.1, NOW) is None
    candidate.see(LeaseRecord("", RELEASED_SECONDS, NOW, 1, "10"), 1.0)
    assert candidate.plan(1.0, NOW)


def test_a_renewal_whose_answer_was_lost_is_known_by_its_time() -> None:
    """Even one that the API server did late, when another had been tried."""
    candidate = _holder()
    first = candidate.plan(2.0, NOW.replace(second=2))
    second = candidate.plan(3.0, NOW.replace(second=3))
    assert first
    assert second
    candidate.contested()
    candidate.see(replace(first, version="2"), 4.0)
    renewed = candidate.plan(4.0, NOW.replace(second=4))
    assert renewed
    candidate.wrote(replace(renewed, version="3"), 4.0)
    assert candidate.acting(4.0)


def _holder() -> Candidate:
    """One that acts at 0 s."""
    candidate = Candidate("me", LEASE)
    candidate.see(LeaseRecord("", RELEASED_SECONDS, NOW, 0, "0"), 0.0)
    planned = candidate.plan(0.0, NOW)
    assert planned
    candidate.wrote(replace(planned, version="1"), 0.0)
    assert candidate.acting(0.0)
    return candidate


def test_a_lease_that_was_edited_to_hold_for_years_is_waited_for_a_minute() -> None:
    candidate = Candidate("me", LEASE)
    candidate.see(LeaseRecord("other", 10**9, NOW, 0, "1"), 0.0)
    assert candidate.plan(59.9, NOW) is None
    assert candidate.plan(60.0, NOW)


@pytest.mark.parametrize("seconds", [3, 3.2, 10, 15, 60])
def test_no_call_of_one_that_acts_outlives_its_lease(seconds: float) -> None:
    """A write that begins in the last moment is over, or given up, before another can take the Lease."""
    assert 0 < call_seconds(seconds) <= CALL_SECONDS
    assert ACTING_PART * math.ceil(seconds) + call_seconds(seconds) < math.ceil(seconds)


@pytest.mark.parametrize("seconds", [0, 1, LEASE])
def test_an_empty_lease_that_nobody_ever_held_is_taken_at_once(seconds: int) -> None:
    """As the chart installs it."""
    candidate = Candidate("me", LEASE)
    candidate.see(LeaseRecord("", seconds, None, 0, "1", uid="made"), 0.0)
    planned = candidate.plan(0.0, NOW)
    assert planned
    candidate.wrote(replace(planned, version="2"), 0.0)
    assert candidate.acting(0.0)


def test_an_empty_lease_in_place_of_one_that_was_held_is_waited_for() -> None:
    """Deleted and installed again while its holder acts, which has not seen that yet."""
    candidate = Candidate("me", LEASE)
    candidate.see(LeaseRecord("other", LEASE, NOW, 3, "7", NOW, "first"), 0.0)
    candidate.see(LeaseRecord("", 0, None, 0, "8", uid="second"), 1.0)
    assert candidate.plan(1.0, NOW) is None
    assert candidate.plan(1.0 + LEASE, NOW)


def test_what_it_writes_is_what_people_read() -> None:
    candidate = Candidate("me", LEASE)
    candidate.see(LeaseRecord("other", 15, NOW, 4, "7"), 0.0)
    assert candidate.wait(0.0) == PERIOD
    assert candidate.wait(14.5) == 0.5
    planned = candidate.plan(15.0, NOW)
    stamp = NOW.replace(microsecond=1)
    assert planned == LeaseRecord("me", LEASE, stamp, 5, "7", stamp)
    assert not candidate.acting(15.0)

    candidate.wrote(LeaseRecord("me", LEASE, stamp, 5, "8", stamp), 15.0)
    assert candidate.acting(15.0)
    later = NOW.replace(second=3)
    candidate.see(LeaseRecord("me", LEASE, stamp, 5, "8", stamp), 17.0)
    assert candidate.plan(17.0, later) == LeaseRecord("me", LEASE, later.replace(microsecond=1), 5, "8", stamp)


def _two(seed: int) -> tuple[LeaseWorld, Process, Process]:
    """A world in which the first of two acts."""
    world = LeaseWorld(random.Random(seed))
    first = world.start("one")
    world.run(LEASE)
    second = world.start("two")
    world.run(world.now + LEASE + PERIOD)
    assert first.acting(world.now)
    return world, first, second
