"""The client: sends pictures until each is answered for good, and listens on the socket. All is recorded (``history``).

It speaks HTTP and WebSocket by itself, so that nothing is smoothed over before it is written down; beside it the public
client library listens too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from pydantic import SecretStr
from tests.chaos.history import Answer, History, Observed, Picture
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from heliograph_client import AsyncClient, Reset
from heliograph_client import Connection as ClientConnection
from heliograph_local.connection import Connection

_PREFIX = "dev.heliograph."
_PAUSE = (0.1, 0.6)
_PATIENCE = 20.0


def client_connection(connection: Connection) -> ClientConnection:
    """The stack's addresses and user token as the client library takes them."""
    assert connection.api is not None
    assert connection.events is not None
    return ClientConnection(api=connection.api, events=connection.events, token=SecretStr(connection.token))


class Sender:
    """Uploads, and tries again what was not answered for good. ``patience``: seconds it waits for an answer."""

    def __init__(
        self, connection: Connection, history: History, rng: random.Random, *, patience: float = _PATIENCE
    ) -> None:
        self._history = history
        self._rng = rng
        self._http = httpx2.AsyncClient(
            base_url=connection.api or "",
            headers={"Authorization": f"Bearer {connection.token}"},
            timeout=httpx2.Timeout(patience, connect=5.0),
            trust_env=False,
        )

    async def send_all(
        self, pictures: Iterable[Picture], *, twice: float = 0.0, lanes: int = 8, patience: float | None = None
    ) -> None:
        """Returns when each has been accepted or refused, or after ``patience`` seconds; what has no answer then is to be
        sent again. ``lanes``: pictures at one time. ``twice``: the share of them that is sent twice at the same time, as
        by a client that lost its patience."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._send_all(pictures, twice, lanes)

    async def _send_all(self, pictures: Iterable[Picture], twice: float, lanes: int) -> None:
        waiting = iter(pictures)

        async def lane() -> None:
            for picture in waiting:
                repeats = 2 if self._rng.random() < twice else 1
                await asyncio.gather(*(self.send(picture) for _ in range(repeats)))

        async with asyncio.TaskGroup() as sending:
            for _ in range(lanes):
                sending.create_task(lane())

    async def send(self, picture: Picture) -> None:
        """One picture, as often as it takes."""
        self._history.sent[picture.sha256] = picture
        while not await self._attempt(picture):
            await asyncio.sleep(self._rng.uniform(*_PAUSE))

    async def delete(self, image_id: str) -> None:
        """As often as it takes. 404 is an answer too: an earlier try was answered 204, and that was lost."""
        while await self._ask("DELETE", f"/v1/images/{image_id}") not in {204, 404}:
            await asyncio.sleep(self._rng.uniform(*_PAUSE))
        self._history.deleted.add(image_id)

    async def retry(self, image_id: str) -> int:
        """Asks once for a failed image to be tried again; returns the status, 0 for none."""
        status = await self._ask("POST", f"/v1/images/{image_id}/retry")
        if status == 202:
            self._history.retried[image_id] += 1
        return status

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str) -> int:
        try:
            return (await self._http.request(method, path)).status_code
        except httpx2.HTTPError:
            return 0

    async def _attempt(self, picture: Picture) -> bool:
        loop, history = asyncio.get_running_loop(), self._history
        began = loop.time()
        more = {"priority": picture.priority, "analyze": picture.profile}
        asked = {"name": picture.name, **{name: value for name, value in more.items() if value}}
        try:
            response = await self._http.post("/v1/images", params=asked, content=picture.data)
        except httpx2.HTTPError as error:
            history.answers.append(Answer(picture.sha256, began, loop.time() - began, 0, problem=repr(error)))
            return False
        now = loop.time()
        answer = Answer(
            picture.sha256,
            began,
            now - began,
            response.status_code,
            response.headers.get("Retry-After"),
            "" if response.is_success else _problem(response),
        )
        history.answers.append(answer)
        if response.is_success:
            history.accept(picture, response.json()["id"], now)
            return True
        if answer.status >= 500 or answer.status == 429:
            return False
        history.refused[picture.sha256] = answer
        return True


def _problem(response: httpx2.Response) -> str:
    """The type of a problem document that says what is wrong, else nothing."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return ""
    with contextlib.suppress(ValueError):
        document = response.json()
        if document.get("detail") and document.get("status") == response.status_code:
            return str(document.get("type", ""))
    return ""


@asynccontextmanager
async def listening(connection: Connection, history: History) -> AsyncIterator[None]:
    """Listens for as long as the block runs, from before its first statement."""
    ready = asyncio.Event()
    tasks = [
        asyncio.create_task(_listen(connection, history, ready)),
        asyncio.create_task(_listen_by_library(connection, history)),
    ]
    try:
        async with asyncio.timeout(30):
            await ready.wait()
        await asyncio.sleep(0.5)  # the library's connection comes about at the same time
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(connection: Connection, history: History, ready: asyncio.Event) -> None:
    cursor: str | None = None
    while True:
        try:
            async with connect(
                connection.events or "",
                subprotocols=[Subprotocol("heliograph.v1")],
                additional_headers={"Authorization": f"Bearer {connection.token}"},
                proxy=None,
                max_size=None,
                close_timeout=1,
                open_timeout=5,
                ping_interval=2,
                ping_timeout=6,
            ) as socket:
                history.connections += 1
                await socket.send(
                    json.dumps({"op": "subscribe", "types": [], **({"cursor": cursor} if cursor else {})})
                )
                async for frame in socket:
                    cursor = _note(json.loads(frame), history, ready) or cursor
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException):
            await asyncio.sleep(0.1)


def _note(message: dict[str, Any], history: History, ready: asyncio.Event) -> str | None:
    """Writes a frame down; returns the cursor that it moves to."""
    cursor = message.get("cursor")
    if "op" in message:
        if message["op"] == "ready":
            ready.set()
        elif message["op"] == "reset":
            history.reset(str(message.get("reason")), asyncio.get_running_loop().time())
        return cursor if message["op"] in {"ready", "reset"} else None
    history.events.append(
        Observed(
            message["id"],
            message["type"].removeprefix(_PREFIX),
            message.get("subject", ""),
            message["cursor"],
            asyncio.get_running_loop().time(),
            int(message["data"].get("revision") or 0),
        )
    )
    return cursor


async def _listen_by_library(connection: Connection, history: History) -> None:
    async with AsyncClient(client_connection(connection)) as client:
        async for item in client.events():
            if isinstance(item, Reset):
                history.reset(f"{item.reason} (client library)", asyncio.get_running_loop().time())
            else:
                history.told_by_client_library.append(item.id)
