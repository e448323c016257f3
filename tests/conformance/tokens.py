"""Sends every attack to a running gateway, to a running notifier's handshake, and to it as the first frame of a socket: to
those of the stack, which share a secret, and to others that read a key set, which goes away and is rotated."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import jwt
from tests.conformance.attacks import Attack, Forge, Keys, on_a_shared_secret, on_published_keys
from tests.conformance.stack import FilledStack
from tests.conformance.table import Row, row, say
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from heliograph_common.auth.keyset import REFETCH_SECONDS, RETRY_SECONDS
from heliograph_notifier.protocol.codes import CloseCode

_LISTEN = "/v1/events"
_PATIENCE = 20.0
_EXPECTED = {
    "refused": ("401 unauthenticated", "401", str(int(CloseCode.UNAUTHENTICATED))),
    "taken": ("200", "101", "auth_ok"),
}


@dataclass
class Target:
    """A gateway and a notifier."""

    api: str
    events: str

    async def try_all(self, name: str, attack: Attack) -> Row:
        """One row: what all three said."""
        header = {"Authorization": f"Bearer {attack.token}"}
        said = await self.over_http(header), await self.handshake(header), await self.first_frame(attack.token)
        http, handshake, frame = _EXPECTED[attack.outcome]
        return row(f"{name}: {attack.name}", ", ".join((http, attack.handshake or handshake, frame)), ", ".join(said))

    async def over_http(self, headers: Mapping[str, str] | list[tuple[str, str]], query: str = "") -> str:
        """Status and problem of a list of images."""
        async with httpx2.AsyncClient(timeout=_PATIENCE, trust_env=False) as client:
            answer = await client.get(f"{self.api}/v1/images{query}", headers=headers)
        problem = answer.json().get("type", "") if answer.content else ""
        return f"{answer.status_code} {problem.removeprefix('/problems/')}".strip()

    async def handshake(self, headers: Mapping[str, str] | list[tuple[str, str]], query: str = "") -> str:
        """The status that a handshake gets."""
        try:
            async with self._socket(headers, query):
                return "101"
        except InvalidStatus as refused:
            return str(refused.response.status_code)
        except (InvalidHandshake, OSError) as error:
            return type(error).__name__

    async def first_frame(self, token: str) -> str:
        """What comes of a token in the first frame: the answer's op, or the close code."""
        try:
            async with self._socket({}, "") as connection, asyncio.timeout(_PATIENCE):
                await connection.send(json.dumps({"op": "auth", "token": token}))
                return str(json.loads(await connection.recv())["op"])
        except ConnectionClosed as closed:
            return str(closed.rcvd.code if closed.rcvd else "cut")

    def _socket(self, headers: Mapping[str, str] | list[tuple[str, str]], query: str) -> connect:
        pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
        return connect(
            f"{self.events}{query}",
            subprotocols=[Subprotocol("heliograph.v1")],
            additional_headers=pairs,
            proxy=None,
            close_timeout=1,
            open_timeout=_PATIENCE,
        )


async def run(here: FilledStack) -> list[Row]:
    """All rows."""
    target = Target(here.api, here.events)
    attacker = KeyServer(Keys.make(), away=False)
    with _issuing(attacker):
        forge = Forge(here.auth, attacker.url)
        rows = [await target.try_all("secret", attack) for attack in on_a_shared_secret(forge)]
        rows += await _around(target, forge)
        rows += await _key_set(here, forge)
    rows.append(row("fetches of what tokens point to", "0", str(len(attacker.fetches))))
    return rows


async def _around(target: Target, forge: Forge) -> list[Row]:
    """What is not in the token: headers and the URL."""
    good, bad = forge.signed(), forge.signed(secret=b"another secret that is long enough")
    headers: dict[str, list[tuple[str, str]]] = {
        "no Authorization header": [],
        "an empty Authorization header": [("Authorization", "")],
        "Bearer without a token": [("Authorization", "Bearer")],
        "another scheme": [("Authorization", f"Basic {good}")],
        "two headers, the good one first": [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {bad}")],
        "two headers, the good one last": [("Authorization", f"Bearer {bad}"), ("Authorization", f"Bearer {good}")],
        "the same good header twice": [("Authorization", f"Bearer {good}")] * 2,
        "two tokens with a comma": [("Authorization", f"Bearer {good}, Bearer {good}")],
    }
    rows = []
    for name, given in headers.items():
        # a socket without the header may still send its token in the first frame
        expected = "401 unauthenticated, " + ("101" if not given else "401")
        got = f"{await target.over_http(given)}, {await target.handshake(given)}"
        rows.append(row(f"secret: {name}", expected, got))
    for parameter in ("access_token", "token"):
        query = f"?{parameter}={good}"
        got = f"{await target.over_http({}, query)}, {await target.handshake({}, query)}"
        rows.append(row(f"secret: the token in the URL as {parameter}", "400 invalid-parameter, 400", got))
    return rows


@dataclass
class KeyServer:
    """A key set on this machine. ``away``: it answers 503. ``fetches``: how often it was asked."""

    keys: Keys
    url: str = ""
    away: bool = True
    rotated: bool = False
    fetches: list[float] = field(default_factory=list)


@contextmanager
def _issuing(issuer: KeyServer) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetches.append(time.monotonic())
            self.send_response(503 if issuer.away else 200)
            self.end_headers()
            if not issuer.away:
                self.wfile.write(issuer.keys.document(rotated=issuer.rotated))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


async def _key_set(here: FilledStack, forge: Forge) -> list[Row]:
    keys = Keys.make()
    issuer = KeyServer(keys)
    rows: list[Row] = []

    def token(key: object, kid: str) -> str:
        return jwt.encode(forge.claims(), key, algorithm="RS256", headers={"kid": kid})  # type: ignore[arg-type]

    with _issuing(issuer):
        async with _others(here, issuer.url) as target:
            say("key set: away, there, rotated")
            old, new = token(keys.first, "rsa"), token(keys.second, "next")
            rows.append(await target.try_all("key set", Attack("cold start while the issuer is away", old)))
            issuer.away = False
            await asyncio.sleep(RETRY_SECONDS + 0.5)
            rows.append(await target.try_all("key set", Attack("control: the issuer is back", old, "taken")))
            rows += [await target.try_all("key set", attack) for attack in on_published_keys(forge, keys)]
            made_up = len(issuer.fetches)
            rows.append(row("key set: fetches for made-up key ids", "few", "few" if made_up <= 8 else f"{made_up}"))
            issuer.away = True
            rows.append(
                await target.try_all("key set", Attack("the issuer is away, the keys are cached", old, "taken"))
            )
            issuer.away, issuer.rotated = False, True
            await asyncio.sleep(REFETCH_SECONDS + 1)
            rows.append(await target.try_all("key set", Attack("a rotated key: the new one", new, "taken")))
            rows.append(await target.try_all("key set", Attack("a rotated key: the withdrawn one", old)))
    return rows


@asynccontextmanager
async def _others(here: FilledStack, jwks_url: str) -> AsyncIterator[Target]:
    """Another gateway and notifier over the same servers, with a key set instead of the secret."""
    processes = []
    ports = {}
    for name in ("gateway", "notifier"):
        port, management = _free_port(), _free_port()
        environment = here.stack.environment(name) | {
            "HELIOGRAPH_AUTH__JWKS_URL": jwks_url,
            "HELIOGRAPH_HTTP__PORT": str(port),
            "HELIOGRAPH_HTTP__MANAGEMENT_PORT": str(management),
        }
        del environment["HELIOGRAPH_AUTH__SECRET"]
        log = (here.folder / f"{name}-with-a-key-set.log").open("wb")
        command = [sys.executable, "-m", f"heliograph_{name}"]
        processes.append(await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log))
        log.close()
        ports[name] = port, management
    try:
        for _, management in ports.values():
            await _ready(management)
        yield Target(f"http://127.0.0.1:{ports['gateway'][0]}", f"ws://127.0.0.1:{ports['notifier'][0]}{_LISTEN}")
    finally:
        for process in processes:
            process.terminate()
            await process.wait()


async def _ready(management: int) -> None:
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{management}/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
