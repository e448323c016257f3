"""The double of a user service as an application: ``PUT /entries/{entry_id}`` with a service's token.

The first time it answers 201, to the same again 200, to another entry of the same id 409. What it should not be sent is
answered 422 and recorded as a violation. ``GET /_double/entries`` tells what it keeps.
"""

from __future__ import annotations

import asyncio
import hmac
import json

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from heliograph_local.doubles.addresses import USER_SERVICE_TOKEN
from heliograph_local.doubles.faults import Behaviour, Fault, Kind
from heliograph_local.doubles.user_service.entries import Entry

TOKEN = USER_SERVICE_TOKEN
PUT = "entries.put"
_REFUSED: tuple[Kind, ...] = ("rate_limited", "error", "html")


class UserServiceDouble:
    """``entries`` is what it keeps, by the ids; ``token`` the one that it takes."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.entries: dict[str, Entry] = {}
        self.token = TOKEN
        self.app = Starlette(
            routes=[
                Route("/entries/{entry_id}", self._put, methods=["PUT"]),
                Route("/_double/entries", self._get_entries),
                *self.behaviour.routes(),
            ]
        )

    async def _put(self, request: Request) -> Response:
        entry_id = request.path_params["entry_id"]
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not hmac.compare_digest(token.encode(), self.token.encode()):
            return _error(401, "the token of a service is needed")
        try:
            entry = _entry(request, await request.body())
        except (ValidationError, ValueError) as error:
            self.behaviour.violation(f"{PUT}: {error}")
            return _error(422, str(error))
        self.behaviour.note(PUT, entry_id)
        about = [entry_id, entry.owner]
        if slow := self.behaviour.fault(PUT, about, kinds=("slow",)):
            await asyncio.sleep(slow.seconds)
        if fault := self.behaviour.fault(PUT, about, kinds=_REFUSED):
            return _refusal(fault)
        kept = self.entries.setdefault(entry_id, entry)
        if kept != entry:
            return _error(409, f"there is another entry {entry_id}")
        # The entry is kept, whether its sender hears of that or not.
        status = 201 if kept is entry else 200
        cut = self.behaviour.fault(PUT, about, kinds=("cut_off",))
        return (_CutOff if cut else Response)(
            kept.model_dump_json(by_alias=True), status, media_type="application/json"
        )

    async def _get_entries(self, _: Request) -> Response:
        return JSONResponse({entry_id: entry.model_dump(by_alias=True) for entry_id, entry in self.entries.items()})


class _CutOff(Response):
    """The connection ends before the answer does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _entry(request: Request, body: bytes) -> Entry:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise ValueError("the body is not sent as application/json")
    entry = Entry.model_validate_json(body)
    if entry.entry_id != request.path_params["entry_id"]:
        raise ValueError(f"the entry {entry.entry_id!r} was sent as {request.path_params['entry_id']!r}")
    return entry


def _refusal(fault: Fault) -> Response:
    if fault.kind == "html":
        return HTMLResponse("<!doctype html><title>502 Bad Gateway</title>", 502)
    status, message = (429, "too many requests") if fault.kind == "rate_limited" else (fault.status, "out of order")
    response = _error(status, message)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = f"{fault.retry_after:g}"
    return response


def _error(status: int, message: str) -> Response:
    return Response(json.dumps({"error": message}), status, media_type="application/json")
