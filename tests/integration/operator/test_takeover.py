"""Two operators that are processes: one acts, and the other takes over."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from tests.integration.operator.api_server import WAITING_GROUP
from tests.integration.operator.operators import TARGET, OperatorProcess, ScaledWorkload, operator_process
from tests.polling import until

pytestmark = pytest.mark.xdist_group(WAITING_GROUP)


async def leader_of(*operators: OperatorProcess) -> OperatorProcess:
    """The one that acts, once one does."""
    found: OperatorProcess = await until(lambda: next((one for one in operators if one.leads), None), 60, every=0.1)
    return found


async def test_the_other_takes_over(world: ScaledWorkload, tmp_path: Path) -> None:
    await world.jobs.send(40)
    await world.create_scaler()
    async with (
        operator_process(world, tmp_path / "one.log") as one,
        operator_process(world, tmp_path / "two.log") as two,
        operator_process(world, tmp_path / "three.log") as three,
    ):
        first = await leader_of(one, two, three)
        others = [each for each in (one, two, three) if each is not first]
        assert not any(each.leads for each in others)
        await world.until_replicas(3)

        began = time.monotonic()
        first.child.kill()
        await world.namespace.set_replicas(TARGET, 1)  # which who acts corrects
        second = await leader_of(*others)
        killed = time.monotonic() - began
        await world.until_replicas(3)

        began = time.monotonic()
        second.child.terminate()
        assert await second.child.wait() == 0
        await world.namespace.set_replicas(TARGET, 1)
        third = await leader_of(*(each for each in others if each is not second))
        stopped = time.monotonic() - began
        await world.until_replicas(3)
        assert third.checks() == {}
    sys.stdout.write(f"took over {killed:.1f} s after SIGKILL, {stopped:.1f} s after SIGTERM\n")
    assert killed < 15
    assert set(await world.events()) == {"ScaledUp"}, "none says again what another had said"
