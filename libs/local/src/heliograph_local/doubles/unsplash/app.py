"""The double of Unsplash's API as an application: who asks, whether it is asked what Unsplash takes, what goes wrong on
request, and the answer in Unsplash's form.

    GET /search/photos           photos that a query finds (``photos`` says which)
    GET /photos/<id>             one of them
    GET /photos/<id>/download    tells Unsplash that it is used, and answers the address of its file
    GET /files/<id>.jpg          the file; neither counted nor for anybody's key
    GET /pages/<what>            a page of HTML, where the photos' links lead
    PUT /_double/limit           ``{"requests_per_hour": 25}`` from now on
    GET /_double/calls           every request of the API, oldest first

Faults befall the calls ``search``, ``photo``, ``download`` and ``file``, about the query or the photo's id. A request that
the published types do not have is answered 400, an answer that they do not have 500; both are recorded as violations.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from heliograph_local.doubles.addresses import UNSPLASH_KEY
from heliograph_local.doubles.faults import Behaviour, Fault, Kind
from heliograph_local.doubles.records import Record
from heliograph_local.doubles.unsplash import photos, pictures, resources, schema
from heliograph_local.doubles.unsplash.calls import Call, Hour
from heliograph_local.doubles.unsplash.errors import Refused, error, no_photo, of_fault, over_limit, wrong_key
from heliograph_local.doubles.unsplash.photos import Photo
from heliograph_local.doubles.unsplash.schema import DOWNLOAD, PHOTO, SEARCH, InvalidAnswer, InvalidRequest

KEY = UNSPLASH_KEY
FILE = "file"
DEMO_LIMIT = 50
"""Requests an hour of an application that Unsplash has not approved yet."""
_REFUSED: tuple[Kind, ...] = ("rate_limited", "quota", "error", "html", "vanished")
_CHANGED: tuple[Kind, ...] = ("empty", "wrong_type")
_PAGE = 10


class UnsplashDouble:
    """``app`` answers. ``keys`` are the access keys that it takes; ``limit`` is how many requests they have in any hour by
    ``clock``; ``calls`` is what it was asked, oldest first, and ``record`` a file to write them to, too. ``unpublished``:
    photos have what the service sends beyond its published types."""

    def __init__(
        self,
        record: Path | None = None,
        *,
        limit: int = DEMO_LIMIT,
        clock: Callable[[], float] = time.time,
        unpublished: bool = False,
    ) -> None:
        self.behaviour = Behaviour()
        self.keys = {KEY}
        self.calls: list[Call] = []
        self.hour = Hour(limit)
        self.unpublished = unpublished
        self._clock = clock
        self._record = Record(record)
        self.app = Starlette(
            routes=[
                Route("/search/photos", self._search),
                Route("/photos/random", self._unknown),
                Route("/photos/{photo_id}", self._photo),
                Route("/photos/{photo_id}/download", self._download),
                Route("/files/{name}", self._file),
                Route("/pages/{what:path}", _page),
                Route("/_double/limit", self._put_limit, methods=["PUT"]),
                Route("/_double/calls", self._get_calls),
                *self.behaviour.routes(),
                Route("/{path:path}", self._unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ]
        )

    async def _search(self, request: Request) -> Response:
        return await self._answered(SEARCH, request, request.query_params.get("query", ""))

    async def _photo(self, request: Request) -> Response:
        return await self._answered(PHOTO, request, request.path_params["photo_id"])

    async def _download(self, request: Request) -> Response:
        return await self._answered(DOWNLOAD, request, request.path_params["photo_id"])

    async def _answered(self, call: str, request: Request, about: str) -> Response:
        entry = Call(call=call, about=about, at=self._clock())
        self.calls.append(entry)
        self._record.write(entry)
        try:
            response = await self._taken(entry, request)
        except Refused as refused:
            response = refused.response
        except InvalidRequest as invalid:
            self.behaviour.violation(str(invalid))
            response = error(call, 400, str(invalid))
        except InvalidAnswer as invalid:
            self.behaviour.violation(str(invalid))
            response = error(call, 500, str(invalid))
        entry.status = response.status_code
        self._record.write(entry)
        return response

    async def _taken(self, entry: Call, request: Request) -> Response:
        """The answer to a request that has a key."""
        call, about = entry.call, [entry.about]
        self._check_key(call, request)
        given = schema.query(call, _given(call, entry.about, request))
        entry.counted = self.hour.take(entry.at)
        self.behaviour.note(call, entry.about)
        if slow := self.behaviour.fault(call, about, kinds=("slow",)):
            await asyncio.sleep(slow.seconds)
        left = 0 if self.behaviour.fault(call, about, kinds=("wrong_remaining",)) else self.hour.left(entry.at)
        limits = {"X-Ratelimit-Limit": self.hour.limit, "X-Ratelimit-Remaining": left}
        if not entry.counted:
            return _with(limits, over_limit())
        if refused := self.behaviour.fault(call, about, kinds=_REFUSED):
            return _with({**limits, **_none_left(refused)}, of_fault(call, refused))
        response = self._told(entry, request, given, limits)
        cut = self.behaviour.fault(call, about, kinds=("cut_off",))
        return response if cut is None else _Cut(response, min(cut.bytes, len(response.body) // 2))

    def _check_key(self, call: str, request: Request) -> None:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind != "Client-ID" or key not in self.keys:
            raise Refused(wrong_key(call))
        if request.headers.get("accept-version", "v1") != "v1":
            raise InvalidRequest(f"{call}: Accept-Version is not v1")

    def _told(self, entry: Call, request: Request, given: dict[str, Any], limits: dict[str, int]) -> Response:
        base = f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"  # where it is mounted
        headers: dict[str, int | str] = {**limits}
        photo = Photo.of(entry.about) if entry.call != SEARCH else None
        if entry.call == SEARCH:
            answer, more = _page_of(given, base)
            headers |= more
        elif photo is None:
            return _with(limits, no_photo(entry.call))
        elif entry.call == PHOTO:
            answer = resources.full(photo, base)
        else:
            answer = {"url": resources.file_url(photo, base, fm="jpg", q="85")}
        content = schema.answer(entry.call, answer, headers)
        if changed := self.behaviour.fault(entry.call, [entry.about], kinds=_CHANGED):
            content = msgspec.json.encode(_changed(entry.call, answer, changed))
        elif self.unpublished and entry.call != DOWNLOAD:
            content = msgspec.json.encode(_completed(entry.call, answer))
        return _with(headers, Response(content, media_type="application/json"))

    async def _unknown(self, request: Request) -> Response:
        what = f"{request.method} {request.url.path}: not here"
        self.behaviour.violation(what)
        return error(SEARCH, 404, what)

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        photo_id = name.removeprefix("premium_photo-").removesuffix(".jpg")
        self.behaviour.note(FILE, photo_id)
        if "authorization" in request.headers:
            self.behaviour.violation(f"{FILE}: the key is sent where it has no business")
        if slow := self.behaviour.fault(FILE, [photo_id], kinds=("slow",)):
            await asyncio.sleep(slow.seconds)
        if refused := self.behaviour.fault(FILE, [photo_id], kinds=_REFUSED):
            return of_fault(PHOTO, refused)
        photo = Photo.of(photo_id)
        if photo is None or photo.file != name:
            return Response("Not Found", 404, media_type="text/plain")
        try:
            width, height, quality = pictures.size(photo, request.query_params)
        except InvalidRequest as invalid:
            self.behaviour.violation(f"{FILE}: {invalid}")
            return Response(str(invalid), 400, media_type="text/plain")
        content = await asyncio.to_thread(pictures.jpeg, photo, width, height, quality)
        response = Response(content, media_type="image/jpeg")
        cut = self.behaviour.fault(FILE, [photo_id], kinds=("cut_off",))
        return response if cut is None else _Cut(response, min(cut.bytes, len(content) // 2))

    async def _put_limit(self, request: Request) -> Response:
        self.hour.limit = int((await request.json())["requests_per_hour"])
        return Response(status_code=204)

    async def _get_calls(self, _: Request) -> Response:
        return Response(msgspec.json.encode(self.calls), media_type="application/json")


class _Cut(Response):
    """Another answer, whose connection ends after so many bytes."""

    def __init__(self, response: Response, end: int) -> None:
        super().__init__(response.body, response.status_code, dict(response.headers))
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[: self._end]), "more_body": True})


def _given(call: str, about: str, request: Request) -> list[tuple[str, str]]:
    """The parameters. A download is told with the ``ixid`` that the photo's own link to it has, which is no parameter of the
    published types."""
    given = request.query_params.multi_items()
    photo = Photo.of(about) if call == DOWNLOAD else None
    if photo is None:
        return given
    ours = resources.tracking(photo)
    return [(name, value) for name, value in given if not (name == "ixid" and value.startswith(ours))]


def _page_of(given: dict[str, Any], base: str) -> tuple[dict[str, Any], dict[str, int | str]]:
    """One page of a search, and its headers."""
    found = photos.found(given)
    page, size = given.get("page", 1), given.get("per_page", _PAGE)
    pages = -(-len(found) // size)
    shown = found[(page - 1) * size : page * size]
    results = [resources.basic(photo, base, given["query"]) for photo in shown]
    links = {"first": 1, "prev": page - 1, "next": page + 1, "last": pages}
    told = ", ".join(
        f'<{base}/search/photos?{urlencode({**given, "page": number})}>; rel="{name}"'
        for name, number in links.items()
        if 0 < number <= pages and number != page
    )
    answer = {"total": len(found), "total_pages": pages, "results": results}
    return answer, {"Link": told, "X-Total": len(found), "X-Per-Page": size}


def _changed(call: str, answer: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """An answer as the fault has it."""
    if fault.kind == "empty":
        return {"total": 0, "total_pages": 0, "results": []} if call == SEARCH else {}
    if call == SEARCH:
        return {**answer, "results": [{**photo, "width": "wide", "urls": None} for photo in answer["results"]]}
    return {"url": 7} if call == DOWNLOAD else {**answer, "width": "wide", "urls": None}


def _completed(call: str, answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with what the published types do not name."""
    if call == SEARCH:
        return {**answer, "results": [_completed(PHOTO, photo) for photo in answer["results"]]}
    photo = Photo.of(answer["id"])
    return {**answer, **resources.unpublished(photo)} if photo else answer


def _none_left(fault: Fault) -> dict[str, int]:
    return {"X-Ratelimit-Remaining": 0} if fault.kind in {"rate_limited", "quota"} else {}


def _with(headers: dict[str, Any], response: Response) -> Response:
    for name, value in headers.items():
        response.headers[name] = str(value)
    return response


async def _page(request: Request) -> Response:
    what = request.path_params["what"].replace("<", "")
    return HTMLResponse(f"<!doctype html><title>{what}</title><p>The test double of Unsplash has no more about {what}.")
