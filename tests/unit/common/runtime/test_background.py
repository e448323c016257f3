from __future__ import annotations

import asyncio

import pytest

from heliograph_common.errors import Temporary
from heliograph_common.runtime.background import Periodic, Wakeup


async def test_it_runs_at_once_and_again_until_it_is_stopped() -> None:
    runs = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()

    periodic = Periodic("sweep", interval=0.01, function=work)
    await periodic.start()
    async with asyncio.timeout(10):
        await third.wait()
    await periodic.stop(5)
    stopped_at = runs
    await asyncio.sleep(0.05)  # time to run again, which would be wrong
    assert runs == stopped_at
    await periodic.check()


async def test_it_survives_exceptions_and_waits_as_long_as_they_say() -> None:
    runs = 0
    recovered = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("boom")
        if runs == 2:
            raise Temporary("away", delay=0.01)
        recovered.set()

    periodic = Periodic("sweep", interval=0.01, function=work)
    await periodic.start()
    async with asyncio.timeout(10):
        await recovered.wait()
    await periodic.stop(5)


async def test_stop_waits_for_the_run_in_hand() -> None:
    begun, finished = asyncio.Event(), False

    async def work() -> None:
        nonlocal finished
        begun.set()
        await asyncio.sleep(0.1)  # longer than its interval
        finished = True

    periodic = Periodic("sweep", interval=60, function=work)
    await periodic.start()
    await begun.wait()
    await periodic.stop(30)
    assert finished


async def test_stop_cancels_a_run_that_exceeds_the_deadline() -> None:
    periodic = Periodic("sweep", interval=60, function=asyncio.Event().wait)
    await periodic.start()
    async with asyncio.timeout(10):
        await periodic.stop(0.05)


async def test_check_fails_when_nothing_succeeded_for_long() -> None:
    async def fails() -> None:
        raise Temporary("away", delay=60)

    periodic = Periodic("sweep", interval=1, function=fails, late_seconds=0.05)
    await periodic.start()
    await asyncio.sleep(0.1)  # longer than its interval
    with pytest.raises(Temporary, match="sweep last succeeded"):
        await periodic.check()
    await periodic.stop(5)


async def test_a_wakeup_ends_the_wait_that_is_on_or_the_next_one() -> None:
    wakeup = Wakeup()
    waiting = asyncio.create_task(wakeup.wait(60))
    await asyncio.sleep(0)  # it waits
    wakeup.wake()
    async with asyncio.timeout(10):
        await waiting
        wakeup.wake()
        await wakeup.wait(60)
        await wakeup.wait(0.01)
