"""Requests to addresses that clients name: each is checked when it connects, each redirect again, each step has a limit.

Nothing is carried from one request to the next: no cookies, no credentials, no proxy or other setting of the environment.
Answers are the bytes that the server sent, never decompressed, so none can become larger than what was transferred. Headers
are limited by the parser, to some 100 kB.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpcore2

from heliograph_common.excerpts import excerpt
from heliograph_common.outbound.addresses import AddressPolicy
from heliograph_common.outbound.errors import EncodingRefused, RedirectRefused, RequestFailed, RequestTimedOut
from heliograph_common.outbound.network import GuardedNetwork
from heliograph_common.outbound.resolver import Resolver, SystemResolver
from heliograph_common.outbound.targets import Target, read
from heliograph_common.telemetry import spans

USER_AGENT = "Heliograph"
_REDIRECTS = {301, 302, 303, 307, 308}
_SMALL = 1024
_MOST_SMALL = 100
"""So many small pieces are taken at a time before others have the event loop: a server may send chunks of one byte."""

Before = Callable[[str], Awaitable[None]]
"""Awaited with the host before each request, those after redirects included; may refuse by raising."""
Trace = Callable[[str, object], Awaitable[None]]
"""Hears of each step of a request, by httpcore2's names."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Limits of a request, in seconds: ``connect`` for TCP, and again for TLS; ``answer`` until the headers are there, with
    all that comes before them; ``read`` for each wait on the body; ``total`` for the body and all redirects before it,
    of which ``redirects`` are followed."""

    connect: float = 10.0
    answer: float = 30.0
    read: float = 30.0
    total: float = 280.0
    redirects: int = 5


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer: ``headers`` by names in lower case; ``size`` of the body in bytes where the server tells it; ``chunks``,
    the body, of at most 64 kB each, which raise ``RequestFailed`` where it breaks off, and ``EncodingRefused``. ``url`` is
    where the redirects ended, and ``host`` its host."""

    status: int
    headers: Mapping[str, str]
    url: str
    host: str
    size: int | None
    chunks: AsyncIterator[bytes]


class GuardedClient:
    """Sends the requests; keeps connections open for a short while, each for its own host only."""

    def __init__(
        self,
        allowed_networks: Iterable[str] = (),
        *,
        resolver: Resolver | None = None,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        connections: int = 100,
    ) -> None:
        self._patience = patience or Patience()
        self._closed = False
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or httpcore2.default_ssl_context(),
            network_backend=GuardedNetwork(AddressPolicy(allowed_networks), resolver or SystemResolver()),
            max_connections=connections,
            max_keepalive_connections=connections // 5,
            keepalive_expiry=5.0,
            http1=True,
            http2=False,
        )

    async def close(self) -> None:
        """Ends all connections. Nothing is sent after that: the pool would open new ones, which nobody ends."""
        self._closed = True
        await self._pool.aclose()

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, before: Before | None = None
    ) -> AsyncIterator[Response]:
        """GETs ``url`` and follows redirects. ``headers`` go to every host of the chain: they may carry no secret. Leaving
        the block before the end of the body gives up the rest.

        Raises:
            UrlRefused, AddressForbidden, RedirectRefused, UnknownHost, RequestFailed: see there.
            RuntimeError: the client was closed.
        """
        deadline = asyncio.get_running_loop().time() + self._patience.total
        target = read(url)
        for _ in range(self._patience.redirects + 1):
            if before is not None:
                await before(target.host)
            if self._closed:
                raise RuntimeError("the client was closed")
            async with self._requested(target, headers or {}, deadline) as response:
                location = response.headers.get("location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
            target = target.redirected(location)
        raise RedirectRefused(
            f"{read(url).shown} redirects more than {self._patience.redirects} times: use the final address"
        )

    @asynccontextmanager
    async def _requested(self, target: Target, headers: Mapping[str, str], deadline: float) -> AsyncIterator[Response]:
        answered = min(deadline, asyncio.get_running_loop().time() + self._patience.answer)
        with _translated(target), spans.http_span("GET", target.host, target.port) as status:
            async with asyncio.timeout_at(answered):
                raw = await self._answer(target, headers)
            status(raw.status)
        try:
            told = _headers(raw)
            async with aclosing(_chunks(raw, target, told, deadline)) as chunks:
                yield Response(
                    status=raw.status,
                    headers=told,
                    url=str(target.url),
                    host=target.host,
                    size=_size(told),
                    chunks=chunks,
                )
        finally:
            await raw.aclose()

    async def _answer(self, target: Target, headers: Mapping[str, str]) -> httpcore2.Response:
        """What the host answers. A connection that was kept open may have been ended by the host in the moment of the
        request, which says nothing about the host: then the request is sent again (RFC 9110, 9.2.2)."""
        while True:
            opened = False

            async def note(event: str, _: object) -> None:
                nonlocal opened
                opened = opened or event == "connection.connect_tcp.started"

            try:
                return await self._pool.handle_async_request(self._request(target, headers, note))
            except (httpcore2.RemoteProtocolError, httpcore2.NetworkError):
                if opened:
                    raise

    def _request(self, target: Target, headers: Mapping[str, str], trace: Trace) -> httpcore2.Request:
        patience = self._patience
        sent = {
            "Host": target.authority,
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            **headers,
        }
        seconds = {"connect": patience.connect, "read": patience.read, "write": patience.read, "pool": patience.answer}
        return httpcore2.Request(
            "GET",
            httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
            headers=list(sent.items()),
            extensions={"timeout": seconds, "trace": trace},
        )


async def _chunks(
    raw: httpcore2.Response, target: Target, headers: Mapping[str, str], deadline: float
) -> AsyncGenerator[bytes, None]:
    """The body as it was transferred."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise EncodingRefused(
            f"{target.shown} is sent compressed ({excerpt(encoding, 20)}) although no compression was requested: "
            "have the server send the file as it is"
        )
    small = 0
    async with aclosing(raw.aiter_stream()) as pieces:
        while True:
            with _translated(target):
                async with asyncio.timeout_at(deadline):
                    piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece
            small = small + 1 if len(piece) < _SMALL else 0
            if small >= _MOST_SMALL:
                small = 0
                await asyncio.sleep(0)


@contextmanager
def _translated(target: Target) -> Iterator[None]:
    """Names what fails between us and the host."""
    try:
        yield
    except (TimeoutError, httpcore2.TimeoutException) as error:
        raise RequestTimedOut(f"{target.host} took too long to answer: try again later") from error
    except httpcore2.ProtocolError as error:
        raise RequestFailed(
            f"{target.host} broke off or does not speak HTTP ({_said(error)}): try again later"
        ) from error
    except (httpcore2.NetworkError, OSError) as error:
        reason = f" ({_said(error)})" if str(error) else ""
        raise RequestFailed(f"{target.host} cannot be reached or broke off{reason}: try again later") from error


def _said(error: Exception) -> str:
    """What the parser and the system say quotes the host."""
    return excerpt(str(error))


def _headers(raw: httpcore2.Response) -> dict[str, str]:
    """By names in lower case; those given more than once are joined, and of ``Location`` the first counts."""
    found: dict[str, str] = {}
    for name, value in raw.headers:
        key, text = name.decode("latin-1").lower(), _text(value)
        if key not in found:
            found[key] = text
        elif key != "location":
            found[key] += f", {text}"
    return found


def _text(value: bytes) -> str:
    """Headers are Latin-1 by the letter; many servers send UTF-8 in ``Location``."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _size(headers: Mapping[str, str]) -> int | None:
    told = headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() and "transfer-encoding" not in headers else None
