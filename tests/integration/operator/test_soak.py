"""A day of ticks, compressed: the memory of an operator stays level. ``HELIOGRAPH_TEST_SOAK_SECONDS`` makes it longer.

Each tick reads the signal and the scale, writes the status and sees that change by its watch. (kopf has leaked where status
was patched from timers: https://github.com/nolar/kopf/issues/1172.)"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.operator.api_server import WAITING_GROUP
from tests.integration.operator.operators import SCALER, TARGET, OperatorProcess, ScaledWorkload, operator_process
from tests.polling import until

SECONDS = float(os.environ.get("HELIOGRAPH_TEST_SOAK_SECONDS", "25"))
pytestmark = [pytest.mark.xdist_group(WAITING_GROUP), pytest.mark.unmeasured, pytest.mark.timeout(SECONDS + 150)]

WARM_TICKS = 600
"""Caches, pools and the allocator's arenas are full after so many."""
SCALERS = 4
MOST_GROWTH = 6 << 20
TICKS = "heliograph_operator_tick_duration_seconds_count"


async def reached(operator: OperatorProcess, ticks: float, seconds: float) -> None:
    """Returns once it has had so many ticks, or after ``seconds``."""
    deadline = time.monotonic() + seconds
    await until(lambda: time.monotonic() > deadline or (operator.metric(TICKS) or 0) >= ticks, seconds + 30, every=0.5)


async def version(world: ScaledWorkload) -> int:
    """Of the newest write that the API server has had, which counts up by one with each."""
    return int((await world.namespace.scaler("scaler-0"))["metadata"]["resourceVersion"])


@asynccontextmanager
async def arriving(world: ScaledWorkload) -> AsyncIterator[None]:
    """Messages come all the time, so that each status differs from the one before: the API server writes no other."""

    enough = False

    async def send() -> None:
        while not enough:
            await world.jobs.send(1)
            await asyncio.sleep(0.01)  # as quick as ticks are; more would only take their processor

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        try:
            yield
        finally:
            enough = True


async def test_memory_stays_level(world: ScaledWorkload, tmp_path: Path) -> None:
    for number in range(SCALERS):
        await world.namespace.create_scaler(f"scaler-{number}", TARGET, **{**SCALER, "dryRun": True})
    variables = {"TICK_SECONDS": 0.005, "FIGURES_SECONDS": 0.001, "LEASE_SECONDS": 3}
    async with arriving(world), operator_process(world, tmp_path / "soak.log", **variables) as operator:
        await reached(operator, WARM_TICKS, 90)
        began, before, first = operator.metric(TICKS), operator.resident_bytes, await version(world)
        assert began is not None
        assert began >= WARM_TICKS, operator.log.read_text(encoding="utf-8")[-2000:]
        await reached(operator, float("inf"), SECONDS)
        ended, after = operator.metric(TICKS), operator.resident_bytes
        assert ended is not None
        assert await version(world) - first > (ended - began) * 0.8, "each tick writes a status"
        assert operator.checks() == {}
    ticks, growth = ended - began, after - before
    sys.stdout.write(f"{ticks:.0f} ticks: {before / 2**20:.1f} -> {after / 2**20:.1f} MiB\n")
    assert ticks > 300
    assert growth < MOST_GROWTH
