"""The double of Dropbox as an application: who asks, whether the request is one that Dropbox would accept, what goes wrong
on request, and the answer in the form that Dropbox gives it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from dropbox import auth
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from heliograph_local.doubles.dropbox import schema
from heliograph_local.doubles.dropbox.answers import Answers, Asking, BadRequest, Refused
from heliograph_local.doubles.dropbox.tree import SCOPES, Account, File, Folder, SharedLink
from heliograph_local.doubles.faults import Behaviour, Fault, Kind

_JSON = "application/json"
_BEFORE: tuple[Kind, ...] = ("rate_limited", "quota", "error", "slow", "html")
_LONG = 14_400
CONTENTS = "contents"
"""How requests of the host of contents are noted that are no call."""


class DropboxDouble:
    """``page_size``: how many entries a page has at most, whatever is asked for."""

    def __init__(self, *, page_size: int = 500, app_key: str = "double-key", app_secret: str = "double-secret") -> None:  # noqa: S107
        self.behaviour = Behaviour()
        self.app_key, self.app_secret = app_key, app_secret
        self.accounts: list[Account] = []
        self.answers = Answers(page_size)
        self._handlers: Mapping[str, Callable[[Asking, Any], Any]] = {
            "check/app": self.answers.check,
            "check/user": self.answers.check,
            "files/list_folder": self.answers.list_folder,
            "files/list_folder/continue": self.answers.list_folder_continue,
            "files/get_metadata": self.answers.get_metadata,
            "files/download": self.answers.download,
            "sharing/get_shared_link_metadata": self.answers.get_shared_link_metadata,
            "sharing/get_shared_link_file": self.answers.get_shared_link_file,
        }
        routes = [
            *self.behaviour.routes(),
            Route("/api/oauth2/token", self._token, methods=["POST"]),
            Route("/content/", self._no_call, methods=["GET"]),
            Route("/{host}/2/{call:path}", self._call, methods=["GET", "POST"]),
        ]
        self.app = Starlette(routes=routes)

    def share(self, target: Folder | File, *, ident: str = "", key: str = "k3y", **options: Any) -> SharedLink:
        """A link to a folder, or to a single file; ``options`` are those of ``SharedLink``."""
        link = SharedLink(target=target, ident=ident or f"double{len(self.answers.links) + 1}", key=key, **options)
        self.answers.links[link.ident] = link
        return link

    def account(self, root: Folder, *, token: str = "", scopes: frozenset[str] = SCOPES) -> Account:
        """An account of a user whose Dropbox is ``root``."""
        number = len(self.accounts) + 1
        token = token or f"token-{number}"
        account = Account(root=root, token=token, refresh_token=f"refresh-{number}", scopes=scopes)
        self.accounts.append(account)
        return account

    async def _call(self, request: Request) -> Response:
        try:
            return await self._accepted(request, *await self._read(request))
        except schema.Invalid as invalid:
            self.behaviour.violation(str(invalid))
            status = 500 if isinstance(invalid, schema.InvalidAnswer) else 400
            return PlainTextResponse(f"Error in call to API function: {invalid}", status)

    async def _no_call(self, _: Request) -> Response:
        """What asks whether the host is there."""
        self.behaviour.note(CONTENTS, "")
        return PlainTextResponse("Not Found", 404)

    async def _read(self, request: Request) -> tuple[schema.Call, Any]:
        """The call and its argument, if Dropbox would take them."""
        name, host = request.path_params["call"], request.path_params["host"]
        call = schema.CALLS.get(name)
        if call is None:
            raise schema.InvalidRequest(f"unknown API function {name!r}")
        if host != call.host:
            raise schema.InvalidRequest(f"{name} was requested on the host {host!r} instead of {call.host!r}")
        if request.method != "POST" or request.url.query:
            raise schema.InvalidRequest(
                f"{name} was requested by {request.method} with the query {request.url.query!r}"
            )
        body, argument = await request.body(), request.headers.get("dropbox-api-arg")
        if call.style == "rpc":
            if argument is not None or request.headers.get("content-type") != _JSON:
                raise schema.InvalidRequest(f"{name} takes its argument as a JSON body")
            return call, call.decode(body)
        if argument is None or body:
            raise schema.InvalidRequest(f"{name} takes its argument in the header Dropbox-API-Arg, and no body")
        return call, call.decode(argument)

    async def _accepted(self, request: Request, call: schema.Call, arg: Any) -> Response:
        about = [text for text in _texts(arg) if text]
        account = self._caller(request.headers, call)
        if isinstance(account, Response):
            return account
        self.behaviour.note(call.name, " ".join(about))
        asking = Asking(call.name, account, about, self.behaviour)
        if (fault := asking.befallen(*_BEFORE)) is not None and (broken := await _misbehaving(call, fault)):
            return broken
        if call.name not in self._handlers:
            raise schema.InvalidRequest(f"the double has no {call.name}")
        try:
            result = self._handlers[call.name](asking, arg)
        except Refused as refused:
            return _json(call.encode_error(refused.error), 409)
        except BadRequest as bad:
            raise schema.InvalidRequest(f"{call.name}: {bad}") from bad
        if call.style == "rpc":
            return _json(call.encode(result))
        told, file = result
        cut = asking.befallen("cut_off", about=[file.name, file.id])
        return Body(call.encode(told), file, cut.bytes if cut else None)

    def _caller(self, headers: Headers, call: schema.Call) -> Account | Response | None:
        """The account whose token it is, ``None`` for the application, or a refusal."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind == "Basic" and "app" in call.users:
            return None if value == self._basic() else _unauthorized(auth.AuthError.invalid_access_token)
        if kind != "Bearer" or "user" not in call.users:
            raise schema.InvalidRequest(
                f"{call.name} takes the credential of {' or '.join(sorted(call.users))}, not {kind!r}"
            )
        account = next((each for each in self.accounts if value in {each.token, *each.expired}), None)
        if account is None:
            return _unauthorized(auth.AuthError.invalid_access_token)
        if value in account.expired:
            return _unauthorized(auth.AuthError.expired_access_token)
        if account.suspended:
            return _unauthorized(auth.AuthError.user_suspended)
        if call.scope and call.scope not in account.scopes:
            return _unauthorized(auth.AuthError.missing_scope(auth.TokenScopeError(required_scope=call.scope)))
        return account

    def _basic(self) -> str:
        return base64.b64encode(f"{self.app_key}:{self.app_secret}".encode()).decode()

    async def _token(self, request: Request) -> Response:
        """OAuth's, which no schema of the SDK describes."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        extra = form.keys() - {"grant_type", "refresh_token", "client_id", "client_secret"}
        if extra or form.get("grant_type") != "refresh_token":
            self.behaviour.violation(f"oauth2/token: {sorted(form)}")
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != (self.app_key, self.app_secret):
            return JSONResponse({"error": "invalid_client: Invalid client_id or client_secret"}, 400)
        self.behaviour.note("oauth2/token")
        if fault := self.behaviour.fault("oauth2/token", kinds=("error", "html")):
            return _html() if fault.kind == "html" else PlainTextResponse("Internal Server Error", fault.status)
        for account in self.accounts:
            if account.refresh_token == form.get("refresh_token"):
                answer = {"access_token": account.refresh(), "token_type": "bearer", "expires_in": _LONG}
                return JSONResponse(answer)
        return JSONResponse({"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"}, 400)


class Body(Response):
    """A download: the metadata in a header, the content as it is read. ``cut``: the connection ends after so many bytes."""

    def __init__(self, metadata: str, file: File, cut: int | None) -> None:
        headers = {"dropbox-api-result": metadata, "content-length": str(file.size), "etag": f'W/"{file.rev}"'}
        super().__init__(None, headers=headers, media_type="application/octet-stream")
        self._file = file
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        left = self._file.size if self._cut is None else self._cut
        for piece in self._file.pieces():
            await send({"type": "http.response.body", "body": piece[:left], "more_body": True})
            left -= len(piece)
            if left <= 0:
                break
        if self._cut is None:
            await send({"type": "http.response.body", "body": b""})


async def _misbehaving(call: schema.Call, fault: Fault) -> Response | None:
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
            return None
        case "html":
            return _html()
        case "quota":
            after = {"retry-after": f"{fault.retry_after:g}"} if fault.retry_after is not None else {}
            return PlainTextResponse("Too Many Requests", 429, headers=after)
        case "rate_limited":
            wait = {} if fault.retry_after is None else {"retry_after": int(fault.retry_after)}
            limit = auth.RateLimitError(reason=auth.RateLimitReason.too_many_requests, **wait)
            return _json(schema.rate_limit_error(limit), 429, {"retry-after": str(limit.retry_after)})
        case _ if fault.status == 409:
            other = getattr(call.error_type.definition, "other", None)
            return _json(call.encode_error(other), 409)
        case _:
            return PlainTextResponse("Internal Server Error", fault.status)


def _unauthorized(error: Any) -> Response:
    return _json(schema.auth_error(error), 401)


def _html() -> Response:
    return HTMLResponse("<!doctype html><title>Dropbox</title><p>We'll be right back.")


def _json(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type=_JSON)


def _texts(arg: Any) -> list[str]:
    """What a request names: links, paths, cursors, and nothing that is secret but the link itself."""
    found = [getattr(arg, name, None) for name in ("url", "path", "cursor")]
    link = getattr(arg, "shared_link", None)
    return [each for each in [*found, link.url if link is not None else None] if isinstance(each, str)]
