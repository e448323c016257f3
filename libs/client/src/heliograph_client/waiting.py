"""Waits for images to be finished: one event stream for all that wait, and polling beside it.

Events say when to look; the image itself is the truth. Where the event stream is not to be had, polling alone carries on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from heliograph_client.errors import HeliographError, WaitTimeout
from heliograph_client.events import Connected, EventStream
from heliograph_client.models import Event, Image, Stages

log = logging.getLogger(__name__)

_FIRST_POLL, _LONGEST_POLL, _POLL_BESIDE_EVENTS = 0.2, 5.0, 10.0
_TURNING_POINTS = frozenset({"image.ready", "image.failed", "image.deleted"})

OnStage = Callable[[int, Stages], None]
"""Called with the progress (0 to 100) and the state of each stage whenever either is heard of, but not with what is older
than what it was called with before."""


class _Wait:
    """One caller's wait for one image."""

    def __init__(self, on_stage: OnStage | None) -> None:
        self.look = asyncio.Event()
        self._on_stage = on_stage
        self._newest = 0

    def hear(self, revision: int, progress: int, stages: Stages) -> None:
        """What an event said, or the image itself; the stream can be behind what was read."""
        if 0 < revision < self._newest:
            return
        self._newest = max(self._newest, revision)
        if self._on_stage:
            self._on_stage(progress, stages)


class Waiter:
    """``open_stream`` makes an event stream; ``get`` reads an image."""

    def __init__(
        self, open_stream: Callable[[Connected], EventStream], get: Callable[[UUID], Awaitable[Image]]
    ) -> None:
        self._open_stream = open_stream
        self._get = get
        self._waits: dict[UUID, set[_Wait]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._hears = False

    async def wait(self, image_id: UUID, seconds: float | None, on_stage: OnStage | None) -> Image:
        """The image, complete or failed.

        Raises:
            WaitTimeout: it was neither within ``seconds``.
            NotFound: it was deleted meanwhile.
        """
        self._pump = self._pump or asyncio.create_task(self._listen())
        wait = _Wait(on_stage)
        self._waits.setdefault(image_id, set()).add(wait)
        try:
            async with asyncio.timeout(seconds):
                return await self._until_finished(image_id, wait)
        except TimeoutError:
            raise WaitTimeout(
                f"image {image_id} was not finished after {seconds:g} s; wait longer, or check `heliograph queue`"
            ) from None
        finally:
            self._waits[image_id].discard(wait)
            if not self._waits[image_id]:
                del self._waits[image_id]

    async def aclose(self) -> None:
        """Ends the event stream."""
        if self._pump:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
            self._pump = None

    async def _until_finished(self, image_id: UUID, wait: _Wait) -> Image:
        interval = _FIRST_POLL
        while True:
            wait.look.clear()
            image = await self._get(image_id)
            wait.hear(image.revision, image.progress, image.stages)
            if image.finished:
                return image
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_BESIDE_EVENTS if self._hears else interval):
                    await wait.look.wait()
            interval = min(interval * 1.5, _LONGEST_POLL)

    async def _listen(self) -> None:
        try:
            async with contextlib.aclosing(self._open_stream(self._connected).items()) as items:
                async for item in items:
                    if isinstance(item, Event):
                        self._tell(item)
                    else:
                        self._all_look()
        except HeliographError as error:
            log.info("waiting without events: %s", error)

    def _connected(self, connected: bool) -> None:
        if connected and not self._hears:
            self._all_look()  # what happened before the first event is known to nobody here
        self._hears = connected

    def _tell(self, event: Event) -> None:
        for wait in self._waits.get(_image_id(event), ()):
            with contextlib.suppress(ValidationError, ValueError):
                progress, stages = int(event.data.get("progress", 0)), Stages.model_validate(event.data.get("stages"))
                wait.hear(event.revision, progress, stages)
            if event.type in _TURNING_POINTS:
                wait.look.set()

    def _all_look(self) -> None:
        for waits in self._waits.values():
            for wait in waits:
                wait.look.set()


def _image_id(event: Event) -> Any:
    try:
        return UUID(event.subject)
    except (ValueError, TypeError):
        return None
