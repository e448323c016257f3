"""The client's side of tests/e2e: pictures, uploads one by one or as a steady load, and what became of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx2
import numpy as np
import simplejpeg
from pydantic import SecretStr
from tests.e2e.shell import ROOT, Failed

from heliograph_client.client import AsyncClient
from heliograph_client.connection import Connection
from heliograph_client.models import Event, Image
from heliograph_common.auth.tokens import issue_token
from heliograph_common.settings import AuthSettings

PHOTOS = ROOT.parent / "shared" / "photos"
_PAUSE = 0.05
_SHOWN = 5


@dataclass(frozen=True)
class Site:
    """Where the installation is, and a token for it."""

    api: str
    events: str
    token: str

    def client(self) -> AsyncClient:
        """The product's own client, which tries again where the server says so."""
        return AsyncClient(Connection(api=self.api, events=self.events, token=SecretStr(self.token)))


def token_for(secret: str, subject: str) -> str:
    """A token as the trial stack's secret signs them."""
    scopes = ["images:read", "images:write"]
    return issue_token(
        AuthSettings(secret=SecretStr(secret)), subject=subject, scopes=scopes, lifetime=timedelta(hours=4)
    )


def picture(seed: int, width: int = 1200, height: int = 800) -> bytes:
    """A JPEG like no other."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (height // 50, width // 50, 3), dtype=np.uint8)
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(np.kron(coarse, np.ones((50, 50, 1), np.uint8))), quality=85
    )
    return jpeg


def pictures() -> Iterator[tuple[str, bytes]]:
    """Real pictures where they are at hand, generated ones otherwise."""
    found = sorted(PHOTOS.glob("*.*")) if PHOTOS.is_dir() else []
    photos = [path for path in found if path.suffix in {".jpg", ".png", ".webp", ".gif", ".avif", ".tiff"}]
    if photos:
        yield from ((path.name, path.read_bytes()) for path in photos)
    else:
        yield from ((f"generated-{seed}.jpg", picture(seed)) for seed in range(12))


@dataclass
class Listener:
    """What a socket told: the types of each picture's events, in their order."""

    seen: dict[str, list[str]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Notes one event."""
        self.seen.setdefault(str(event.subject), []).append(event.type)

    async def until(self, image_ids: set[str], kind: str, seconds: float) -> None:
        """Returns when each of the pictures had an event of this kind."""
        end = time.monotonic() + seconds
        while missing := {one for one in image_ids if not any(kind in name for name in self.seen.get(one, ()))}:
            if time.monotonic() > end:
                raise Failed(f"the socket told no {kind} of {len(missing)} pictures within {seconds:.0f} s")
            await asyncio.sleep(0.1)


@asynccontextmanager
async def listening(site: Site) -> AsyncIterator[Listener]:
    """A socket that is read, across reconnects, while the body runs."""
    listener = Listener()
    async with site.client() as client:

        async def read() -> None:
            async for item in client.events(types=["image.*"]):
                if isinstance(item, Event):
                    listener.take(item)

        task = asyncio.create_task(read())
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def finish(client: AsyncClient, image_ids: set[str], seconds: float = 240) -> list[Image]:
    """The pictures, each complete; ``Failed`` names those that are not in time or failed."""
    end = time.monotonic() + seconds
    images = []
    for image_id in image_ids:
        image = await client.wait(image_id, max(1.0, end - time.monotonic()))
        if image.status != "complete" or not image.renditions:
            raise Failed(f"{image.name} ({image.id}) is {image.status}: {image.error}")
        images.append(image)
    return images


async def fetch(client: AsyncClient, image: Image, folder: Path) -> None:
    """Every rendition of a picture, from the address that the API signs."""
    for rendition in image.renditions:
        path = await client.download(rendition, folder / f"{image.id}-{rendition.name}")
        if (size := path.stat().st_size) != rendition.bytes:
            raise Failed(f"{rendition.name} of {image.name} has {size} bytes, not {rendition.bytes}")


@dataclass
class Load:
    """A client without any patience: each request once, and each failure kept."""

    site: Site
    accepted: set[str] = field(default_factory=set)
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def work(self, worker: int, *, keep_alive: bool) -> None:
        """Uploads and reads, over one connection or a new one each time, until told to stop."""
        limits = httpx2.Limits(max_keepalive_connections=1 if keep_alive else 0)
        headers = {"Authorization": f"Bearer {self.site.token}", "Content-Type": "image/jpeg"}
        with httpx2.Client(base_url=self.site.api, headers=headers, limits=limits, timeout=60, trust_env=False) as http:
            number = 0
            while not self._stop.is_set():
                number += 1
                seed = hash((id(self), worker, number)) % 2**32
                image_id = self._once(http, "POST", "/v1/images", picture(seed, 600, 400))
                if image_id:
                    self.accepted.add(image_id)
                    self._once(http, "GET", f"/v1/images/{image_id}", None)
                time.sleep(_PAUSE)

    def _once(self, http: httpx2.Client, method: str, path: str, body: bytes | None) -> str | None:
        began = time.monotonic()
        self.requests += 1
        try:
            answer = http.request(method, path, content=body)
        except httpx2.HTTPError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status_code >= 300:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            return None
        return str(answer.json()["id"])

    def told(self) -> str:
        """One line about it; ``Failed`` where a request failed."""
        if self.failures:
            shown = "\n".join(self.failures[:_SHOWN])
            raise Failed(f"{len(self.failures)} of {self.requests} requests failed:\n{shown}")
        return f"{self.requests} requests, 0 failed, slowest {self.slowest:.1f} s"


@contextmanager
def loading(site: Site, workers: int = 2) -> Iterator[Load]:
    """A steady load while the body runs; half of the workers keep their connection."""
    load = Load(site)
    threads = [threading.Thread(target=load.work, args=(n,), kwargs={"keep_alive": n % 2 == 1}) for n in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load._stop.set()
        for thread in threads:
            thread.join()
