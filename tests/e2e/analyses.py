"""Analyses, on a cluster: the double of OpenAI runs there, and analyzers take up its key from a Secret that is created after
them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2
from tests.e2e import client, providers
from tests.e2e.imports import violations
from tests.e2e.installation import Installation
from tests.e2e.shell import Failed

from heliograph_local.doubles.addresses import OPENAI

_SECONDS = 240.0
"""The kubelet updates mounted Secrets within some 90 seconds."""
_SEED = 20261121


def analyze(site: Installation) -> str:
    """A picture whose analysis waits for a key, the key put into the Secret, and the analysis done without a restart; then
    one that need not wait."""
    return asyncio.run(_analyze(site))


async def _analyze(site: Installation) -> str:
    where = site.site()
    headers = {"Authorization": f"Bearer {where.token}"}
    before = _processes(site)
    http = httpx2.AsyncClient(base_url=where.api, headers=headers, timeout=60, trust_env=False)
    async with client.listening(where) as listener, where.client() as api, http:
        waits = await _uploaded(http, _SEED)
        await client.finish(api, {waits})
        if (state := (await _shown(http, waits))["stages"]["analysis"]) != "pending":
            raise Failed(f"without a key an analysis must wait, and is {state}")
        try:
            site.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(providers.model_key()))
            began = time.monotonic()
            await _analyzed(http, waits)
            taken = time.monotonic() - began
            at_once = await _uploaded(http, _SEED + 1)
            shown = await _analyzed(http, at_once)
            await listener.until({waits, at_once}, "image.analyzed", 30)
        finally:
            site.cluster.kubectl("delete", "secret", providers.MODEL_KEY, "--ignore-not-found")
    if not shown["alt_text"]:
        raise Failed(f"an image that was described has no alternative text: {shown}")
    if (after := _processes(site)) != before:
        raise Failed(f"analyzers must take up a key without a restart; before {before}, after {after}")
    if any(said := await asyncio.to_thread(violations, site, (OPENAI,))):
        raise Failed(f"the double saw requests that OpenAI would not take: {said}")
    return f"an analysis waited for its key, which was used {taken:.0f} s after it was put into the Secret"


def _processes(site: Installation) -> dict[str, int]:
    """The analyzers' pods, and how often each was restarted."""
    pods = {pod["metadata"]["name"]: pod["status"]["containerStatuses"] for pod in site.pods("analyzer")}
    return {name: sum(each["restartCount"] for each in containers) for name, containers in pods.items()}


async def _uploaded(http: httpx2.AsyncClient, seed: int) -> str:
    """The id of a new image whose description is wanted."""
    answer = await http.post(
        "/v1/images",
        params={"name": f"analysis-{seed}.jpg", "analyze": "describe"},
        content=client.picture(seed),
        headers={"Content-Type": "image/jpeg"},
    )
    if answer.status_code != 201:
        raise Failed(f"an upload with analyze=describe: {answer.status_code} {answer.text[:500]}")
    return str(answer.json()["id"])


async def _shown(http: httpx2.AsyncClient, image_id: str) -> dict[str, Any]:
    image: dict[str, Any] = (await http.get(f"/v1/images/{image_id}")).raise_for_status().json()
    return image


async def _analyzed(http: httpx2.AsyncClient, image_id: str) -> dict[str, Any]:
    """The image, when its analysis is complete."""
    end = time.monotonic() + _SECONDS
    while True:
        image = await _shown(http, image_id)
        if image["stages"]["analysis"] == "complete":
            return image
        if image["stages"]["analysis"] == "failed" or time.monotonic() > end:
            raise Failed(f"not analyzed within {_SECONDS:.0f} s: {image}")
        await asyncio.sleep(0.5)
