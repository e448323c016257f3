"""The server: which requests it accepts, and what it answers.

A request that Google's description does not have is answered 400, an answer that it does not have 500, and both are recorded
as violations. So are valid requests of methods that are not here.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any
from zlib import crc32

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from heliograph_local.doubles.faults import Behaviour, Fault, Kind
from heliograph_local.doubles.google_drive import fields
from heliograph_local.doubles.google_drive.accounts import Accounts, Caller
from heliograph_local.doubles.google_drive.discovery import Method, answer_faults, find, unknown_fields
from heliograph_local.doubles.google_drive.errors import Refused, error, invalid, not_found, of_fault
from heliograph_local.doubles.google_drive.tree import NATIVE, Item, Tree

PATH = "/drive/v3/"
LARGEST_PAGE = 1000

_QUERY = re.compile(r"'((?:[^'\\]|\\.)+)' in parents(?: and trashed ?= ?false)?")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_KEYS = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+(,[A-Za-z0-9_-]+/[A-Za-z0-9_-]+)*")
_METADATA_SCOPE = ".metadata"
_ANSWERED: tuple[Kind, ...] = ("rate_limited", "quota", "error", "html")
_DEFAULT_FIELDS = {
    "drive.files.list": "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType,resourceKey)",
    "drive.files.get": "kind,id,name,mimeType,resourceKey",
    "drive.drives.get": "kind,id,name",
}


class _Call:
    """A request whose shape is right."""

    def __init__(self, request: Request, method: Method, named: Mapping[str, str], query: Mapping[str, str]) -> None:
        self.request, self.method, self.named, self.query = request, method, named, query
        self.media = query.get("alt") == "media"
        self.name = f"{method.id}_media" if self.media else method.id
        listed = _QUERY.fullmatch(query.get("q", ""))
        self.folder = re.sub(r"\\(.)", r"\1", listed[1]) if listed else ""
        self.about = next(iter(named.values()), self.folder)


class DriveDouble:
    """``app`` serves the API below ``/drive/v3/`` and issues tokens at ``/token``, over ``tree`` and ``accounts``. Pages
    have ``largest_page`` files at most."""

    def __init__(
        self,
        tree: Tree | None = None,
        *,
        largest_page: int = LARGEST_PAGE,
        accounts: Accounts | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.tree = tree or Tree()
        self.accounts = accounts or Accounts()
        self.behaviour = behaviour or Behaviour()
        self._largest_page = largest_page
        self.app = Starlette(
            routes=[
                Route(PATH + "{path:path}", self._api, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
                Route("/token", self._token, methods=["POST"]),
                *self.behaviour.routes(),
            ]
        )

    async def _token(self, request: Request) -> Response:
        self.behaviour.note("token")
        return await self._fault("token", ()) or await self.accounts.issue(request, self.behaviour)

    async def _api(self, request: Request) -> Response:
        try:
            call = self._call(request)
            self.behaviour.note(call.name, call.about)
            if answered := await self._misbehaviour(call):
                return answered
            caller = self.accounts.caller(request, call.query)
            _require_scope(call, caller)
            match call.method.id:
                case "drive.files.list":
                    return self._list(call, caller)
                case "drive.files.get":
                    item = self._seen(call.named["fileId"], call, caller)
                    return self._media(call, item) if call.media else self._answer(call, item.resource())
                case _:
                    return self._shared_drive(call, caller)
        except Refused as refused:
            return refused.response

    def _call(self, request: Request) -> _Call:
        found = find(request.method, request.path_params["path"])
        if found is None:
            raise self._violated(f"{request.method} {request.url.path}: no such method", status=404)
        method, named = found
        query = request.query_params.multi_items()
        faults = [*method.faults(query), *_header_faults(request)]
        given = dict(query)
        if "fields" in given and method.response and not faults:
            faults += _field_faults(method.response, given["fields"])
        if method.id == "drive.files.list" and not _QUERY.fullmatch(given.get("q", "")):
            faults.append(f"the query {given.get('q')!r} is not understood here")
        if method.id not in _DEFAULT_FIELDS:
            faults.append("not here: see heliograph_local/doubles/google_drive/app.py")
        if faults:
            raise self._violated(f"{method.id}: {'; '.join(faults)}")
        return _Call(request, method, named, given)

    async def _misbehaviour(self, call: _Call) -> Response | None:
        about = [call.about, call.query.get("pageToken", "")]
        if item := self.tree.items.get(call.about):
            about.append(item.name)
        if call.method.id == "drive.files.get" and self.behaviour.fault(call.name, about, kinds=("vanished",)):
            return not_found(call.about)
        if "pageToken" in call.query and self.behaviour.fault(call.name, about, kinds=("cursor_reset",)):
            return invalid("pageToken")
        return await self._fault(call.name, about)

    async def _fault(self, call: str, about: list[str] | tuple[()]) -> Response | None:
        if slow := self.behaviour.fault(call, about, kinds=("slow",)):
            await asyncio.sleep(slow.seconds)
        fault = self.behaviour.fault(call, about, kinds=_ANSWERED)
        return of_fault(fault) if fault else None

    def _seen(self, item_id: str, call: _Call, caller: Caller) -> Item:
        """The item, if ``caller`` may see it."""
        item = self.tree.items.get(item_id)
        shown = item is not None and item.visible(caller.identity, _resource_keys(call.request))
        if item is None or not shown or (item.drive_id and call.query.get("supportsAllDrives") != "true"):
            raise Refused(not_found(item_id if call.named else "."))
        if item.denied:
            message = "The user does not have sufficient permissions for this file."
            raise Refused(error(403, "insufficientFilePermissions", message))
        return item

    def _list(self, call: _Call, caller: Caller) -> Response:
        folder = self._seen(call.folder, call, caller)
        if folder.drive_id and call.query.get("includeItemsFromAllDrives") != "true":
            items: list[Item] = []
        else:
            items = self.tree.within(folder.id)
        start = _offset(call.query)
        size = min(int(call.query.get("pageSize", "100")), self._largest_page)
        following = start + size
        about = [folder.id, call.query.get("pageToken", "")]
        if self.behaviour.fault(call.name, about, kinds=("repeated_page",)):
            start, following = max(start - size, 0), start
        listed = items[start : start + size]
        lying = self.behaviour.fault(call.name, [*about, *(item.id for item in listed)], kinds=("wrong_size",))
        answer: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": _told(listed, lying),
        }
        if following < len(items):
            answer["nextPageToken"] = _page_token(call.query["q"], following)
        return self._answer(call, answer)

    def _shared_drive(self, call: _Call, caller: Caller) -> Response:
        drive_id = call.named["driveId"]
        item = self.tree.items.get(drive_id)
        if drive_id not in self.tree.drives or item is None or caller.identity not in item.shared:
            return error(404, "notFound", f"Shared drive not found: {drive_id}", location="driveId")
        return self._answer(call, {"kind": "drive#drive", "id": drive_id, "name": self.tree.drives[drive_id]})

    def _media(self, call: _Call, item: Item) -> Response:
        if item.content is None or item.mime_type.startswith(NATIVE):
            message = "Only files with binary content can be downloaded. Use Export with Docs Editors files."
            return error(403, "fileNotDownloadable", message, location="alt")
        if item.abusive:
            return error(403, "cannotDownloadAbusiveFile", "This file has been identified as malware or spam.")
        if not item.can_download:
            return error(403, "cannotDownloadFile", "This file cannot be downloaded by the user.")
        cut = self.behaviour.fault(call.name, [item.id, item.name], kinds=("cut_off",))
        return _Media(item, _RANGE.fullmatch(call.request.headers.get("range", "")), cut)

    def _answer(self, call: _Call, answer: dict[str, Any]) -> Response:
        selected = fields.select(answer, fields.parse(call.query.get("fields", _DEFAULT_FIELDS[call.method.id])))
        if faults := answer_faults(str(call.method.response), selected):
            raise self._violated(f"{call.method.id} answered: {'; '.join(faults)}", status=500)
        return Response(msgspec.json.encode(selected), media_type="application/json; charset=UTF-8")

    def _violated(self, what: str, status: int = 400) -> Refused:
        self.behaviour.violation(what)
        return Refused(error(status, "badRequest", f"Violation of Google's description: {what}"))


class _Media(Response):
    """The content of a file, or the range that was asked for; with ``cut`` the connection ends in its midst."""

    def __init__(self, item: Item, ranged: re.Match[str] | None, cut: Fault | None) -> None:
        if item.content is None:
            raise ValueError(f"{item.name} has no content")
        self._content = item.content
        self._start, self._end = 0, item.content.size
        headers = {"Content-Type": item.mime_type}
        if ranged:
            self._start = min(int(ranged[1]), self._end)
            self._end = min(int(ranged[2]) + 1, self._end) if ranged[2] else self._end
            headers["Content-Range"] = f"bytes {self._start}-{self._end - 1}/{item.content.size}"
        headers["Content-Length"] = str(self._end - self._start)
        self._sent = min(self._start + cut.bytes, self._end - 1) if cut else self._end
        super().__init__(status_code=206 if ranged else 200, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it, as ASGI says."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if self._sent == self._end:  # else the server ends the connection, because the answer is not complete
            await send({"type": "http.response.body", "body": b""})

    async def _chunks(self) -> AsyncIterator[bytes]:
        at = 0
        for chunk in self._content.chunks():
            wanted = chunk[max(self._start - at, 0) : max(self._sent - at, 0)]
            if wanted:
                yield wanted
            at += len(chunk)
            if at >= self._sent:
                return


def _require_scope(call: _Call, caller: Caller) -> None:
    scopes = caller.scopes
    good = {scope for scope in call.method.scopes if not (call.media and _METADATA_SCOPE in scope)}
    if scopes is not None and not scopes & good:
        raise Refused(
            error(403, "insufficientPermissions", "Insufficient Permission: Request had insufficient scopes.")
        )


def _header_faults(request: Request) -> list[str]:
    faults = []
    if int(request.headers.get("content-length", "0")):
        faults.append("a body")
    keys = request.headers.get("x-goog-drive-resource-keys")
    if keys is not None and not _KEYS.fullmatch(keys):
        faults.append("X-Goog-Drive-Resource-Keys is no list of id/key")
    return faults


def _field_faults(schema: str, wanted: str) -> list[str]:
    try:
        return [f"unknown field {name!r}" for name in unknown_fields(schema, fields.parse(wanted))]
    except ValueError as malformed:
        return [f"parameter 'fields' is malformed: {malformed}"]


def _resource_keys(request: Request) -> dict[str, str]:
    given = request.headers.get("x-goog-drive-resource-keys", "")
    return dict(pair.split("/") for pair in given.split(",") if pair)


def _told(items: list[Item], lying: Fault | None) -> list[dict[str, Any]]:
    """Their resources. Of a lie about one of them the others know nothing."""
    told = [item.resource() for item in items]
    meant = {item.id for item in items if lying and lying.about in item.id}
    for each in told:
        if lying and "size" in each and (not meant or each["id"] in meant):
            each["size"] = str(int(each["size"]) + lying.bytes)
    return told


def _page_token(query: str, offset: int) -> str:
    """Never the same twice, good for one query only, and good after a restart of the double."""
    return urlsafe_b64encode(f"{offset}.{crc32(query.encode())}.{secrets.token_hex(4)}".encode()).decode()


def _offset(query: Mapping[str, str]) -> int:
    if "pageToken" not in query:
        return 0
    try:
        offset, of, _ = urlsafe_b64decode(query["pageToken"]).decode().split(".")
        if int(of) == crc32(query["q"].encode()):
            return int(offset)
    except ValueError:
        pass
    raise Refused(invalid("pageToken"))
