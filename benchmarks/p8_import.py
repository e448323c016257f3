"""P8: an import of a folder of Google Drive, beside the same files downloaded bare from the same double.

The double stands in for the provider, once as fast as it can and once with the latency that a provider over the internet
has. Both sides have as many connections; ours are those of two importers. No thumbnailer runs: what is measured is the
import, not what else the cores do. ``HELIOGRAPH_P8_FILES`` files, 10,000 unless it is set.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import httpx2

from benchmarks import stacks
from benchmarks.p8_double import FOLDER_ID
from benchmarks.report import progress, show, step, verdict
from heliograph_local.doubles.addresses import DRIVE_KEY
from heliograph_local.ports import HOST
from heliograph_local.services import GATEWAY, IMPORTER
from heliograph_local.stack import Stack

AIM = 0.7
_FLAT = 64 << 20
"""What the importer's peak may grow by from the first tenth of the files to all of them."""
_FILES = int(os.environ.get("HELIOGRAPH_P8_FILES", "10000"))
_REPLICAS, _SLOTS = 2, 8
_LATENCIES = {"as fast as the double is": 0.0, "answers after 100 ms": 0.1}
_UNMET = str(10**7)


@dataclass(frozen=True)
class Result:
    """Files a second of both sides, and the importer's peak at a tenth and at the end."""

    bare: float
    ours: float
    early: int
    peak: int


def main() -> None:
    """Measures and prints."""
    results = {name: asyncio.run(_measure(seconds)) for name, seconds in _LATENCIES.items()}
    _print(results)


async def _measure(latency: float) -> Result:
    with _double() as base:
        environment = {
            "HELIOGRAPH_GOOGLE_DRIVE__BASE_URL": f"{base}/drive/v3/",
            "HELIOGRAPH_GOOGLE_DRIVE__API_KEY": DRIVE_KEY,
            "HELIOGRAPH_GOOGLE_DRIVE__REQUESTS_PER_MINUTE": _UNMET,
            "HELIOGRAPH_IMPORTER__SLOTS": str(_SLOTS),
        }
        os.environ.update(environment)  # which the stack hands on to its services
        async with stacks.running([GATEWAY, replace(IMPORTER, replicas=_REPLICAS)]) as stack, _client(base) as drive:
            fault = {"kind": "slow", "call": "drive.files.get_media", "times": -1, "seconds": latency}
            (await drive.put("/_double/faults", json=[fault] if latency else [])).raise_for_status()
            step(f"downloading {_FILES:,} files bare")
            bare = await _bare(drive)
            ours, early, peak = await _import(stack)
    return Result(bare, ours, early, peak)


async def _bare(drive: httpx2.AsyncClient) -> float:
    """Files a second by as many connections as the importer has slots."""
    names = await _listed(drive)
    left = iter(names)

    async def fetch() -> None:
        for name in left:
            async with drive.stream("GET", f"/drive/v3/files/{name}", params={"alt": "media"}) as response:
                response.raise_for_status()
                async for _ in response.aiter_raw():
                    pass

    began = time.monotonic()
    await asyncio.gather(*(fetch() for _ in range(_REPLICAS * _SLOTS)))
    return len(names) / (time.monotonic() - began)


async def _listed(drive: httpx2.AsyncClient) -> list[str]:
    names: list[str] = []
    page: Mapping[str, str] = {}
    while True:
        wanted = {"q": f"'{FOLDER_ID}' in parents and trashed = false", "pageSize": "1000", **page}
        answer = (await drive.get("/drive/v3/files", params=wanted)).raise_for_status().json()
        names += [file["id"] for file in answer["files"]]
        if "nextPageToken" not in answer:
            return names
        page = {"pageToken": answer["nextPageToken"]}


async def _import(stack: Stack) -> tuple[float, int, int]:
    """Files a second, and the importer's peak at a tenth of them and at the end."""
    headers = {"Authorization": f"Bearer {stack.connection.token}"}
    importer, early = stack.connection.pids["importer-1"], 0
    async with httpx2.AsyncClient(base_url=stack.connection.api or "", headers=headers, trust_env=False) as api:
        began = time.monotonic()
        link = f"https://drive.google.com/drive/folders/{FOLDER_ID}"
        started = await api.post("/v1/imports", json={"source": "google_drive", "url": link})
        path = started.raise_for_status().headers["Location"]
        with progress() as bar:
            task = bar.add_task("P8", total=_FILES)
            while True:
                found = (await api.get(path)).raise_for_status().json()
                bar.update(task, completed=found["counts"]["imported"])
                if not early and found["counts"]["imported"] >= _FILES // 10:
                    early = stacks.peak_bytes(importer)
                if found["finished_at"]:
                    break
                await asyncio.sleep(0.2)
        seconds = time.monotonic() - began
    if found["counts"]["imported"] != _FILES:
        raise RuntimeError(f"the import ended with {found['counts']}")
    return _FILES / seconds, early, stacks.peak_bytes(importer)


@contextmanager
def _double() -> Iterator[str]:
    """The double in a process of its own; its base URL."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port = int(taken.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.p8_double", str(port), str(_FILES)])
    try:
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(30)


@asynccontextmanager
async def _client(base: str) -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=_REPLICAS * _SLOTS)
    headers = {"X-Goog-Api-Key": DRIVE_KEY}
    async with httpx2.AsyncClient(base_url=base, headers=headers, limits=limits, trust_env=False, timeout=60) as client:
        yield client


def _print(results: Mapping[str, Result]) -> None:
    rows = []
    for name, result in results.items():
        ratio = result.ours / result.bare
        flat = result.peak - result.early <= _FLAT
        rows.append(
            [
                name,
                f"{result.bare:.0f}",
                f"{result.ours:.0f}",
                f"{ratio:.2f}",
                verdict(ratio >= AIM),
                f"{result.early / 1e6:.0f} to {result.peak / 1e6:.0f} MB",
                verdict(flat),
            ]
        )
    title = f"P8: an import of {_FILES:,} files, {_REPLICAS * _SLOTS} at a time (aim: {AIM} of the bare downloads)"
    notes = ["peak: of one importer's resident memory, at a tenth of the files and at the end"]
    columns = ["provider", "bare, files/s", "ours, files/s", "ratio", "aim", "peak", "flat"]
    show(title, columns, rows, notes)
