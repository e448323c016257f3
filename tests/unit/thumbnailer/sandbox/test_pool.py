"""The pool over real processes: order, isolation, limits, recovery; the children's confinement from within."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.corpus import pictures
from tests.corpus.repeats import HOSTILE, MEGABYTE
from tests.heartbeat import Heartbeat

from heliograph_common.errors import BadImage, ImageTooLarge, Temporary
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob, ThumbnailsDone, VariantsDone
from heliograph_thumbnailer.sandbox.pool import PoolLimits, RenderCrashed, RenderPool, RenderTimeout, RenderUnavailable
from heliograph_thumbnailer.sandbox.zygote import Child, Zygote


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(1)
    await pool.start()
    yield pool
    await pool.stop()


async def all_events(pool: RenderPool, original: bytes | int | Path, job: RenderJob | None = None) -> list[RenderEvent]:
    return [event async for event in pool.render(original, job or RenderJob())]


async def test_bytes_file_and_descriptor(pool: RenderPool, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(pictures.jpeg())
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for original in (pictures.jpeg(), path, descriptor):
            first, second = await all_events(pool, original)
            assert isinstance(first, ThumbnailsDone)
            assert isinstance(second, VariantsDone)
            assert all(r.data.startswith(b"\xff\xd8\xff") for r in (*first.renditions, *second.renditions))
        os.fstat(descriptor)  # still the caller's
    finally:
        os.close(descriptor)


async def test_a_child_serves_many_and_is_replaced_in_time() -> None:
    pool = RenderPool(1, PoolLimits(jobs_per_child=3))
    await pool.start()
    try:
        served = set[int]()
        for _ in range(6):
            async for _event in pool.render(pictures.jpeg(), RenderJob(variants=())):
                served |= {child.pid for child in pool._busy}
        assert len(served) == 2
    finally:
        await pool.stop()


async def test_a_killed_child_fails_its_picture_alone(pool: RenderPool) -> None:
    pid = pool._idle[0].pid
    os.kill(pid, signal.SIGSTOP)
    render = asyncio.create_task(all_events(pool, pictures.jpeg()))
    await asyncio.sleep(0.05)  # the render is under way
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RenderCrashed, match="SIGKILL") as failure:
        await render
    assert isinstance(failure.value, Temporary)
    assert len(await all_events(pool, pictures.jpeg())) == 2


async def test_a_stuck_child_is_killed_at_the_wall_limit() -> None:
    pool = RenderPool(1, PoolLimits(wall_seconds=0.5))
    await pool.start()
    try:
        os.kill(pool._idle[0].pid, signal.SIGSTOP)
        with pytest.raises(RenderTimeout, match=r"0\.5 s"):
            await all_events(pool, pictures.jpeg())
        assert len(await all_events(pool, pictures.jpeg())) == 2
    finally:
        await pool.stop()


async def test_a_dead_zygote_is_started_again(pool: RenderPool) -> None:
    process = pool._zygote._process
    assert process is not None
    process.kill()
    await process.wait()
    for _ in range(50):
        try:
            assert len(await all_events(pool, pictures.jpeg())) == 2
        except RenderUnavailable:  # never RenderCrashed: no picture is at fault
            await asyncio.sleep(0.05)
        else:
            return
    pytest.fail("no render after the zygote's death")


async def test_a_picture_whose_child_ended_with_the_zygote_is_not_at_fault(pool: RenderPool) -> None:
    os.kill(pool._idle[0].pid, signal.SIGSTOP)
    render = asyncio.create_task(all_events(pool, pictures.jpeg()))
    await asyncio.sleep(0.1)  # the render is under way
    process = pool._zygote._process
    assert process is not None
    process.kill()
    with pytest.raises(RenderUnavailable):
        await render


async def test_a_zygote_that_hangs_is_killed_and_replaced() -> None:
    pool = RenderPool(1, PoolLimits(fork_seconds=10))
    await pool.start()
    try:
        process = pool._zygote._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        pool._idle.pop().close()
        async with asyncio.timeout(100):
            with pytest.raises(RenderUnavailable, match="did not answer in 10 s"):
                await all_events(pool, pictures.jpeg())
            assert len(await all_events(pool, pictures.jpeg())) == 2
        assert process.returncode == -signal.SIGKILL
    finally:
        await pool.stop()


async def test_a_child_that_does_not_get_ready_is_killed() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "100")
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setblocking(False)
    ended = asyncio.get_running_loop().create_future()
    ended.set_result(signal.SIGKILL)
    with theirs, pytest.raises(RenderUnavailable, match="did not become ready"):
        await Zygote(answer_seconds=0.2).ready(Child(process.pid, os.pidfd_open(process.pid), mine, ended))
    assert await process.wait() == -signal.SIGKILL


async def test_a_machine_that_grants_no_child_costs_none_there_is(pool: RenderPool) -> None:
    process = pool._zygote._process
    assert process is not None
    child = pool._idle.pop()
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (4, before[1]))
    with pytest.raises(RenderUnavailable, match="no render process can be started"):
        await all_events(pool, pictures.jpeg())
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    assert not child.ended
    child.close()
    assert len(await all_events(pool, pictures.jpeg())) == 2
    assert process.returncode is None


async def test_it_is_not_ready_while_the_machine_grants_no_child(
    pool: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, tries = pool._zygote._process, list[int]()
    assert process is not None
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (4, before[1]))
    await pool.ready()  # there is a child
    pool._idle.pop().close()
    with pytest.raises(RenderUnavailable):
        await all_events(pool, pictures.jpeg())
    fork = pool._zygote.fork

    async def counted() -> Child:
        tries.append(1)
        return await fork()

    monkeypatch.setattr(pool._zygote, "fork", counted)
    results = await asyncio.gather(*(pool.ready() for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [RenderUnavailable] * 5
    assert "no render process can be started" in str(results[0])
    assert len(tries) == 1
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    await pool.ready()
    assert len(pool._idle) == 1
    await pool.ready()
    assert len(tries) == 2
    assert len(await all_events(pool, pictures.jpeg())) == 2


async def test_whoever_asks_whether_it_is_ready_may_leave(pool: RenderPool) -> None:
    """As a health check does, whose time is shorter than a fork's."""
    process = pool._zygote._process
    assert process is not None
    pool._idle.pop().close()
    pool._refused = RenderUnavailable("as before")
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await pool.ready()
    process.send_signal(signal.SIGCONT)
    await pool.ready()
    assert len(pool._idle) == 1


async def test_stopping_does_not_wait_for_a_zygote_that_hangs() -> None:
    pool = RenderPool(1)
    await pool.start()
    process = pool._zygote._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(60):
        await pool.stop()
    assert process.returncode == -signal.SIGKILL


async def test_the_loop_goes_on_while_hostile_headers_are_walked(pool: RenderPool, tmp_path: Path) -> None:
    """The walk is the child's: the parent, whose loop sends the signs of life, reads no byte of a picture."""
    for repeat in HOSTILE:
        if repeat.name in {"gif empty extensions", "jpeg fill bytes", "tiff directories of 4096 entries"}:
            path = tmp_path / repeat.name
            path.write_bytes(repeat.make(45 * MEGABYTE))
            async with Heartbeat() as heartbeat:
                with pytest.raises(BadImage):
                    await all_events(pool, path)
            assert heartbeat.longest < 1.0


async def test_leaving_early_frees_the_slot(pool: RenderPool) -> None:
    events = pool.render(pictures.jpeg(), RenderJob())
    await anext(events)
    await events.aclose()
    assert len(await all_events(pool, pictures.jpeg())) == 2


async def test_refusals_keep_the_child(pool: RenderPool) -> None:
    before = pool._idle[0].pid
    with pytest.raises(BadImage):
        await all_events(pool, pictures.save(".png")[:5000])
    assert [child.pid for child in pool._idle] == [before]


async def test_what_exceeds_the_budget_is_refused() -> None:
    pool = RenderPool(1, PoolLimits(memory_budget=40 << 20))
    await pool.start()
    try:
        with pytest.raises(ImageTooLarge, match="give the worker more memory"):
            await all_events(pool, pictures.jpeg(4000, 3000))
    finally:
        await pool.stop()


async def test_nothing_is_left_behind() -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    pool = RenderPool(2)
    await pool.start()
    pids = [child.pid for child in pool._idle]
    await asyncio.gather(*(all_events(pool, pictures.jpeg()) for _ in range(6)))
    await pool.stop()
    async with asyncio.timeout(10):  # the kernel ends them with their zygote, a moment later
        while any(_runs(pid) for pid in pids):
            await asyncio.sleep(0.01)
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1  # the loop's own child watcher may keep one


def _runs(pid: int) -> bool:
    """Whether a process of this number has not ended yet; anybody may read that, whatever the process hides."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_children_have_no_environment_and_no_descriptors(pool: RenderPool) -> None:
    pid = pool._idle[0].pid
    status = Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    if not pool._idle[0].refused:
        assert "Seccomp:\t2" in status
    assert await all_events(pool, pictures.jpeg())


def test_confined_process_can_do_nothing_else() -> None:
    code = """
import ctypes, os, socket, threading
from heliograph_thumbnailer.sandbox import confine
libc, parent, tgkill = ctypes.CDLL(None, use_errno=True), os.getppid(), 234
refused = confine.lock_down()
if refused:
    print("unavailable", refused); raise SystemExit
def attempt(name, action):
    try:
        action()
    except (PermissionError, OSError) as error:
        return
    print("allowed", name)
attempt("socket", lambda: socket.socket())
attempt("unix socket", lambda: socket.socketpair())
attempt("open", lambda: os.open("/etc/passwd", os.O_RDONLY))
attempt("create", lambda: os.open("/tmp/x", os.O_CREAT | os.O_WRONLY))
attempt("fork", os.fork)
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("kill", lambda: os.kill(parent, 0))
if libc.syscall(tgkill, parent, parent, 0) == 0:
    print("allowed tgkill")
if libc.syscall(tgkill, os.getpid(), threading.get_native_id(), 0) != 0:
    print("refused its own thread")
attempt("list", lambda: os.listdir("/"))
thread = threading.Thread(target=lambda: attempt("open in a thread", lambda: os.open("/etc/passwd", os.O_RDONLY)))
thread.start(); thread.join()
print("done")
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if done.stdout.startswith("unavailable"):
        pytest.skip(done.stdout)
    assert done.stdout.split() == ["done"], done.stdout + done.stderr


def test_the_parent_loads_no_decoder() -> None:
    decoders = "{'numpy', 'pyvips', 'PIL', 'simplejpeg'}"
    code = f"import sys, heliograph_thumbnailer.sandbox.pool; print({decoders} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
