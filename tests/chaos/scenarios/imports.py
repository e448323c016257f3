"""Fault test 21: an import of many files, while its importers, its servers and its provider are killed in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx2
from tests.chaos.checker import Finding
from tests.chaos.world import World

NUMBER, TITLE = 21, "an import with everything killed"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4", "HELIOGRAPH_IMPORTER__PATIENCE": "3"}
WORLD, QUICK_WORLD = {"importers": 2, "provided": 2000}, {"provided": 200}

_LINK = "https://drive.google.com/drive/folders/1HeliographPicturesOfThisMachine0"
_VICTIMS = ("importer-1", "nats", "importer-2", "postgres", "doubles", "gateway")
_ENDED = {"completed", "failed", "canceled"}


async def run(world: World, *, quick: bool) -> None:
    """Starts the import twice, the second time when a tenth is done, and kills one process after another until both end."""
    least = 6 if quick else 30
    headers = {"Authorization": f"Bearer {world.connection.token}"}
    async with httpx2.AsyncClient(base_url=world.connection.api or "", headers=headers, trust_env=False) as http:
        api = _Api(http)
        first = await api.start()
        killer = asyncio.create_task(_kill(world, least))
        second = ""
        while (seen := await api.get(f"/v1/imports/{first}"))["status"] not in _ENDED:
            if not second and seen["counts"]["imported"] > len(world.provided) // 10:
                second = await api.start()
            await asyncio.sleep(0.5)
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        await world.all_ready()
        await world.settled()
        for import_id in filter(None, (first, second)):
            await _judge(world, api, import_id)
    world.require(world.kills >= least, "test", f"only {world.kills} kills")


async def _kill(world: World, least: int) -> None:
    killed: Counter[str] = Counter()
    while world.kills < least:
        for name in _VICTIMS:
            await asyncio.sleep(world.rng.uniform(0.8, 2.0))
            if world.kill(name):
                killed[name] += 1
                world.say(f"killed {name} ({world.kills})")
                world.notes[:] = [", ".join(f"{each} {count}x" for each, count in killed.items())]


async def _judge(world: World, api: _Api, import_id: str) -> None:
    """Every file is an image, once, and the counts say so."""
    found = await api.get(f"/v1/imports/{import_id}")
    files = await api.files(import_id)
    wanted = {each.name: each for each in world.provided}
    world.require(found["status"] == "completed", "import", f"it is {found['status']}: {found['error']}")
    states = Counter(file["status"] for file in files)
    told = {name: count for name, count in found["counts"].items() if count and name != "found"}
    world.require(told == dict(states), "import", f"counts {told} of files {dict(states)}")
    names = Counter(file["name"] for file in files)
    for name in wanted.keys() - names.keys():
        world.failures.append(Finding("lost", name, "was not found by the import"))
    for file in files:
        if names[file["name"]] > 1:
            world.fail(file["name"], "is there more often than once")
        if file["status"] not in {"imported", "unchanged"}:
            world.failures.append(Finding("lost", file["name"], f"is {file['status']}: {file['reason']}"))
            continue
        each = wanted[file["name"]]
        world.history.sent[each.sha256] = each
        if file["image_id"] not in world.history.accepted[each.sha256]:
            world.history.accepted[each.sha256].append(file["image_id"])
    world.say(f"import {import_id}: {dict(states)}")


class _Api:
    """The gateway, asked until it answers: it and its servers are killed too."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def start(self) -> str:
        """The id of a new import."""
        body = {"source": "google_drive", "url": _LINK}
        answer = await self._ask("POST", "/v1/imports", json=body)
        return str(answer["id"])

    async def get(self, path: str) -> dict[str, Any]:
        """The answer of a route."""
        return await self._ask("GET", path)

    async def files(self, import_id: str) -> list[dict[str, Any]]:
        """All files of an import."""
        files: list[dict[str, Any]] = []
        path: str | None = f"/v1/imports/{import_id}/files?limit=100"
        while path:
            page = await self._ask("GET", path)
            files += page["files"]
            path = page.get("next")
        return files

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        while True:
            with suppress(httpx2.HTTPError):
                response = await self._http.request(method, path, timeout=20, **more)
                if response.status_code < 500:
                    response.raise_for_status()
                    answer: dict[str, Any] = response.json()
                    return answer
            await asyncio.sleep(0.3)
