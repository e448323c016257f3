"""Pictures under paths, with ETags and conditional requests, and the faults of ``Behaviour``; beside them the addresses of
``traps``.

    GET /                        the addresses of all pictures, one a line
    GET /pictures/<name>         a picture; faults befall the call ``get`` about ``<name>``
    GET /chunked/<name>          the same without a Content-Length
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from heliograph_local.doubles.faults import Behaviour, Fault
from heliograph_local.doubles.web import traps
from heliograph_local.first_picture import sample_picture

_PIECE = 16 * 1024
_DEMO_WIDTHS = (640, 800, 960, 1120, 1280, 1440)


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served under a name. ``etag`` and ``modified`` are headers; ``None`` leaves one out."""

    body: bytes
    media_type: str = "image/jpeg"
    etag: str | None = None
    modified: str | None = None


class WebDouble:
    """The server: ``app`` answers, ``behaviour`` says what goes wrong."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.headers: list[Mapping[str, str]] = []
        """Those of each request for a picture, by names in lower case."""
        self._served: dict[str, Served] = {}
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/pictures/{name:path}", self._picture),
                Route("/chunked/{name:path}", self._chunked),
                *traps.ROUTES,
                *self.behaviour.routes(),
            ]
        )

    @classmethod
    def with_demo_pictures(cls) -> WebDouble:
        """One that has some pictures to try."""
        double = cls()
        for width in _DEMO_WIDTHS:
            double.put(f"sunrise {width}.jpg", sample_picture(width, width * 2 // 3))
        return double

    def put(self, name: str, body: bytes, **told: str | None) -> None:
        """Serves ``body`` under ``/pictures/<name>``, with the strong ETag of its content unless ``etag`` is given;
        ``told`` are fields of ``Served``."""
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        self._served[name] = Served(body=body, **{"etag": tag, **told})  # type: ignore[arg-type]

    @property
    def names(self) -> list[str]:
        """Of all pictures."""
        return sorted(self._served)

    async def _index(self, request: Request) -> Response:
        urls = (str(request.url_for("_picture", name=name)) for name in self.names)
        return PlainTextResponse("".join(f"{url}\n" for url in urls))

    async def _chunked(self, request: Request) -> Response:
        return await self._answer(request, chunked=True)

    async def _picture(self, request: Request) -> Response:
        return await self._answer(request, chunked=False)

    async def _answer(self, request: Request, *, chunked: bool) -> Response:
        name = request.path_params["name"]
        self.headers.append(dict(request.headers))
        self.behaviour.note("get", name)
        fault = self.behaviour.fault("get", [name])
        if fault is not None and (answer := await _refusal(fault)) is not None:
            return answer
        served = self._served.get(name)
        if served is None:
            return PlainTextResponse("not found", 404)
        headers = {
            key: value for key, value in {"ETag": served.etag, "Last-Modified": served.modified}.items() if value
        }
        if _has_it(request, served):
            return Response(status_code=304, headers=headers)
        return _body(served, headers, fault, chunked=chunked)


async def _refusal(fault: Fault) -> Response | None:
    """The answer that ``fault`` gives in place of a picture, if it does."""
    wait = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
        case "rate_limited":
            return PlainTextResponse("too many requests", 429, wait)
        case "quota":
            return PlainTextResponse("come back later", 503, wait)
        case "error":
            return PlainTextResponse("it failed", fault.status)
        case "vanished":
            return PlainTextResponse("gone", 410)
        case "html":
            return HTMLResponse("<!doctype html><title>A page</title><img src=picture.jpg>")
        case _:
            pass
    return None


def _has_it(request: Request, served: Served) -> bool:
    """Whether the condition of the request says that the client has this content (RFC 9110, 13.2.2)."""
    if (tags := request.headers.get("if-none-match")) is not None:
        return served.etag is not None and served.etag in tags.split(", ")
    return served.modified is not None and request.headers.get("if-modified-since") == served.modified


def _body(served: Served, headers: Mapping[str, str], fault: Fault | None, *, chunked: bool) -> Response:
    told, end = len(served.body), len(served.body)
    if fault is not None and fault.kind == "cut_off":
        end = min(fault.bytes, told)
    elif fault is not None and fault.kind == "wrong_size":
        told += fault.bytes
    sized = {} if chunked else {"Content-Length": str(told)}
    broken = end < len(served.body) or told > len(served.body)
    pieces = _pieces(served.body[:end], broken=broken)
    return StreamingResponse(pieces, media_type=served.media_type, headers={**headers, **sized})


async def _pieces(body: bytes, *, broken: bool) -> AsyncIterator[bytes]:
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]
    if broken:
        raise traps.BrokenOff
