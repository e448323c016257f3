"""The life of a service process: ``__main__`` calls ``run`` with its settings class and its ``bootstrap.build``.

Where files that its settings name are not there yet, it waits for them within ``startup_grace_seconds``; the management
port answers meanwhile, so that nobody restarts it for that.

Components start in the order given and stop in reverse. SIGTERM or SIGINT: ``/readyz`` says ``draining``, then all stop
within ``drain_seconds``; a second signal ends the process at once. A component that dies takes the process with it, exit
code 1: the supervisor (Kubernetes, the embedded stack) starts a fresh one, which is better than half a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NoReturn, Protocol, TypeVar, runtime_checkable

import structlog
import uvloop

from heliograph_common.runtime.awaiting import Awaiting
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.management import management_server
from heliograph_common.setting_sources import SecretsMissing, SecretUnreadable
from heliograph_common.settings import HttpSettings, ServiceSettings, StartSettings
from heliograph_common.telemetry.logs import setup_logs
from heliograph_common.telemetry.tracing import setup_tracing

LEAST_STOP_SECONDS = 1.0
"""What a component gets to stop even when those before it used up the deadline."""

log = structlog.get_logger(__name__)

_Settings = TypeVar("_Settings", bound=ServiceSettings)


class Component(Protocol):
    """A part of a service that is started and stopped."""

    @property
    def name(self) -> str:
        """As it is called in logs."""

    async def start(self) -> None:
        """Returns when it works, raises when it cannot; whatever goes on afterwards runs in its own tasks."""

    async def stop(self, deadline_seconds: float, /) -> None:
        """Finishes what it has in hand within ``deadline_seconds`` and gives everything back."""


@runtime_checkable
class Mortal(Protocol):
    """A component whose own tasks may end unasked."""

    async def died(self) -> None:
        """Waits while it lives; returns or raises when it has ended by itself."""


Meanwhile = Callable[[HttpSettings, Health], Sequence[Component]]
"""Makes the servers of a process that waits for its secrets, beside the management server."""


def run(
    service: str,
    make_settings: Callable[[], _Settings],
    build: Callable[[_Settings, Health], Awaitable[Sequence[Component]]],
    meanwhile: Meanwhile = lambda _settings, _health: (),
) -> NoReturn:
    """Runs a service until it is told to stop, and exits the process: 0 after a clean stop, 1 otherwise.

    ``make_settings`` is its settings class. ``build`` wires the components and registers their checks; it must not do I/O
    that ``start`` could do. ``meanwhile`` makes what serves while the process waits for files with secrets.
    """
    start = StartSettings()
    grace_until = time.monotonic() + start.startup_grace_seconds
    setup_logs(service, start.log)
    try:
        settings = _settings(make_settings, start, grace_until, meanwhile)
    except (SecretsMissing, SecretUnreadable) as error:
        log.error("startup failed", error=str(error))  # noqa: TRY400 - the message says what to do, all of it
        sys.exit(1)
    setup_logs(service, settings.log)
    shutdown_tracing = setup_tracing(service, settings.telemetry)
    code = uvloop.run(_run(settings, build, grace_until))
    shutdown_tracing()
    sys.exit(code)


def _settings(
    make_settings: Callable[[], _Settings], start: StartSettings, grace_until: float, meanwhile: Meanwhile
) -> _Settings:
    """The settings; exits the process where it is told to stop, or cannot serve, before they are complete.

    Raises:
        SecretsMissing: files that they name are not there within the grace period.
    """
    try:
        return make_settings()
    except SecretsMissing as missing:
        awaiting = Awaiting(make_settings, missing, grace_until)
    code = uvloop.run(_await_secrets(awaiting, start.http, Health(grace_until=grace_until), meanwhile))
    if code is not None:
        sys.exit(code)
    return make_settings()


async def _await_secrets(awaiting: Awaiting, http: HttpSettings, health: Health, meanwhile: Meanwhile) -> int | None:
    """Returns ``None`` when they are there, else the exit code."""
    health.register("secrets", awaiting.check)
    servers = [management_server(http, health), *meanwhile(http, health)]
    started: list[Component] = []

    async def wait() -> bool:
        if not await _start(servers, started):
            return False
        await awaiting.wait()
        return True

    with _signals() as (stop, _):
        try:
            clean = await _until(stop, wait())
        finally:
            await _stop(started, LEAST_STOP_SECONDS)
        if stop.is_set():
            return 0
        return None if clean else 1


async def _run(
    settings: _Settings, build: Callable[[_Settings, Health], Awaitable[Sequence[Component]]], grace_until: float
) -> int:
    health = Health(grace_until=grace_until)
    try:
        components = await build(settings, health)
    except Exception:
        log.exception("startup failed")
        return 1
    management = management_server(settings.http, health)
    return await serve([management, *components], health, drain_seconds=settings.drain_seconds)


async def serve(components: Sequence[Component], health: Health, *, drain_seconds: float) -> int:
    """Starts ``components``, waits for a signal or a death, stops them; returns the exit code."""
    started: list[Component] = []
    clean = True
    with _signals() as (stop, quit_now):
        try:
            clean = await _until(stop, _start(components, started))
            if clean and not stop.is_set():
                health.phase = "serving"
                log.info("serving", components=[component.name for component in components])
                clean = await _until(stop, _first_death(components))
        finally:
            health.phase = "draining"
            log.info("draining", seconds=drain_seconds)
            stopped = await _until(quit_now, _stop(started, drain_seconds))
    log.info("stopped", clean=clean and stopped)
    return 0 if clean and stopped and not quit_now.is_set() else 1


async def _start(components: Sequence[Component], started: list[Component]) -> bool:
    for component in components:
        started.append(component)  # before its start, so that one that got half way is stopped too
        try:
            await component.start()
        except Exception:
            log.exception("component start failed", component=component.name)
            return False
    return True


async def _first_death(components: Sequence[Component]) -> bool:
    """Waits until a component ended by itself, which is never clean."""
    watches = {
        asyncio.create_task(component.died()): component.name
        for component in components
        if isinstance(component, Mortal)
    }
    try:
        if not watches:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
        for watch in done:
            log.error("component failed", component=watches[watch], exc_info=watch.exception())
    finally:
        for watch in watches:
            watch.cancel()
    return False


async def _stop(started: Sequence[Component], drain_seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + drain_seconds
    clean = True
    for component in reversed(started):
        left = max(deadline - loop.time(), LEAST_STOP_SECONDS)
        try:
            async with asyncio.timeout(left + LEAST_STOP_SECONDS):
                await component.stop(left)
        except Exception:
            log.exception("component stop failed", component=component.name)
            clean = False
    return clean


async def _until(event: asyncio.Event, work: Awaitable[bool]) -> bool:
    """The result of ``work``; or ``True`` when ``event`` came first, ``work`` being cancelled then."""
    task, waiting = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else True
    finally:
        for pending in (task, waiting):
            pending.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


@contextlib.contextmanager
def _signals() -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Two events: the first signal sets one, the second the other."""
    stop, quit_now = asyncio.Event(), asyncio.Event()

    def received(number: signal.Signals) -> None:
        log.info("signal received", signal=number.name, again=stop.is_set())
        (quit_now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, received, number)
    try:
        yield stop, quit_now
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
