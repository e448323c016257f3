"""The render processes: a zygote that has all libraries loaded and forks children, and the confined child itself.

Started by ``pool`` as ``python -I -m heliograph_thumbnailer.sandbox.child FD``; FD is the control socket. The zygote never
sees a picture. A child closes what it inherits, warms its libraries, gives up files and network (``confine``), and renders
what comes over its own channel until that is closed.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import gc
import mmap
import os
import select
import signal
import socket
import sys
from pathlib import Path

# libvips reads these when it is loaded; the pool starts the zygote without any environment.
os.environ |= {
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",
    "VIPS_DISC_THRESHOLD": str(1 << 40),  # no temporary files: a child cannot make any
    "VIPS_WARNING": "1",
}

import numpy as np
import pyvips

from heliograph_common.errors import HeliographError, ImageTooLarge
from heliograph_common.ingest.headers import Header
from heliograph_thumbnailer.imaging import colour, simd
from heliograph_thumbnailer.imaging.encode import encode
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob
from heliograph_thumbnailer.imaging.render import render
from heliograph_thumbnailer.imaging.sizes import variant
from heliograph_thumbnailer.sandbox import confine, wire

_CHANNEL = 3
_IDLE_SECONDS = 1.0
_MEASURING = 512 << 20  # address space beyond the file while its header is read, which takes next to none


def main(control: socket.socket) -> None:
    """The zygote's loop: forks on request, tells of each child's end, ends with its control socket."""
    confine.die_with_parent()
    simd.load()
    pyvips.cache_set_max(0)
    rehearse()
    gc.collect()
    gc.freeze()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with contextlib.suppress(ConnectionError):  # the parent is gone, and so will be its children
        _attend(control, woken)


def _attend(control: socket.socket, woken: int) -> None:
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap(control)
        if control.fileno() in ready:
            packet, descriptors = wire.receive(control)
            if not packet:
                return
            _fork(control, descriptors)


def _fork(control: socket.socket, descriptors: list[int]) -> None:
    """Makes a child, or says why there is none: a machine at its limits must not cost the children there are."""
    try:
        if not descriptors:
            raise OSError("out of file descriptors")  # noqa: TRY301 - what the kernel did with the packet's
        pid, pidfd = _forked(descriptors[0])
    except OSError as error:
        wire.send(control, wire.NotForked(str(error)))
    else:
        wire.send(control, wire.Forked(pid), [pidfd])
        os.close(pidfd)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _forked(channel: int) -> tuple[int, int]:
    """A new child that serves ``channel``: its pid and pidfd."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            serve(channel)
            status = 0
        finally:
            os._exit(status)
    try:
        return pid, os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        raise


def _reap(control: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            wire.send(control, wire.Exited(pid, status))


def serve(channel_fd: int) -> None:
    """A child's life: confine, then one job after the other."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    confine.die_with_parent()
    os.dup2(channel_fd, _CHANNEL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(_CHANNEL + 1, 4096)
    channel = socket.socket(fileno=_CHANNEL)
    warm_up()
    confine.limit(file_bytes=wire.MAX_OUTPUT, files=64)
    occupied = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    wire.send(channel, wire.Ready(confine.lock_down()))
    while True:
        _wait(channel)
        packet, descriptors = wire.receive(channel)
        if not packet:
            return
        work = wire.decode_work(packet)
        _work(channel, work, descriptors[0], occupied)


def rehearse() -> None:
    """Renders a JPEG in the zygote, so that children find imports, codecs and tables made. Starts no thread."""
    for encoding in ("latin-1", "utf-8", "utf-16-be"):
        codecs.lookup(encoding)
    grey = np.full((16, 16, 4), 128, np.uint8)
    render(encode(grey, "RGBX", variant(16, 16)), RenderJob(), lambda _event: None)


def warm_up() -> None:
    """Has libvips load what it loads lazily (plug-ins, profiles, its worker thread), while files can be opened."""
    plain = pyvips.Image.black(16, 16, bands=3).copy(interpretation="srgb")
    for suffix in (".png", ".webp", ".gif", ".tif", ".avif"):
        with contextlib.suppress(pyvips.Error):  # a build of libvips may lack one
            data = plain.write_to_buffer(suffix)
            pyvips.Image.new_from_buffer(data, "").copy_memory()
    colour.cmyk_to_rgbx(np.zeros((16, 16, 4), np.uint8), None, inverted=True)


def _wait(channel: socket.socket) -> None:
    """Waits for a job; memory kept for speed is given back to the system meanwhile."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    if not poll.poll(_IDLE_SECONDS * 1000):
        simd.load().core.clear_cache()
        ctypes.CDLL(None).malloc_trim(0)
        poll.poll()


class _Dropped(Exception):
    """The parent does not want the picture rendered."""


def _work(channel: socket.socket, work: wire.Work, original: int, occupied: int) -> None:
    def admit(header: Header) -> None:
        wire.send(channel, wire.Measured(header))
        packet, _ = wire.receive(channel)
        order = wire.decode_order(packet) if packet else wire.Drop()
        if isinstance(order, wire.Drop):
            raise _Dropped
        confine.limit_job(memory=occupied + order.memory, cpu_seconds=work.cpu_seconds)

    def emit(event: RenderEvent) -> None:
        done, parts = wire.pack(event)
        descriptor = wire.memory_file(parts)
        wire.send(channel, done, [descriptor])
        os.close(descriptor)

    try:
        size = os.fstat(original).st_size
        confine.limit_job(memory=occupied + size + _MEASURING, cpu_seconds=work.cpu_seconds)
        # An empty file cannot be mapped. The map is left to the collector: libvips may still hold on to it.
        render(mmap.mmap(original, size, access=mmap.ACCESS_READ) if size else b"", work.job, emit, admit)
    except _Dropped:
        pass
    except HeliographError as error:
        wire.send(channel, wire.Refused(type(error).__name__, str(error)))
    except MemoryError:
        message = "rendering exceeds the memory limit of one render: scale the picture down"
        wire.send(channel, wire.Refused(ImageTooLarge.__name__, message))
    except Exception as error:  # noqa: BLE001 - a flaw of ours that a picture provokes is that picture's failure alone
        wire.send(channel, wire.Refused("RenderCrashed", f"the render process failed ({error!r:.300})"))
    finally:
        os.close(original)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
