"""The election over the fake of the port, with clocks that the test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from tests.polling import until
from tests.unit.operator.fake_cluster import FakeCluster

from heliograph_common.errors import Temporary
from heliograph_operator.cluster.port import LeaseRecord
from heliograph_operator.election import Election

LEASE = "heliograph-operator"
NOW = datetime(2026, 5, 4, 3, 2, 1, 5, tzinfo=UTC)
RELEASED = LeaseRecord("", 1, NOW, 4, "released")


class MovedClock:
    """Seconds that the test adds to."""

    def __init__(self, began: float) -> None:
        self.now = began

    def __call__(self) -> float:
        return self.now


class Stand:
    """A cluster whose Lease was released, and two candidates with clocks of their own."""

    def __init__(self, cluster: FakeCluster | None = None, *, released: bool = True) -> None:
        self.cluster = cluster or FakeCluster()
        if released:
            self.cluster.leases[LEASE] = RELEASED
        self.clocks = MovedClock(1_000.0), MovedClock(7.0)
        self.one, self.two = (
            Election(self.cluster, LEASE, name, 10.0, clock=clock, now=lambda: NOW)
            for name, clock in zip(("one", "two"), self.clocks, strict=True)
        )

    def after(self, seconds: float) -> None:
        """Time passes for both."""
        for clock in self.clocks:
            clock.now += seconds


async def test_one_acts_and_the_other_knows_it() -> None:
    stand = Stand()
    assert await stand.one.round() == 2.0
    await stand.two.round()
    assert (stand.one.acting, stand.two.acting) == (True, False)
    assert stand.two.holder == "one"
    assert stand.cluster.leases[LEASE].transitions == 5


async def test_the_first_of_all_waits_before_it_acts() -> None:
    """A Lease that is not there may have been deleted by hand from one that acts."""
    stand = Stand(released=False)
    await stand.one.round()
    assert not stand.one.acting
    for _ in range(4):
        stand.after(2)
        await stand.one.round()
    assert stand.one.acting


async def test_who_cannot_renew_stops_and_says_so_once() -> None:
    stand = Stand()
    await stand.one.round()
    stand.cluster.unavailable = True
    assert await stand.one.round() == 1.0
    assert stand.one.acting
    stand.after(6.7)
    assert not stand.one.acting
    stand.cluster.unavailable = False
    await stand.one.round()
    assert stand.one.acting


async def test_another_takes_an_expired_lease_right_when_it_is_over() -> None:
    stand = Stand()
    await stand.one.round()
    waited = 0.0
    while not stand.two.acting:
        seconds = await stand.two.round()
        waited += 0.0 if stand.two.acting else seconds
        stand.after(seconds)
    assert waited == pytest.approx(10.0)
    assert not stand.one.acting


class RacingCluster(FakeCluster):
    """While ``racing``, a person edits the Lease between the two calls of a round."""

    racing = False

    async def lease(self, name: str) -> LeaseRecord | None:
        found = await super().lease(name)
        if self.racing:
            self.edit_lease(name, transitions=8)
        return found


async def test_a_conflict_ends_acting_until_the_lease_was_read_again() -> None:
    cluster = RacingCluster()
    stand = Stand(cluster)
    await stand.one.round()
    cluster.racing = True
    assert await stand.one.round() == 0.5
    assert not stand.one.acting
    cluster.racing = False
    await stand.one.round()
    assert stand.one.acting


async def test_a_stop_hands_over_at_once() -> None:
    stand = Stand()
    await stand.one.start()
    await until(lambda: stand.one.acting)
    await stand.one.stop(5)
    assert not stand.one.acting
    assert stand.cluster.leases[LEASE].holder == ""
    await stand.two.round()
    assert stand.two.acting


async def test_a_stop_leaves_the_lease_of_another_and_survives_the_api_server() -> None:
    stand = Stand()
    await stand.one.round()
    await stand.two.round()
    await stand.two.stop(5)
    assert stand.cluster.leases[LEASE].holder == "one"
    stand.cluster.unavailable = True
    await stand.one.stop(5)
    assert not stand.one.acting


async def test_a_right_that_lacks_is_named_by_the_check() -> None:
    stand = Stand()
    stand.cluster.denied = {"update leases"}
    await stand.one.round()
    await stand.one.check()
    stand.after(10.1)
    with pytest.raises(Temporary, match="update leases"):
        await stand.one.check()
    stand.cluster.denied = set()
    await stand.one.round()
    await stand.one.check()


async def test_it_dies_of_what_nobody_expected() -> None:
    class Broken(FakeCluster):
        """Raises what is no error of the port."""

        async def lease(self, name: str) -> LeaseRecord | None:
            raise ZeroDivisionError

    election = Election(Broken(), LEASE, "one", 10.0)
    await election.start()
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(10):
            await election.died()


async def test_a_part_of_a_second_counts_as_one() -> None:
    cluster = FakeCluster()
    await Election(cluster, LEASE, "one", 3.2).round()
    assert cluster.leases[LEASE].seconds == 4
