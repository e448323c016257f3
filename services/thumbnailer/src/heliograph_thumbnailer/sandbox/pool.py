"""Renders in confined processes that can be killed; the parent never decodes.

Children are forked from a zygote that has all libraries loaded, serve a bounded number of pictures, and are replaced
at once after any failure. A child reads the picture's header, the parent predicts the memory by it and admits the job;
so a picture's bytes are read in the child alone. Left out: messages, storage, retries.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from heliograph_common import errors
from heliograph_common.errors import BadImage, ImageTooLarge, RejectedImage, UnsupportedImage
from heliograph_common.ingest import sniff
from heliograph_common.ingest.headers import Header
from heliograph_common.telemetry import metrics
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob, VariantsDone
from heliograph_thumbnailer.sandbox import wire
from heliograph_thumbnailer.sandbox.budget import MemoryBudget
from heliograph_thumbnailer.sandbox.cost import predict
from heliograph_thumbnailer.sandbox.zygote import Child, RenderCrashed, RenderUnavailable, Zygote

__all__ = ["Original", "PoolLimits", "RenderCrashed", "RenderPool", "RenderTimeout", "RenderUnavailable"]

log = logging.getLogger(__name__)

Original = bytes | int | Path
"""An original in memory, as an open descriptor (which stays the caller's), or as a file."""

_REFUSALS: dict[str, type[RejectedImage]] = {
    kind.__name__: kind for kind in (BadImage, errors.EmptyImage, UnsupportedImage, ImageTooLarge)
}


class RenderTimeout(RenderCrashed):
    """The render took longer than its wall limit and was killed: it is tried again, and given up after some attempts."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What one job and one child may use: seconds, bytes over all jobs, and pictures and bytes until replacement.

    ``fork_seconds``: how long a new child may take until it is ready, the start of the zygote included.
    """

    wall_seconds: float = 60.0
    cpu_seconds: int = 60
    memory_budget: int = 1 << 30
    jobs_per_child: int = 100
    resident_bytes: int = 256 << 20
    fork_seconds: float = 30.0


class RenderPool:
    """``slots`` renders at a time; make it, ``start`` it, ``render``, ``stop`` it, all on one event loop."""

    name = "render-pool"

    def __init__(self, slots: int, limits: PoolLimits | None = None) -> None:
        self.slots = slots
        self._limits = limits or PoolLimits()
        self._budget = MemoryBudget(self._limits.memory_budget)
        self._free = asyncio.Semaphore(slots)
        self._zygote = Zygote(self._limits.fork_seconds)
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        self._refused: RenderUnavailable | None = None
        self._stopped = False

    async def start(self) -> None:
        """Starts the zygote and a warm child a slot; logs once what the kernel refused to confine."""
        self._idle = list(await asyncio.gather(*(self._zygote.fork() for _ in range(self.slots))))
        if self._idle and self._idle[0].refused:
            log.warning("render processes not fully confined: %s", self._idle[0].refused)

    async def stop(self, deadline_seconds: float = 0.0) -> None:
        """Kills every child, working or not; a render in hand raises ``RenderUnavailable``."""
        self._stopped = True
        for task in list(self._replacing):
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        for child in self._idle:
            child.close()
        for child in self._busy:
            child.kill()
        self._idle.clear()
        await self._zygote.close()

    async def ready(self) -> None:
        """Whether the next render will have a child. Where the last fork failed another one is tried, one at a time however
        many ask, and within its limit (``fork_seconds``) however long they wait.

        Raises:
            RenderUnavailable: it failed too.
        """
        self._drop_ended()
        if self._refused is None or self._idle or len(self._busy) >= self.slots:
            return
        if not self._replacing:
            self._replace()
        if self._replacing:
            await asyncio.wait(set(self._replacing), return_when=asyncio.FIRST_COMPLETED)
        if self._refused is not None and not self._idle:
            raise RenderUnavailable(str(self._refused), delay=self._refused.delay)

    async def render(self, original: Original, job: RenderJob) -> AsyncGenerator[RenderEvent]:
        """Yields ``ThumbnailsDone``, then ``VariantsDone``; wrap it in ``contextlib.aclosing`` if you may leave early.

        Raises ``BadImage``, ``UnsupportedImage``, ``ImageTooLarge`` for the picture's own fault, ``RenderTimeout`` or
        ``RenderCrashed`` (temporary) where the child was killed or died with it, ``RenderUnavailable`` where there was
        no child. Waits for a slot and for memory first, until it is cancelled.
        """
        with _counted(), _descriptor(original) as descriptor:
            async with self._free, self._child() as child:
                child.send(wire.Work(job, self._limits.cpu_seconds), descriptor)
                header = await self._measure(child)
                memory = self._predict(child, header, os.fstat(descriptor).st_size, job)
                async with self._budget.admit(memory):
                    child.order(wire.Begin(2 * memory + (192 << 20)))
                    async with contextlib.aclosing(self._events(child)) as events:
                        async for event in events:
                            yield event

    async def _measure(self, child: Child) -> Header:
        with self._wall_limit(child):
            answer = await self._answer(child)
        if not isinstance(answer, Header) or min(answer.width, answer.height, answer.frames) < 1:
            raise RenderCrashed("the render process sent an invalid answer: no header")
        return answer

    def _predict(self, child: Child, header: Header, size: int, job: RenderJob) -> int:
        """Bytes that the job takes. A picture that is refused for them is dropped by the child, which stays good."""
        try:
            sniff.check(header, size, job.limits)
            memory = predict(header, size, job)
            self._budget.check(memory)
        except RejectedImage:
            child.order(wire.Drop())
            raise
        return memory

    async def _events(self, child: Child) -> AsyncGenerator[RenderEvent]:
        with self._wall_limit(child):
            while True:
                event = await self._answer(child)
                if isinstance(event, Header):
                    raise RenderCrashed("the render process sent an invalid answer: a second header")
                yield event
                if isinstance(event, VariantsDone):
                    return

    @contextmanager
    def _wall_limit(self, child: Child) -> Iterator[None]:
        # A timer, not a timeout of the receiving: time that the caller takes between two events is not the child's.
        late: list[Child] = []

        def expire() -> None:
            late.append(child)
            child.kill()

        timer = asyncio.get_running_loop().call_later(self._limits.wall_seconds, expire)
        try:
            yield
        except RenderCrashed as error:
            if not late:
                raise
            raise RenderTimeout(
                f"the render took longer than {self._limits.wall_seconds:g} s and was killed: "
                "scale the picture down or have the limit raised"
            ) from error
        finally:
            timer.cancel()

    async def _answer(self, child: Child) -> Header | RenderEvent:
        try:
            return _opened(*await child.receive())
        except (ValueError, msgspec.ValidationError) as error:
            raise RenderCrashed(f"the render process sent an invalid answer: {error}") from error

    @contextlib.asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        """A child for one job. It is used again only if the job ended well and the child is neither old nor large."""
        child = await self._take()
        self._busy.add(child)
        child.jobs += 1
        in_order = False
        try:
            yield child
            in_order = True
        except RejectedImage:
            in_order = True  # the child refused by itself
            raise
        finally:
            self._busy.discard(child)
            if in_order and self._fit(child):
                self._idle.append(child)
            else:
                child.close()
                self._replace()

    async def _take(self) -> Child:
        while True:
            self._drop_ended()
            if self._idle:
                return self._idle.pop()
            if not self._replacing:
                return await self._fork()
            await asyncio.wait(set(self._replacing), return_when=asyncio.FIRST_COMPLETED)

    def _drop_ended(self) -> None:
        """An idle child can die too, with its zygote or for want of memory."""
        for child in [child for child in self._idle if child.ended]:
            self._idle.remove(child)
            child.close()

    async def _fork(self) -> Child:
        try:
            child = await self._zygote.fork()
        except RenderUnavailable as error:
            self._refused = error
            raise
        self._refused = None
        return child

    def _fit(self, child: Child) -> bool:
        """Whether ``child`` may serve another picture: neither too old nor too large, and there is a slot for it."""
        return (
            not self._stopped
            and child.jobs < self._limits.jobs_per_child
            and 0 < child.resident() < self._limits.resident_bytes
            and len(self._idle) + len(self._busy) < self.slots
        )

    def _replace(self) -> None:
        if self._stopped or len(self._idle) + len(self._busy) + len(self._replacing) >= self.slots:
            return

        async def fork() -> None:
            try:
                child = await self._fork()
            except RenderUnavailable as error:
                log.warning("render process not replaced: %s", error)
                return
            if self._stopped:
                child.close()
            else:
                self._idle.append(child)

        task = asyncio.create_task(fork())
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)


@contextmanager
def _counted() -> Iterator[None]:
    """Counts a render by how it ended; one that nobody waited for any more is not counted."""
    try:
        yield
    except RejectedImage:
        metrics.render_children.labels(outcome="failed").inc()
        raise
    except RenderCrashed as error:
        metrics.render_children.labels(outcome="timeout" if isinstance(error, RenderTimeout) else "killed").inc()
        raise
    metrics.render_children.labels(outcome="ok").inc()


def _opened(message: wire.FromChild, descriptor: int | None) -> Header | RenderEvent:
    """The header or event that ``message`` carries; raises the refusal that it is."""
    try:
        if isinstance(message, wire.Measured):
            return message.header
        if isinstance(message, wire.Refused):
            raise _REFUSALS.get(message.kind, RenderCrashed)(message.message)
        if not isinstance(message, wire.Done) or descriptor is None:
            raise ValueError("no event")
        return wire.unpack(message, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def _descriptor(original: Original) -> Iterator[int]:
    """A descriptor to read ``original`` from; closed afterwards unless it is the caller's."""
    if isinstance(original, int):
        yield original
        return
    descriptor = (
        os.open(original, os.O_RDONLY | os.O_CLOEXEC) if isinstance(original, Path) else wire.memory_file([original])
    )
    try:
        yield descriptor
    finally:
        os.close(descriptor)
