"""P9: cold starts. Each service from exec to its first 200 on ``/readyz``, beside a bare interpreter and its imports; and
the embedded stack up to the first thumbnail, on a fresh folder and on one with data.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

from benchmarks import stacks
from benchmarks.report import progress, show, step, verdict
from heliograph_local.first_picture import send_first_picture
from heliograph_local.services import SERVICES, Service
from heliograph_local.stack import Stack

SERVICE_AIM, STACK_AIM = 1.5, 10.0
_STARTS = 4


@dataclass
class Start:
    """The starts of one thing: wall and CPU seconds of each."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main() -> None:
    """Measures and prints."""
    asyncio.run(_measure())


async def _measure() -> None:
    stack_rows: list[tuple[str, ...]] = []
    with stacks.data_folder() as folder:
        for name in ("fresh folder", "with data"):
            step(f"embedded stack, {name}")
            stack_rows.append(await _stack(folder, name))
        async with Stack(folder, SERVICES, report=step) as stack:
            rows = await asyncio.to_thread(_services, stack)
    _print(rows, stack_rows)


async def _stack(folder: Path, name: str) -> tuple[str, ...]:
    """One start of the whole stack and a picture through it; every figure is counted from the start."""
    began = time.perf_counter()
    lines: list[tuple[str, float]] = []
    stack = Stack(folder, SERVICES, report=lambda line: lines.append((line, time.perf_counter() - began)))
    async with stack:
        up = time.perf_counter() - began
        # The second start finds the sample picture done: it is then deleted, so that it is rendered again.
        await _forget_pictures(stack)
        began_picture = time.perf_counter()
        picture = await send_first_picture(stack.connection)
        offset = began_picture - began
    servers = max(at for line, at in lines if "is ready" in line and line.split()[0] in {"nats", "s3", "postgres"})
    provisioned = next(at for line, at in lines if "provisioned" in line)
    thumbnails = offset + picture.stages["thumbnails ready"]
    return (
        name,
        f"{servers:.2f}",
        f"{provisioned:.2f}",
        f"{up:.2f}",
        f"{thumbnails:.2f}",
        f"{offset + picture.stages['complete']:.2f}",
        verdict(thumbnails < STACK_AIM),
    )


async def _forget_pictures(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.connection.token}"}
    async with httpx2.AsyncClient(base_url=stack.connection.api or "", headers=headers, trust_env=False) as client:
        for image in (await client.get("/v1/images")).raise_for_status().json()["images"]:
            (await client.delete(f"/v1/images/{image['id']}")).raise_for_status()


def _services(stack: Stack) -> list[Start]:
    """A second process of each service beside the stack's own, several times; each time beside its floors."""
    starts: list[Start] = []
    with progress() as bar:
        task = bar.add_task("P9", total=len(SERVICES) * _STARTS)
        for service in SERVICES:
            ready, imports = Start(service.name), Start(f"{service.name}: its imports alone")
            for _ in range(_STARTS):
                bar.update(task, description=f"start {service.name}")
                _import(service, imports)
                _start(stack, service, ready)
                bar.advance(task)
            starts += [ready, imports]
    return starts


def _start(stack: Stack, service: Service, into: Start) -> None:
    began = time.perf_counter()
    with stacks.beside(stack, service) as process:
        into.wall.append(time.perf_counter() - began)
        into.cpu.append(sum(psutil.Process(process.pid).cpu_times()[:2]))


def _import(service: Service, into: Start) -> None:
    began = time.perf_counter()
    before = os.times()
    subprocess.run([sys.executable, "-c", f"import {service.module}.bootstrap"], check=True)
    after = os.times()
    into.wall.append(time.perf_counter() - began)
    into.cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)


def _print(starts: Sequence[Start], stack_rows: Sequence[Sequence[str]]) -> None:
    def row(start: Start) -> tuple[str, ...]:
        wall = statistics.median(start.wall)
        aim = "" if ":" in start.name else verdict(wall < SERVICE_AIM)
        return (start.name, f"{wall:.2f}", f"{min(start.wall):.2f}", f"{statistics.median(start.cpu):.2f}", aim)

    show(
        "P9 cold start of each service: seconds from exec to the first 200 on /readyz",
        ("process", "median", "best", "CPU of it", "aim"),
        [row(start) for start in starts],
        (f"median of {_STARTS}; beside a running stack; aim < {SERVICE_AIM} s. Imports run with bytecode at hand.",),
    )
    show(
        "P9 embedded stack: seconds from its start",
        ("data folder", "servers", "provisioned", "services ready", "first thumbnails", "first complete", "aim"),
        stack_rows,
        (f"aim: first thumbnails < {STACK_AIM:g} s",),
    )
