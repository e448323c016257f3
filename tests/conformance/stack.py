"""The embedded stack of the run, with things in it: pictures of two owners, one of them failed, and dead letters."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx2
import nats
from pydantic import SecretStr
from tests.chaos.pictures import picture

from heliograph_common.auth.tokens import issue_token
from heliograph_common.clock import utc_now
from heliograph_common.contracts import subjects
from heliograph_common.contracts.envelope import HEADER_MESSAGE_ID, encode, envelope
from heliograph_common.contracts.messages import DeadLetter, RenderImage
from heliograph_common.contracts.subjects import Priority
from heliograph_common.settings import AuthSettings
from heliograph_local.stack import Stack

READER = ("images:read",)
WRITER = ("images:read", "images:write")
ADMIN = ("admin",)

_NEVER_MET = '{"quota": 1000000, "window_seconds": 1, "burst": 1000000}'
_ENVIRONMENT = {
    "HELIOGRAPH_GATEWAY__ANALYSIS_PROFILES": '["food"]',
    "HELIOGRAPH_RATE_LIMITS__DEFAULT": _NEVER_MET,
    "HELIOGRAPH_RATE_LIMITS__ROUTES": f'{{"POST *": {_NEVER_MET}}}',
}
_LETTERS = 20
_PATIENCE = 60.0


@dataclass(frozen=True)
class FilledStack:
    """A running stack and what was put into it."""

    stack: Stack
    folder: Path
    auth: AuthSettings
    images: list[str]
    letters: list[int]

    @property
    def api(self) -> str:
        """The gateway's address."""
        return self.stack.connection.api or ""

    @property
    def events(self) -> str:
        """The notifier's address."""
        return self.stack.connection.events or ""

    def token(self, subject: str, scopes: Iterable[str]) -> str:
        """One that the stack takes."""
        return issue_token(self.auth, subject=subject, scopes=scopes)


@asynccontextmanager
async def filled_stack() -> AsyncIterator[FilledStack]:
    """Starts it, fills it, and takes it down with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-conformance-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user where this runs as root
    before = dict(os.environ)
    os.environ.update(_ENVIRONMENT)
    stack = Stack(folder / "stack")
    try:
        async with stack:
            environment = stack.environment("gateway")
            auth = AuthSettings(
                secret=SecretStr(environment["HELIOGRAPH_AUTH__SECRET"]),
                issuer=environment["HELIOGRAPH_AUTH__ISSUER"],
                audience=environment["HELIOGRAPH_AUTH__AUDIENCE"],
            )
            made = FilledStack(stack, folder, auth, [], [])
            await _upload(made, [small_picture(seed) for seed in range(4)])
            await _litter(made)
            yield made
    finally:
        os.environ.clear()
        os.environ.update(before)
        stack.folder.remove()
        shutil.rmtree(folder, ignore_errors=True)


def small_picture(seed: int) -> bytes:
    """A JPEG of 320 by 240."""
    return picture(seed, random.Random(seed)).data


async def _upload(here: FilledStack, files: list[bytes]) -> None:
    """Pictures of ann, the last of them broken, so that it fails and can be retried."""
    headers = {"Authorization": f"Bearer {here.token('ann', WRITER)}"}
    async with httpx2.AsyncClient(base_url=here.api, headers=headers, timeout=20, trust_env=False) as client:
        for number, data in enumerate(files):
            broken = data[: len(data) // 2] if number == len(files) - 1 else data
            answer = await client.post(f"/v1/images?name={number}.jpg", content=broken)
            here.images.append(answer.json()["id"])
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            states = [(await client.get(f"/v1/images/{image}")).json()["status"] for image in here.images]
            if all(state in {"complete", "failed"} for state in states):
                return
            await asyncio.sleep(0.2)
    raise TimeoutError(f"the first pictures are not done: {states}")


async def _litter(here: FilledStack) -> None:
    """Dead letters of ann's pictures, and some that are no messages at all."""
    client = await nats.connect(here.stack.connection.nats)
    try:
        for number in range(_LETTERS):
            image_id = UUID(here.images[number % len(here.images)])
            payload = encode(envelope(RenderImage(image_id=image_id), owner="ann")) if number % 2 else b"no envelope"
            letter = DeadLetter(
                service="thumbnailer",
                subject=subjects.render(Priority.NORMAL),
                headers={},
                payload=payload.decode(),
                reason="put there for the conformance run",
                error="none",
                deliveries=number,
                died_at=utc_now(),
            )
            message = envelope(letter, owner="ann")
            headers = {HEADER_MESSAGE_ID: str(message.id)}
            stored = await client.jetstream().publish(subjects.dead("thumbnailer"), encode(message), headers=headers)
            here.letters.append(stored.seq)
    finally:
        await client.close()
