"""Many scalers at once: none holds up another, and a standstill is noticed."""

from __future__ import annotations

import asyncio

import pytest
from tests.components import started
from tests.polling import until
from tests.unit.operator.support import ScriptedOperator

from heliograph_common.errors import Temporary
from heliograph_common.telemetry import metrics
from heliograph_operator.loop import Loop
from heliograph_operator.model import Target


class Lease:
    """Held, or not."""

    def __init__(self, *, acting: bool = True) -> None:
        self.acting = acting


def loop_of(
    operator: ScriptedOperator,
    lease: Lease,
    *,
    look_seconds: float = 15.0,
    stuck_seconds: float = 30.0,
    dead_seconds: float = 60.0,
) -> Loop:
    """A loop in real time over a reconciler in its own."""
    return Loop(
        operator.store,
        operator.reconciler,
        lease,
        tick_seconds=0.01,
        look_seconds=look_seconds,
        stuck_seconds=stuck_seconds,
        dead_seconds=dead_seconds,
    )


def value(metric: str, **labels: str) -> float | None:
    """What is exported now."""
    return metrics.REGISTRY.get_sample_value(metric, labels)


async def test_one_that_hangs_holds_up_no_other() -> None:
    operator = ScriptedOperator(stream="HANGS", replicas=0)
    operator.put("two", target=Target("Deployment", "other"))
    operator.load(40)
    operator.signals.hangs = {"HANGS"}
    loop = loop_of(operator, Lease())
    async with started([loop], stop_seconds=0.1):
        await until(lambda: operator.signals.looks.count("WORK") > 5)
        assert operator.signals.looks.count("HANGS") == 1
        await loop.check()
    assert operator.cluster.set_to == [3]


async def test_a_look_that_takes_too_long_is_given_up_and_begun_again() -> None:
    operator = ScriptedOperator(stream="HANGS")
    operator.signals.hangs = {"HANGS"}
    async with started([loop_of(operator, Lease(), look_seconds=0.02)]):
        await until(lambda: operator.signals.looks.count("HANGS") > 2)


async def test_a_standstill_fails_the_check() -> None:
    operator = ScriptedOperator(stream="HANGS")
    operator.signals.hangs = {"HANGS"}
    loop = loop_of(operator, Lease(), stuck_seconds=0.05)

    async def stuck() -> bool:
        try:
            await loop.check()
        except Temporary:
            return True
        return False

    async with started([loop], stop_seconds=0.1):
        await until(stuck)


@pytest.mark.parametrize("how", ["times out", "fails", "hangs"])
async def test_who_acts_and_gets_nowhere_ends_so_that_another_takes_over(how: str) -> None:
    operator = ScriptedOperator(stream="HANGS")
    operator.signals.hangs = set() if how == "fails" else {"HANGS"}
    operator.signals.fault = ZeroDivisionError()
    loop = loop_of(operator, Lease(), look_seconds=15.0 if how == "hangs" else 0.02, dead_seconds=0.3)
    async with started([loop], stop_seconds=0.1):
        with pytest.raises(Temporary, match="no look has succeeded"):
            async with asyncio.timeout(10):
                await loop.died()


@pytest.mark.parametrize("why", ["one of two works", "told why it holds", "stands by", "nothing to look at"])
async def test_who_gets_somewhere_or_has_nothing_to_do_lives(why: str) -> None:
    operator = ScriptedOperator(stream="HANGS")
    lease = Lease(acting=why != "stands by")
    if why == "one of two works":
        operator.put("two", target=Target("Deployment", "other"))
        operator.signals.hangs = {"HANGS"}
    elif why == "told why it holds":
        operator.cluster.exists = False
    elif why == "stands by":
        operator.signals.fault = ZeroDivisionError()
    else:
        operator.store.remove("one", "uid-one")
    loop = loop_of(operator, lease, look_seconds=5.0, dead_seconds=0.5)
    async with started([loop], stop_seconds=0.1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.2):
                await loop.died()


async def test_who_stands_by_looks_and_does_nothing() -> None:
    operator = ScriptedOperator(stream="WORK", replicas=0)
    operator.load(40)
    lease = Lease(acting=False)
    operator.acting = False
    loop = loop_of(operator, lease, stuck_seconds=0.2)
    async with started([loop]):
        await until(lambda: len(operator.signals.looks) > 2)
        assert operator.cluster.calls == []
        assert value("heliograph_operator_leader") == 0
        lease.acting = operator.acting = True
        await until(lambda: operator.cluster.set_to == [3])
        assert value("heliograph_operator_leader") == 1
    assert value("heliograph_operator_leader") == 0


async def test_what_is_measured_of_a_scaler_goes_with_it() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    async with started([loop_of(operator, Lease())]):
        await until(lambda: value("heliograph_operator_replicas", scaler="one") == 3)
        assert value("heliograph_operator_condition", scaler="one", condition="Ready") == 1
        assert value("heliograph_operator_decisions_total", scaler="one", term="Drain", direction="up") == 1
        operator.store.remove("one", "uid-one")
        await until(lambda: value("heliograph_operator_replicas", scaler="one") is None)
    assert value("heliograph_operator_condition", scaler="one", condition="Ready") is None
    assert value("heliograph_operator_decisions_total", scaler="one", term="Drain", direction="up") is None


async def test_it_has_died_when_its_task_has() -> None:
    operator = ScriptedOperator()
    loop = loop_of(operator, Lease())
    async with started([loop]):
        operator.store.scalers = None  # type: ignore[assignment,method-assign]
        with pytest.raises(TypeError):
            await loop.died()
