"""The parent's side of the zygote: starts it, asks it for children, learns of their ends. Used by ``pool`` only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque

from heliograph_common.errors import Temporary
from heliograph_thumbnailer import wire

_ZYGOTE_DIED = "the process that forks render processes died"


class RenderCrashed(Temporary):
    """The render process died with this picture: it is tried again, and given up after some attempts."""


class Child:
    """A confined render process: its channel, and a pidfd that cannot come to mean another process."""

    def __init__(self, pid: int, pidfd: int, channel: socket.socket, ended: asyncio.Future[int]) -> None:
        self.pid = pid
        self.jobs = 0
        self.refused = ""
        self._pidfd = pidfd
        self._channel = channel
        self._ended = ended

    def send(self, message: wire.Work, original: int) -> None:
        """Hands a job over; ``RenderCrashed`` where the child is gone already."""
        try:
            wire.send(self._channel, message, [original])
        except OSError as error:
            raise RenderCrashed("the render process died while it was idle") from error

    async def receive(self) -> tuple[wire.FromChild, int | None]:
        """Its next message and descriptor (the caller closes it); ``RenderCrashed`` where it died."""
        await _readable(self._channel)
        try:
            packet, descriptors = wire.receive(self._channel)
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            raise RenderCrashed(f"the render process died: {await self._epitaph()}")
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
        """Ends it at once, whatever it does; what it sent before can still be received."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Ends it, if it has not, and frees what belongs to it here."""
        self.kill()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._pidfd = -1
        self._channel.close()

    async def _epitaph(self) -> str:
        try:
            async with asyncio.timeout(2):
                status = await asyncio.shield(self._ended)
        except TimeoutError:
            return "its end was not reported"
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            return {"SIGXCPU": "it used up its CPU time"}.get(name, f"signal {name}")
        return f"exit status {os.waitstatus_to_exitcode(status)}"


class Zygote:
    """The process that children are forked from; started again by the next ``fork`` if it died."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._forks: deque[asyncio.Future[tuple[int, int]]] = deque()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._starting = asyncio.Lock()

    async def fork(self) -> Child:
        """A new child, confined and ready."""
        async with self._starting:
            if self._control is None:
                await self._start()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine.setblocking(False)
        try:
            pid, pidfd = await self._ask(theirs)
        except BaseException:
            mine.close()
            raise
        child = Child(pid, pidfd, mine, self._ends.setdefault(pid, asyncio.get_running_loop().create_future()))
        try:
            message, _ = await child.receive()
        except BaseException:
            child.close()
            raise
        if isinstance(message, wire.Ready):
            child.refused = message.refused
        return child

    async def _ask(self, channel: socket.socket) -> tuple[int, int]:
        """Has a child forked that serves ``channel``; its pid and pidfd."""
        forked: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        with channel:
            if self._control is None:
                raise RenderCrashed(_ZYGOTE_DIED, delay=1.0)
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
        if process is not None:
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _start(self) -> None:
        if self._process is not None:
            await self._process.wait()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "heliograph_thumbnailer.child",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                env={"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
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
        if isinstance(message, wire.Forked):
            self._ends.setdefault(message.pid, asyncio.get_running_loop().create_future())
            forked = self._forks.popleft()
            if forked.done():
                os.close(descriptors[0])
            else:
                forked.set_result((message.pid, descriptors[0]))
        else:
            ended = self._ends.pop(message.pid, None)
            if ended is not None and not ended.done():
                ended.set_result(message.status)

    def _lost(self) -> None:
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        while self._forks:
            forked = self._forks.popleft()
            if not forked.done():
                forked.set_exception(RenderCrashed(_ZYGOTE_DIED, delay=1.0))
        for ended in self._ends.values():
            if not ended.done():
                ended.set_result(signal.SIGKILL)  # the kernel ends the children with their zygote
        self._ends.clear()


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
