"""Addresses that harm a careless client. None needs memory to speak of: what is endless or huge is made as it is sent.

GET /redirect?to=<URL>&status=302   a redirect
GET /redirects/<n>                  one to ``/redirects/<n + 1>``, without an end
GET /zeros/<bytes>                  so many zero bytes, announced by Content-Length
GET /endless                        zero bytes without an end or a Content-Length
GET /compressed/<megabytes>         so many megabytes of zeros in gzip, a thousandth of that: not what was asked for
GET /headers/<bytes>                so many bytes of headers
GET /crumbs/<n>                     a body of n chunks of one byte
GET /silence                        headers, one byte, and nothing more for a minute
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

_PIECE = bytes(256 * 1024)
_HEADER_BYTES = 1_000
_SILENCE_SECONDS = 60.0
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
"""Deflate, no name, no time (RFC 1952)."""
_LAST_BLOCK = b"\x03\x00"
"""An empty one (RFC 1951)."""


class BrokenOff(ConnectionError):
    """The double breaks a body off, which it was told to."""


async def _redirect(request: Request) -> Response:
    status = int(request.query_params.get("status", "302"))
    # As it was asked for, where RedirectResponse would quote it.
    return Response(status_code=status, headers={"Location": request.query_params["to"]})


async def _redirects(request: Request) -> Response:
    return RedirectResponse(str(request.url_for("_redirects", number=request.path_params["number"] + 1)))


async def _zeros(request: Request) -> Response:
    size = request.path_params["size"]
    return StreamingResponse(_nothing(size), media_type="image/png", headers={"Content-Length": str(size)})


async def _endless(_: Request) -> Response:
    return StreamingResponse(_nothing(None), media_type="image/png")


async def _nothing(size: int | None) -> AsyncIterator[bytes]:
    sent = 0
    while size is None or sent < size:
        piece = _PIECE if size is None else _PIECE[: size - sent]
        sent += len(piece)
        yield piece
        await asyncio.sleep(0)  # sending need not wait, and a client that has left is noticed only by others


async def _compressed(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        count, zeros, checksum = request.path_params["size"], bytes(1_000_000), 0
        packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
        packed = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # after which the same may follow again
        yield _GZIP_HEAD
        for _ in range(count):
            checksum = zlib.crc32(zeros, checksum)
            yield packed
            await asyncio.sleep(0)
        yield _LAST_BLOCK + struct.pack("<II", checksum, count * len(zeros) & 0xFFFF_FFFF)

    return StreamingResponse(pieces(), media_type="image/png", headers={"Content-Encoding": "gzip"})


async def _headers(request: Request) -> Response:
    answer = Response(b"", media_type="image/png")
    count = request.path_params["size"] // _HEADER_BYTES
    answer.raw_headers += [(b"x-filler-%d" % number, b"x" * _HEADER_BYTES) for number in range(count)]
    return answer


async def _crumbs(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(request.path_params["number"]):
            yield b"x"

    return StreamingResponse(pieces(), media_type="image/png")


async def _silence(_: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(_SILENCE_SECONDS)

    return StreamingResponse(pieces(), media_type="image/png")


ROUTES = [
    Route("/redirect", _redirect),
    Route("/redirects/{number:int}", _redirects),
    Route("/zeros/{size:int}", _zeros),
    Route("/endless", _endless),
    Route("/compressed/{size:int}", _compressed),
    Route("/headers/{size:int}", _headers),
    Route("/crumbs/{number:int}", _crumbs),
    Route("/silence", _silence),
]
