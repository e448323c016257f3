"""Analyses without an account: the command that `heliograph dev up --with-doubles` prints, an upload that asks for one, and
what 100 uploads of 40 pictures cost."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import simplejpeg
from tests.integration.stack.support import Running
from tests.polling import until

from heliograph_client import Analysis, AsyncClient, Event, Image, Reset, RetryPolicy
from heliograph_client.events import EventStream

pytestmark = pytest.mark.xdist_group("stack")

SECONDS = 120
UPLOADS, PICTURES = 100, 40


def picture(number: int) -> bytes:
    """A small JPEG; every number is another one."""
    pixels = np.random.default_rng(number + 20261120).integers(0, 256, (6, 8, 3), np.uint8)
    large = np.ascontiguousarray(pixels.repeat(16, axis=0).repeat(16, axis=1))
    return bytes(simplejpeg.encode_jpeg(large, quality=90))


def commented(jpeg: bytes, comment: str) -> bytes:
    """Another file of the same pixels: a comment segment (ITU-T T.81, B.2.4.5) after the start of the image."""
    text = comment.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def doubles(stack: Running, path: str) -> Any:
    """What a double tells of itself."""
    processes = json.loads(stack.cli("dev", "status", "--json").stdout)["processes"]
    port = next(row["port"] for row in processes if row["name"] == "doubles")
    return httpx2.get(f"http://127.0.0.1:{port}{path}", trust_env=False).json()


def calls(stack: Running) -> list[dict[str, Any]]:
    """What the double of OpenAI was asked."""
    found: list[dict[str, Any]] = doubles(stack, "/openai/_double/calls")
    return found


def test_the_command_that_is_printed_analyzes_the_sample_image(stack: Running) -> None:
    (printed,) = re.findall(r"^ +heliograph (analyze .+)$", stack.said, re.MULTILINE)
    done = stack.cli(*shlex.split(printed))
    assert "Made up: " in done.stdout
    assert re.search(r"\d+ kcal +\d+ % +api +[\d,]+ +\$0\.\d{4}$", done.stdout, re.MULTILINE), done.stdout


def test_a_file_is_analyzed(stack: Running, tmp_path: Path) -> None:
    file = tmp_path / "meal.jpg"
    file.write_bytes(picture(1000))
    (first,) = map(
        json.loads, stack.cli("analyze", str(file), "--profile", "food", "--wait", "--json").stdout.splitlines()
    )
    assert (first["status"], first["source"], first["usage"]["calls"]) == ("completed", "api", 1)
    assert first["result"]["name"].startswith("Made up: ")
    assert "Made up: " in stack.cli("analyze", str(file), "--profile", "food", "--wait").stdout
    shown = stack.cli("analyses", "get", first["id"]).stdout
    assert first["result"]["name"] in shown
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(commented(picture(1000), "a copy"))
    (again,) = map(
        json.loads, stack.cli("analyze", str(copy), "--profile", "food", "--wait", "--json").stdout.splitlines()
    )
    assert (again["source"], again["usage"]["calls"], again["result"]) == ("cache", 0, first["result"])
    assert again["image_id"] != first["image_id"]


async def test_an_upload_is_described_and_found_by_its_tag(stack: Running) -> None:
    async with stack.client() as client, _events(client) as heard:
        image = await client.upload(picture(2000), name="unnamed.jpg", analyze="describe")
        (analysis,) = await until(lambda: _completed(client, image), SECONDS)
        described = await client.get(image.id)
        assert described.stages.analysis == "complete"
        assert described.tags
        assert (described.caption or "").startswith("Made up: ")
        found = [each.id async for each in client.list(q=f"made-up {described.tags[-1]}")]
        assert image.id in found
        event = await until(lambda: _of(image, heard), SECONDS)
    assert (event.data["result"], event.data["profile"]) == (analysis.result, "describe")


async def test_a_hundred_uploads_of_forty_pictures_cost_forty_calls(stack: Running) -> None:
    before = len(calls(stack))
    async with stack.client() as client:
        used = (await client.analysis_usage()).total
        places = asyncio.Semaphore(16)

        async def upload(number: int) -> Image:
            async with places:
                file = commented(picture(number % PICTURES), f"upload {number}")
                return await client.upload(file, name=f"{number}.jpg", analyze="food")

        images = await asyncio.gather(*(upload(number) for number in range(UPLOADS)))
        assert len({image.id for image in images}) == UPLOADS
        answers: dict[str, set[str]] = {}
        sources: Counter[str | None] = Counter()
        for number, image in enumerate(images):
            (found,) = await until(partial(_completed, client, image), SECONDS, every=0.1)
            sources[found.source] += 1
            answers.setdefault(f"picture {number % PICTURES}", set()).add(json.dumps(found.result, sort_keys=True))
        spent = (await client.analysis_usage()).total
    made = calls(stack)[before:]
    print(f"\n{UPLOADS} uploads of {PICTURES} pictures\n{stack.cli('costs').stdout}")  # noqa: T201
    assert len(made) == PICTURES
    assert set(Counter(call["picture"] for call in made).values()) == {1}
    assert sources == {"api": PICTURES, "cache": UPLOADS - PICTURES}
    assert all(len(each) == 1 for each in answers.values())
    assert (spent.calls - used.calls, spent.cache_hits - used.cache_hits) == (PICTURES, UPLOADS - PICTURES)
    for name in ("input_tokens", "output_tokens"):
        assert getattr(spent, name) - getattr(used, name) == sum(call[name] for call in made)
    assert spent.cost_usd > used.cost_usd


def test_what_was_asked_of_the_model_matches_its_schema(stack: Running) -> None:
    assert doubles(stack, "/openai/_double/violations") == []
    assert {call["detail"] for call in calls(stack)} <= {"low", "high"}


def _of(image: Image, heard: Sequence[Event | Reset]) -> Event | None:
    """The first event of an image."""
    return next((each for each in heard if isinstance(each, Event) and each.subject == str(image.id)), None)


async def _completed(client: AsyncClient, image: Image) -> Sequence[Analysis]:
    """The analyses of an image, once there are some and all have ended."""
    found = await client.analyses(image.id)
    assert not [each.error for each in found if each.status == "failed"]
    return found if all(each.finished for each in found) else []


@asynccontextmanager
async def _events(client: AsyncClient) -> AsyncIterator[list[Event | Reset]]:
    """What is heard of analyses that have ended, from now on."""
    heard: list[Event | Reset] = []
    connected = asyncio.Event()
    stream = EventStream(
        client.connection,
        RetryPolicy(),
        types=("image.analyzed",),
        on_connected=lambda is_connected: connected.set() if is_connected else None,
    )

    async def listen() -> None:
        async with aclosing(stream.items()) as items:
            async for each in items:
                heard.append(each)  # noqa: PERF401 - others look at it meanwhile

    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(SECONDS):
            await connected.wait()
        yield heard
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)  # so that its socket is closed before the loop is
