"""Watches the ``StreamScaler`` resources of a namespace with kopf, and tells a store what it sees.

kopf runs in a thread with an event loop of its own, as its documentation has it for embedding: in the main thread it takes
over the signals of the process, and when it ends it cancels every task that began after it, whoever began it. It ends
for good when a request fails too often, is refused, or the resource does not exist; then it is started again.

What a watch cannot tell is left to ``listing``: deletions while it was interrupted."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import kopf
import structlog

from heliograph_common.errors import Unavailable
from heliograph_operator.resources.store import Store

GROUP, VERSION, PLURAL = "heliograph.dev", "v1", "streamscalers"

REQUEST_SECONDS = 10.0
WATCH_SECONDS = 30
"""How long the API server keeps one watch open: it checks the right to watch only when it begins."""
SETTLED_SECONDS = 20.0
"""kopf works when it has run for so long: it needs up to 18 s to find out that it cannot."""
IDENTITY: Any = "heliograph-operator"
"""Of kopf's peering, which is off. Without one kopf looks for the name of the user, and in a container there is none."""
CLOSING_SECONDS = 0.25
"""What aiohttp needs after the end of a session to close connections with TLS, by its documentation."""
PAUSES = (1.0, 2.0, 5.0)
"""Seconds from one failure of kopf to its next start."""

log = structlog.get_logger(__name__)


class Watch:
    """A component. ``namespace`` is watched, ``store`` is fed."""

    name = "watch"

    def __init__(self, namespace: str, store: Store) -> None:
        self._namespace = namespace
        self._store = store
        self._failure = ""
        self._failures = 0
        self._began_at = 0.0
        self._stopping = threading.Event()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to watch; what there is, is in the store a moment later."""
        # kopf tells each attempt of each request, and what it raises is in our own log
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        self._task = asyncio.create_task(self._supervise(), name="watch")

    async def stop(self, deadline_seconds: float) -> None:
        """Ends kopf, which may take a moment; after ``deadline_seconds`` its thread is left to end with the process."""
        self._stopping.set()
        self._stop_kopf()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=deadline_seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def died(self) -> None:
        """Returns when it does not even try again."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def check(self) -> None:
        """For ``Health``: raises while it cannot watch."""
        if self._failure:
            raise Unavailable(f"StreamScalers cannot be watched, their changes are seen late: {self._failure}")

    def restart(self) -> None:
        """Watches from the beginning, because it has missed something; not where it has only just begun."""
        if time.monotonic() - self._began_at > SETTLED_SECONDS:
            self._stop_kopf()

    async def _supervise(self) -> None:
        while not self._stopping.is_set():
            self._began_at = time.monotonic()
            ended = self._spawn()
            done, _ = await asyncio.wait([ended], timeout=SETTLED_SECONDS)
            if not done:
                self._recovered()
            error = await ended
            if self._stopping.is_set():
                return
            pause = self._failed(error) if error is not None else 0.0
            await asyncio.sleep(pause)

    def _recovered(self) -> None:
        if self._failure:
            log.info("StreamScalers are watched again", after_failures=self._failures)
        self._failure, self._failures = "", 0

    def _failed(self, error: BaseException) -> float:
        """Seconds to the next start."""
        reason = _reason(error)
        if reason != self._failure:  # once for each reason, not for each attempt
            log.warning("StreamScalers cannot be watched; trying again", error=reason)
        self._failure = reason
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        return pause

    def _spawn(self) -> asyncio.Future[BaseException | None]:
        """Runs kopf in a thread; the result is what ended it, ``None`` where it was asked to."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(error)

        def target() -> None:
            error: BaseException | None = None
            try:
                asyncio.run(self._kopf(loop))
            except BaseException as raised:  # noqa: BLE001 - whatever it is, it is started again
                error = raised
            self._running = None
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, error)

        threading.Thread(target=target, name="kopf", daemon=True).start()
        return ended

    def _stop_kopf(self) -> None:
        if (running := self._running) is not None:
            loop, flag = running
            try:
                loop.call_soon_threadsafe(flag.set)
            except RuntimeError:  # it has just ended by itself
                return

    async def _kopf(self, main: asyncio.AbstractEventLoop) -> None:
        """In the thread of kopf."""
        flag = asyncio.Event()
        self._running = (asyncio.get_running_loop(), flag)
        if self._stopping.is_set():
            return
        try:
            await kopf.operator(
                registry=self._registry(main),
                settings=settings(),
                standalone=True,
                identity=IDENTITY,
                namespaces=[self._namespace],
                stop_flag=flag,
            )
        finally:
            await asyncio.sleep(CLOSING_SECONDS)

    def _registry(self, main: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def changed(event: Any, **_: Any) -> None:
            main.call_soon_threadsafe(self._changed, event["type"], event["object"])

        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(changed)
        kopf.on.login(registry=registry, retries=3, backoff=1.0)(login)
        return registry

    def _changed(self, kind: str | None, found: Mapping[str, Any]) -> None:
        """In the main thread. ``kind`` is ``None`` for what the list at the start has."""
        if kind == "DELETED":
            self._store.remove(found["metadata"]["name"], found["metadata"]["uid"])
        else:
            self._store.put(found)


def settings() -> kopf.OperatorSettings:
    """kopf watches and does nothing else: no peering, no Events, no annotations, nothing of the whole cluster."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.process.ultimate_exiting_timeout = None  # or it kills the process some minutes after a failure
    chosen.queueing.exit_timeout = 1.0
    chosen.networking.request_timeout = REQUEST_SECONDS
    chosen.networking.connect_timeout = REQUEST_SECONDS / 2
    chosen.networking.error_backoffs = (1.0, 2.0)
    chosen.watching.server_timeout = WATCH_SECONDS
    chosen.watching.client_timeout = WATCH_SECONDS + REQUEST_SECONDS
    chosen.watching.connect_timeout = REQUEST_SECONDS / 2
    chosen.watching.inactivity_timeout = WATCH_SECONDS + REQUEST_SECONDS
    return chosen


async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """As the service account of the pod, else as the kubeconfig says. The token is read again whenever the API server says
    that it is no longer valid. Not a plain function: that would take a thread for each start."""
    account = kopf.login_with_service_account(**kwargs)
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if account is None or not host:
        return account or kopf.login_with_kubeconfig(**kwargs)
    address = f"[{host}]" if ":" in host else host
    return dataclasses.replace(account, server=f"https://{address}:{port}")


def _reason(error: BaseException) -> str:
    text = str(error.args[0]) if error.args else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
