from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import httpx2
import pytest

from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component, serve


class Part:
    """A component that writes what happens to it into ``story``."""

    def __init__(self, name: str, story: list[str], *, fails: str = "", stop_seconds: float = 0.0) -> None:
        self.name = name
        self.dead = asyncio.Event()
        self._story = story
        self._fails = fails
        self._stop_seconds = stop_seconds

    async def start(self) -> None:
        self._story.append(f"start {self.name}")
        if self._fails == "start":
            raise RuntimeError(self.name)

    async def stop(self, deadline_seconds: float) -> None:
        await asyncio.sleep(self._stop_seconds)  # it takes so long
        self._story.append(f"stop {self.name}")
        if self._fails == "stop":
            raise RuntimeError(self.name)

    async def died(self) -> None:
        await self.dead.wait()
        if self._fails == "death":
            raise RuntimeError(self.name)


async def run_until(act: Callable[[], None], components: list[Component], drain_seconds: float = 20) -> int:
    """Serves ``components``, calls ``act`` once they serve, and returns the exit code."""
    health = Health()
    task = asyncio.create_task(serve(components, health, drain_seconds=drain_seconds))
    while health.phase == "starting":
        await asyncio.sleep(0.01)
    act()
    async with asyncio.timeout(30):
        code = await task
    assert health.phase == "draining"
    return code


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_all_in_reverse(number: signal.Signals) -> None:
    story: list[str] = []
    assert await run_until(send(number), [Part("a", story), Part("b", story)]) == 0
    assert story == ["start a", "start b", "stop b", "stop a"]


@pytest.mark.parametrize("fails", ["", "death"])
async def test_a_death_stops_the_others_and_is_not_clean(fails: str) -> None:
    story: list[str] = []
    mortal = Part("a", story, fails=fails)
    assert await run_until(mortal.dead.set, [mortal, Part("b", story)]) == 1
    assert story[-2:] == ["stop b", "stop a"]


async def test_a_failed_start_stops_what_was_started() -> None:
    story: list[str] = []
    parts: list[Component] = [Part("a", story), Part("b", story, fails="start"), Part("c", story)]
    assert await serve(parts, Health(), drain_seconds=5) == 1
    assert story == ["start a", "start b", "stop b", "stop a"]


async def test_one_that_cannot_stop_does_not_keep_the_others_from_it() -> None:
    story: list[str] = []
    parts: list[Component] = [Part("a", story), Part("b", story, fails="stop")]
    assert await run_until(send(signal.SIGTERM), parts) == 1
    assert story[-1] == "stop a"


async def test_one_that_hangs_is_left_behind_at_the_deadline() -> None:
    story: list[str] = []
    parts: list[Component] = [Part("a", story), Part("b", story, stop_seconds=600)]
    assert await run_until(send(signal.SIGTERM), parts, drain_seconds=0.1) == 1
    assert story == ["start a", "start b", "stop a"]


async def test_a_second_signal_quits_at_once() -> None:
    def twice() -> None:
        send(signal.SIGTERM)()
        asyncio.get_running_loop().call_later(0.3, send(signal.SIGTERM))

    story: list[str] = []
    assert await run_until(twice, [Part("a", story, stop_seconds=600)], drain_seconds=600) == 1
    assert "stop a" not in story


_SERVICE = """
import asyncio
from heliograph_common.runtime.lifecycle import run
from heliograph_common.settings import ServiceSettings

class Slow:
    name = "slow"
    async def start(self) -> None: pass
    async def stop(self, deadline_seconds: float) -> None: await asyncio.sleep(1)

async def build(settings, health):
    return [Slow()]

run("example", ServiceSettings, build)
"""


async def readiness(client: httpx2.AsyncClient, url: str) -> tuple[int, str]:
    try:
        response = await client.get(url)
    except httpx2.ConnectError:
        return 0, ""
    return response.status_code, response.json()["status"]


async def test_a_process_is_ready_then_draining_then_gone(unused_tcp_port: int) -> None:
    environment = {**os.environ, "HELIOGRAPH_HTTP__MANAGEMENT_PORT": str(unused_tcp_port)}
    url = f"http://127.0.0.1:{unused_tcp_port}/readyz"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVICE, env=environment, stdout=asyncio.subprocess.PIPE
    )
    seen: list[tuple[int, str]] = []
    async with asyncio.timeout(60), httpx2.AsyncClient() as client:
        while (200, "ready") not in seen:
            seen.append(await readiness(client, url))
            await asyncio.sleep(0.02)
        child.terminate()
        while (503, "draining") not in seen:
            seen.append(await readiness(client, url))
    output, _ = await child.communicate()

    assert child.returncode == 0
    assert b'"event":"stopped"' in output
    assert output.count(b"\n") == len([line for line in output.splitlines() if line.startswith(b"{")])
