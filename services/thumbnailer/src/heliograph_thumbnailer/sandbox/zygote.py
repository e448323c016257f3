"""The parent's side of the zygote: starts it, asks it for children, learns of their ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque

from heliograph_common.errors import Temporary, Unavailable
from heliograph_thumbnailer.sandbox import wire

_ZYGOTE_DIED = "the process that forks render processes died"
_STOP_SECONDS = 5.0
_DELAY = 1.0  # seconds until a machine at its limits is asked again


class RenderCrashed(Temporary):
    """The render process died with this picture: it is tried again, and given up after some attempts."""


class RenderUnavailable(Unavailable):
    """No render process could be had, whatever the picture: check the machine's memory, processes and descriptors."""


class Child:
    """A confined render process: its channel, and a pidfd that cannot come to mean another process."""

    def __init__(self, pid: int, pidfd: int, channel: socket.socket, ended: asyncio.Future[int | None]) -> None:
        self.pid = pid
        self.jobs = 0
        self.refused = ""
        self._pidfd = pidfd
        self._channel = channel
        self._ended = ended

    def send(self, message: wire.Work, original: int) -> None:
        """Hands a job over; ``RenderUnavailable`` where the child is gone and so has not seen the picture."""
        try:
            wire.send(self._channel, message, [original])
        except OSError as error:
            raise RenderUnavailable("the render process died while it was idle", delay=_DELAY) from error

    def order(self, message: wire.Begin | wire.Drop) -> None:
        """Says how to go on with the job. One that died of it meanwhile is met by the next ``receive``."""
        with contextlib.suppress(OSError):
            wire.send(self._channel, message)

    async def receive(self) -> tuple[wire.FromChild, int | None]:
        """Its next message and descriptor (the caller closes it).

        Raises:
            RenderCrashed: it died.
            RenderUnavailable: it was ended with the zygote.
        """
        await _readable(self._channel)
        try:
            packet, descriptors = wire.receive(self._channel)
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            raise await self._death()
        for spare in descriptors[1:]:
            os.close(spare)
        return wire.decode_child(packet), descriptors[0] if descriptors else None

    def resident(self) -> int:
        """Bytes of memory it holds now; 0 once it is gone."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:  # noqa: PTH123 - hot, and no path to juggle
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0

    def kill(self) -> None:
        """Ends it at once, whatever it does; what it sent before can still be received, and nothing is waited for."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)  # a process that hangs in the kernel does not end by a signal

    def close(self) -> None:
        """Ends it, if it has not, and frees what belongs to it here."""
        self.kill()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._pidfd = -1
        self._channel.close()

    @property
    def ended(self) -> bool:
        """Whether its end was reported."""
        return self._ended.done()

    async def _death(self) -> Temporary:
        try:
            async with asyncio.timeout(2):
                status = await asyncio.shield(self._ended)
        except TimeoutError:
            return RenderCrashed("the render process died: its end was not reported")
        if status is None:
            return RenderUnavailable(_ZYGOTE_DIED, delay=_DELAY)
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            detail = {"SIGXCPU": "it used up its CPU time"}.get(name, f"signal {name}")
            return RenderCrashed(f"the render process died: {detail}")
        return RenderCrashed(f"the render process died: exit status {os.waitstatus_to_exitcode(status)}")


class Zygote:
    """The process that children are forked from; started again by the next ``fork`` if it died.

    ``answer_seconds``: how long it may take to start and to fork, and a child to be ready; then it is killed.
    """

    def __init__(self, answer_seconds: float = 30.0) -> None:
        self._answer_seconds = answer_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._forks: deque[asyncio.Future[tuple[int, int]]] = deque()
        self._ends: dict[int, asyncio.Future[int | None]] = {}
        self._starting = asyncio.Lock()

    async def fork(self) -> Child:
        """A new child, confined and ready.

        Raises:
            RenderUnavailable: the machine grants none, or the zygote or the child did not answer in time.
        """
        try:
            mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise _not_granted(error) from error
        mine.setblocking(False)
        try:
            with theirs:
                pid, pidfd = await self._answer(theirs)
        except BaseException:
            mine.close()
            raise
        child = Child(pid, pidfd, mine, self._ends.setdefault(pid, asyncio.get_running_loop().create_future()))
        await self.ready(child)
        return child

    async def ready(self, child: Child) -> None:
        """Waits until ``child`` is confined and ready; kills it and raises ``RenderUnavailable`` where it is late."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                message, _ = await child.receive()
        except (TimeoutError, RenderCrashed) as error:
            child.close()
            raise RenderUnavailable(f"a render process did not become ready ({error!r})", delay=_DELAY) from error
        except BaseException:
            child.close()
            raise
        if isinstance(message, wire.Ready):
            child.refused = message.refused

    async def _answer(self, channel: socket.socket) -> tuple[int, int]:
        """``_ask`` of a zygote that runs, within the time; one that takes longer is killed."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                async with self._starting:
                    if self._control is None:
                        await self._start()
                return await self._ask(channel)
        except TimeoutError as error:
            self._kill()
            raise RenderUnavailable(
                f"the process that forks render processes did not answer in {self._answer_seconds:g} s and was killed",
                delay=_DELAY,
            ) from error
        except OSError as error:
            raise _not_granted(error) from error

    async def _ask(self, channel: socket.socket) -> tuple[int, int]:
        """Has a child forked that serves ``channel``; its pid and pidfd."""
        forked: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        if self._control is None:
            raise RenderUnavailable(_ZYGOTE_DIED, delay=_DELAY)
        self._forks.append(forked)
        try:
            wire.send(self._control, wire.Fork(), [channel.fileno()])
        except OSError:
            self._lost()
        return await forked

    async def close(self) -> None:
        """Ends the zygote and, through the kernel, every child of it."""
        process, self._process = self._process, None
        self._lost()
        if process is not None and not await _ends_in_time(process):
            process.kill()
            await _ends_in_time(process)

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._lost()

    async def _start(self) -> None:
        if self._process is not None:
            self._kill()
            await self._process.wait()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-m",
                    "heliograph_thumbnailer.sandbox.child",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    env={"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException:
            mine.close()
            raise
        mine.setblocking(False)
        self._control = mine
        asyncio.get_running_loop().add_reader(mine.fileno(), self._heard)

    def _heard(self) -> None:
        if self._control is None:
            return
        try:
            packet, descriptors = wire.receive(self._control)
        except BlockingIOError:
            return
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            self._lost()
            return
        message = wire.decode_zygote(packet)
        if isinstance(message, wire.Exited):
            ended = self._ends.pop(message.pid, None)
            if ended is not None and not ended.done():
                ended.set_result(message.status)
        else:
            self._settle(self._forks.popleft(), message, descriptors)

    def _settle(
        self, forked: asyncio.Future[tuple[int, int]], message: wire.Forked | wire.NotForked, descriptors: list[int]
    ) -> None:
        """Ends the wait for a child; one that nobody waits for any more ends by itself, with its channel."""
        if isinstance(message, wire.Forked) and descriptors and not forked.done():
            self._ends.setdefault(message.pid, asyncio.get_running_loop().create_future())
            forked.set_result((message.pid, descriptors[0]))
            return
        for descriptor in descriptors:
            os.close(descriptor)
        if not forked.done():
            reason = message.reason if isinstance(message, wire.NotForked) else "out of file descriptors"
            forked.set_exception(_not_granted(reason))

    def _lost(self) -> None:
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        while self._forks:
            forked = self._forks.popleft()
            if not forked.done():
                forked.set_exception(RenderUnavailable(_ZYGOTE_DIED, delay=_DELAY))
        for ended in self._ends.values():
            if not ended.done():
                ended.set_result(None)  # the kernel ends the children with their zygote
        self._ends.clear()


def _not_granted(reason: object) -> RenderUnavailable:
    return RenderUnavailable(f"no render process can be started: {reason}", delay=_DELAY)


async def _ends_in_time(process: asyncio.subprocess.Process) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
            return True
    return False


async def _readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def heard() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(channel.fileno(), heard)
    try:
        await readable
    finally:
        loop.remove_reader(channel.fileno())
