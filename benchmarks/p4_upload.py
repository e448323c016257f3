"""P4: an upload until it is accepted, beside the same bytes put straight to S3 by a presigned URL.

Only the gateway runs, no thumbnailer: what is measured is the upload, not what else the cores do meanwhile. Both sides
are asked by the same client in turns.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from benchmarks import pictures, stacks
from benchmarks.http import Connection, connect
from benchmarks.report import percentile, progress, show, step, verdict
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.settings import S3Settings
from heliograph_local.services import GATEWAY
from heliograph_local.stack import Stack

AIM = 1.3
_FLAT = 16 << 20
"""What the gateway's peak may grow by, from the smallest files to the largest at as many clients, beyond its spools in
memory (half a megabyte a client)."""
_TURNS = 4
_URL_SECONDS = 3600
_NUMBERS = itertools.count()

Send = Callable[[Connection, Sequence[bytes | memoryview]], Awaitable[None]]


@dataclass
class Cell:
    """``clients`` at one time, files of ``size`` bytes, ``count`` of them a turn and side."""

    clients: int
    size: int
    count: int
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    peak: int = 0
    refused: int = 0


class _Refused(Exception):
    """The server answered 503."""


def main() -> None:
    """Measures and prints."""
    # By clients first: what the heap grows by with more clients must not be taken for the files' size.
    plan = {
        1: ((200_000, 25), (5_000_000, 10), (45_000_000, 2)),
        16: ((200_000, 96), (5_000_000, 32), (45_000_000, 16)),
        64: ((200_000, 192), (5_000_000, 64)),
    }
    cells = [Cell(clients, size, count) for clients, sizes in plan.items() for size, count in sizes]
    asyncio.run(_measure(cells))


async def _measure(cells: Sequence[Cell]) -> None:
    picture = pictures.jpeg(640, 480)
    async with stacks.running([GATEWAY]) as stack:
        step("warming up")
        await _turn(stack, Cell(8, 200_000, 100), picture)
        with progress() as bar:
            task = bar.add_task("P4", total=len(cells) * _TURNS)
            for cell in cells:
                stacks.forget_peak(stack.connection.pids["gateway"])
                for _ in range(_TURNS if cell.size < 40_000_000 else 1):
                    bar.update(task, description=f"{cell.clients} clients, {cell.size / 1e6:g} MB")
                    await _turn(stack, cell, picture)
                    bar.advance(task)
                cell.peak = stacks.peak_bytes(stack.connection.pids["gateway"])
    _print(cells)


async def _turn(stack: Stack, cell: Cell, picture: bytes) -> None:
    """The same number of uploads and of bare PUTs."""
    addresses = stack.connection
    keys = [f"bench/{next(_NUMBERS)}" for _ in range(cell.count)]
    urls = iter(await _presigned(stack, keys))

    async def upload(http: Connection, body: Sequence[bytes | memoryview]) -> None:
        headers = {"Authorization": f"Bearer {addresses.token}", "Content-Type": "image/jpeg"}
        status, answer = await http.request("POST", "/v1/images", headers=headers, body=body)
        if status == 503:  # a machine that is busy elsewhere: told in the table, not timed
            raise _Refused
        if status != 201:
            raise RuntimeError(f"upload answered {status}: {answer[:300]!r}")

    async def put(http: Connection, body: Sequence[bytes | memoryview]) -> None:
        target = next(urls).removeprefix(addresses.s3.endpoint)
        status, answer = await http.request("PUT", target, headers={"Content-Type": "image/jpeg"}, body=body)
        if status == 503:
            raise _Refused
        if status != 200:
            raise RuntimeError(f"S3 answered {status}: {answer[:300]!r}")

    sides = [(addresses.api or "", upload, cell.ours), (addresses.s3.endpoint, put, cell.bare)]
    medians = []
    for url, send, found in sides:
        seconds = await _load(url, send, cell, picture)
        found.extend(seconds)
        medians.append(statistics.median(seconds) if seconds else math.inf)
    cell.ratios.append(medians[0] / medians[1])


async def _load(url: str, send: Send, cell: Cell, picture: bytes) -> list[float]:
    """``cell.clients`` connections that send one file after the other; the seconds of each."""
    seconds: list[float] = []
    left = iter(range(cell.count))
    whole = memoryview(pictures.unique(picture, 0, cell.size))

    async def client() -> None:
        async with connect(url) as http:
            for _ in left:
                # The comment right after the first marker differs, the rest is shared: nothing is copied.
                head = pictures.unique(picture[:2], time.time_ns() + next(_NUMBERS))
                began = time.perf_counter()
                try:
                    await send(http, [head, whole[len(head) :]])
                except _Refused:
                    cell.refused += 1
                else:
                    seconds.append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(cell.clients)))
    return seconds


async def _presigned(stack: Stack, keys: Sequence[str]) -> list[str]:
    found = stack.connection.s3
    blobs = MinioBlobs(
        S3Settings(
            endpoint=found.endpoint,
            access_key=found.access_key,
            secret_key=SecretStr(found.secret_key),
            bucket=found.bucket,
            region=found.region,
        )
    )
    try:
        return [await blobs.presign_put(key, expires_in=_URL_SECONDS) for key in keys]
    finally:
        await blobs.close()


def _print(cells: Sequence[Cell]) -> None:
    show(
        "P4 upload until accepted, beside the same PUT straight to S3: milliseconds p50 / p99",
        ("clients", "file MB", "uploads", "503s", "gateway", "S3 alone", "p50 ratio", "MB/s each", "peak RSS MiB", "aim"),
        [_cells(cell) for cell in cells],
        (
            f"p50 ratio: the median over {_TURNS} turns; aim ≤ {AIM}. Gateway: received, hashed, checked, stored in S3,",
            "committed to PostgreSQL with its messages. S3 alone: SeaweedFS, which does not wait for its disk.",
            _memory(cells),
        ),
    )  # fmt: skip


def _cells(cell: Cell) -> tuple[str, ...]:
    def latencies(seconds: Sequence[float]) -> str:
        return f"{percentile(seconds, 50) * 1000:.1f} / {percentile(seconds, 99) * 1000:.1f}"

    ratio = statistics.median(cell.ratios)
    return (
        str(cell.clients),
        f"{cell.size / 1e6:g}",
        str(len(cell.ours)),
        str(cell.refused),
        latencies(cell.ours),
        latencies(cell.bare),
        f"{ratio:.2f}x",
        f"{cell.size / 1e6 / statistics.median(cell.ours):.0f}",
        f"{cell.peak / (1 << 20):.0f}",
        verdict(ratio <= AIM),
    )


def _memory(cells: Sequence[Cell]) -> str:
    """How far the peak grows with the size of the files, at 16 clients."""
    peaks = {cell.size: cell.peak for cell in cells if cell.clients == 16}
    small, large = peaks[min(peaks)], peaks[max(peaks)]
    grown = (large - small) / (1 << 20)
    return (
        f"memory at 16 clients from {min(peaks) / 1e6:g} to {max(peaks) / 1e6:g} MB: {grown:+.0f} MiB, "
        f"aim ≤ {_FLAT >> 20}: {verdict(large - small <= _FLAT)}"
    )
