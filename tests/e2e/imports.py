"""Imports, on a cluster: the doubles of the providers run there as a Deployment, and importers reach them and nothing else
that is private."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import httpx2
from tests.e2e import client
from tests.e2e.installation import Installation
from tests.e2e.providers import NAME, PORT
from tests.e2e.shell import Failed

from heliograph_local.doubles.addresses import DROPBOX, GOOGLE, WEB
from heliograph_local.doubles.dropbox.demo import LINK as DROPBOX_LINK
from heliograph_local.doubles.google_drive.demo import LINK as DRIVE_LINK

_SECONDS = 180.0
_FOLDERS = (
    ("google_drive", DRIVE_LINK, {"imported": 6, "failed": 0}),
    ("dropbox", DROPBOX_LINK, {"imported": 4, "failed": 0}),
)
_ENDED = {"completed", "failed", "canceled"}
_PRIVATE = f"http://{NAME}{WEB}/pictures/sunrise%20640.jpg"
VIOLATIONS = """
import urllib.request
for address in {addresses}:
    print(urllib.request.urlopen(address + "/_double/violations", timeout=10).read().decode())
"""


def import_folders(site: Installation) -> str:
    """The demo folders of both providers, imported by the API; again, which changes nothing; and an address that must not be
    requested."""
    return asyncio.run(_import_folders(site))


async def _import_folders(site: Installation) -> str:
    began = time.monotonic()
    where = site.site()
    headers = {"Authorization": f"Bearer {where.token}"}
    async with httpx2.AsyncClient(base_url=where.api, headers=headers, timeout=60, trust_env=False) as http:
        images: set[str] = set()
        for source, link, expected in _FOLDERS:
            first = await _followed(http, {"source": source, "url": link})
            _check(first, status="completed", **expected)
            images |= await _images(http, first["id"])
            again = await _followed(http, {"source": source, "url": link})
            _check(again, status="completed", imported=0, unchanged=expected["imported"], failed=0)
        refused = await _followed(http, {"source": "urls", "urls": [_PRIVATE]})
        await _check_refused(http, refused)
        async with where.client() as api:
            await client.finish(api, images)
    said = await asyncio.to_thread(violations, site, (GOOGLE, DROPBOX))
    if any(said):
        raise Failed(f"the doubles saw requests that the providers would not take: {said}")
    return f"{len(images)} pictures of both providers imported and rendered in {time.monotonic() - began:.0f} s"


async def _followed(http: httpx2.AsyncClient, wanted: dict[str, Any]) -> dict[str, Any]:
    """An import, when it has ended."""
    answer = await http.post("/v1/imports", json=wanted)
    if answer.status_code != 202:
        raise Failed(f"{wanted['source']}: {answer.status_code} {answer.text[:500]}")
    path, end = answer.json()["links"]["self"], time.monotonic() + _SECONDS
    while True:
        shown: dict[str, Any] = (await http.get(path)).raise_for_status().json()
        if shown["status"] in _ENDED:
            return shown
        if time.monotonic() > end:
            raise Failed(f"an import of {wanted['source']} has not ended within {_SECONDS:.0f} s: {shown}")
        await asyncio.sleep(0.5)


def _check(shown: dict[str, Any], *, status: str, **counts: int) -> None:
    wrong = {name: count for name, count in counts.items() if shown["counts"][name] != count}
    if shown["status"] != status or wrong:
        raise Failed(f"{shown['source']} must be {status} with {counts}, and is {shown}")


async def _files(http: httpx2.AsyncClient, import_id: str, status: str) -> list[dict[str, Any]]:
    answer = await http.get(f"/v1/imports/{import_id}/files", params={"status": status})
    files: list[dict[str, Any]] = answer.raise_for_status().json()["files"]
    return files


async def _images(http: httpx2.AsyncClient, import_id: str) -> set[str]:
    return {file["image_id"] for file in await _files(http, import_id, "imported")}


async def _check_refused(http: httpx2.AsyncClient, shown: dict[str, Any]) -> None:
    codes = [file["code"] for file in await _files(http, shown["id"], "failed")]
    if codes != ["forbidden_address"]:
        raise Failed(f"an address of the cluster must be refused, and the import is {shown}, its failures {codes}")


def violations(site: Installation, doubles: Iterable[str]) -> list[str]:
    """What the doubles at these paths were asked that the providers would not take."""
    [pod] = site.pods("doubles")
    addresses = [f"http://127.0.0.1:{PORT}{path}" for path in doubles]
    lines = site.inside(pod["metadata"]["name"], VIOLATIONS.format(addresses=addresses)).splitlines()
    return [line for line in lines if line != "[]"]
