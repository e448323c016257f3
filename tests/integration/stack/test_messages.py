"""Every message that the running services really publish is one that the AsyncAPI document names."""

from __future__ import annotations

import asyncio
import json

import httpx2
import nats
import pytest
from nats.aio.msg import Msg
from tests.contracts.asyncapi import DOCUMENT, told_apart
from tests.corpus.pictures import png
from tests.integration.stack.support import Running

from heliograph_common.contracts import subjects
from heliograph_common.contracts.asyncapi import message_id
from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID
from heliograph_common.contracts.messages import (
    DeadLetter,
    ImageDeleted,
    ImageFailed,
    ImageReady,
    ImageRetried,
    ImageStored,
    RenderImage,
    ThumbnailsReady,
    VariantsReady,
)
from heliograph_common.contracts.subjects import Priority

pytestmark = pytest.mark.xdist_group("stack")

EXPECTED = (
    RenderImage,
    ImageStored,
    ThumbnailsReady,
    VariantsReady,
    ImageReady,
    ImageFailed,
    ImageRetried,
    ImageDeleted,
    DeadLetter,
)


async def test_messages_are_as_documented(stack: Running) -> None:
    found: list[Msg] = []

    async def take(message: Msg) -> None:
        found.append(message)

    client = await nats.connect(stack.connection["nats"])
    for subject in ("work.>", "events.>", "dead.>"):
        await client.subscribe(subject, cb=take)
    await client.flush()
    headers = {"Authorization": f"Bearer {stack.connection['token']}"}
    async with httpx2.AsyncClient(base_url=stack.connection["api"], headers=headers, trust_env=False) as http:
        good = (await http.post("/v1/images?name=good.png", content=png(64, 48, seed=424_242))).json()["id"]
        bad = (await http.post("/v1/images?name=bad.png", content=png(64, 48, seed=424_243)[:120])).json()["id"]
        await _until(http, good, "complete")
        await _until(http, bad, "failed")
        assert (await http.post(f"/v1/images/{bad}/retry")).status_code == 202
        await _until(http, bad, "failed")
        assert (await http.delete(f"/v1/images/{good}")).status_code == 204
    await client.publish(subjects.render(Priority.LOW), b"no envelope")
    wanted = {message_id(body) for body in EXPECTED}
    async with asyncio.timeout(60):
        while not wanted <= (names := {_documented(message) for message in found}):
            await asyncio.sleep(0.1)
    await client.close()
    assert names == wanted | {""}


def _documented(message: Msg) -> str:
    """The documented message that this is on its subject; the one that is none of ours is empty."""
    if message.data == b"no envelope":
        return ""
    assert message.headers
    assert message.headers[HEADER_MESSAGE_ID] == json.loads(message.data)["id"]
    channels = [channel for channel in DOCUMENT["channels"].values() if _is_at(channel["address"], message.subject)]
    return told_apart([name for channel in channels for name in channel["messages"]], json.loads(message.data))


def _is_at(address: str, subject: str) -> bool:
    parts = zip(address.split("."), subject.split("."), strict=False)
    return address.count(".") == subject.count(".") and all(a == b or a.startswith("{") for a, b in parts)


async def _until(http: httpx2.AsyncClient, image_id: str, status: str) -> None:
    async with asyncio.timeout(60):
        while (await http.get(f"/v1/images/{image_id}")).json()["status"] != status:
            await asyncio.sleep(0.1)
