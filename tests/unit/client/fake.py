"""A server with the API's shapes, on loopback: HTTP by uvicorn, events by websockets, in a thread with an event loop.

It keeps what it received (``requests``, ``subscriptions``), answers from memory, and misbehaves as told: ``faults`` are
answers given in the place of the right one, ``sockets`` are scripts for the next connections to the event stream.

Requests, and all answers but those that are ``Foreign``, are held to the gateway's OpenAPI document; ``undocumented`` keeps
what differs, and the fixture ``fake`` fails the test for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.unit.client import documented
from tests.unit.client.fake_analyses import FakeAnalyses
from tests.unit.client.fake_answers import TIME, problem
from tests.unit.client.fake_imports import FakeImports
from tests.unit.client.fake_words import FakeWords
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as Handshake
from websockets.http11 import Response as HandshakeAnswer
from websockets.typing import Subprotocol

TOKEN = "a-good-token"
ADMIN_TOKEN = "an-administrators-token"
EPOCH = "1"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
Script = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


@dataclass
class ReceivedRequest:
    """One HTTP request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False, default=b"")


@dataclass(frozen=True)
class Foreign:
    """An answer that no gateway gives: that of a proxy before it, of an object store, or of some other server."""

    response: Response


def busy(status: int = 503, seconds: float = 0) -> Response | Foreign:
    """An answer that asks to come back: the gateway's, or that of a proxy before it (502, 504)."""
    slug = {429: "rate-limited", 503: "object-store-unavailable"}.get(status, "unavailable")
    answer = problem(status, slug, "a server is away", {"Retry-After": f"{seconds:g}"})
    return answer if status in {429, 503} else Foreign(answer)


class FakeServer:
    """Use it as a context manager."""

    def __init__(self) -> None:
        self.api = self.events = ""
        self._live: set[ServerConnection] = set()
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self.requests: list[ReceivedRequest] = []
        self.undocumented: list[str] = []
        self.faults: dict[str, deque[Response | Foreign]] = defaultdict(deque)
        self.sockets: deque[Script | Response | Foreign] = deque()
        self.subscriptions: list[dict[str, Any]] = []
        self.images: dict[str, dict[str, Any]] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.letters: dict[str, dict[str, Any]] = {}
        self.quarantined: dict[str, dict[str, Any]] = {}
        self.sizes: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.content: dict[str, bytes] = {}
        self.fails: set[bytes] = set()
        self.imports, self.analyses, self.words = FakeImports(), FakeAnalyses(), FakeWords()
        self.page_size = 2
        self.processing_reads = 0  # an image is finished when it has been read so often; 0: never
        self._reads: dict[str, int] = defaultdict(int)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def received(self, method: str, path: str = "/v1/images") -> list[ReceivedRequest]:
        """The requests of one kind."""
        return [each for each in self.requests if (each.method, each.path) == (method, path)]

    def add_image(self, name: str = "a.jpg", status: str = "complete", content: bytes | None = None) -> dict[str, Any]:
        """Puts an image in, newest last."""
        content = content or uuid.uuid4().bytes
        image_id = str(uuid.uuid4())
        path = f"/v1/images/{image_id}"
        self.images[image_id] = {
            "id": image_id,
            "revision": 1,
            "name": name,
            "source": "upload",
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "mime_type": "image/jpeg",
            "width": 4,
            "height": 3,
            "frames": 1,
            "taken_at": None,
            "created_at": TIME,
            "updated_at": TIME,
            "priority": "normal",
            "requested_priority": "normal",
            "notice": None,
            "thumbhash": None,
            "dominant_color": None,
            "phash": None,
            "exif": {},
            "caption": None,
            "alt_text": None,
            "tags": None,
            "status": "pending",
            "progress": 20,
            "stages": {"stored": "complete", "thumbnails": "pending", "variants": "pending", "analysis": None},
            "error": None,
            "completed_at": None,
            "renditions": [],
            "links": {"self": path, "original": f"{path}/renditions/original"},
        }
        self.content[f"{image_id}/original"] = content
        if status != "pending":
            self.finish(image_id, status)
        return self.images[image_id]

    def add_letter(self, letter_id: str, **more: Any) -> None:
        """Puts in a message that could not be handled."""
        self.letters[letter_id] = {
            "id": letter_id,
            "service": "thumbnailer",
            "subject": "work.render.normal",
            "owner": "someone",
            "reason": "it is broken",
            "error": "BadImage",
            "deliveries": 3,
            "died_at": TIME,
            "image_id": None,
            "trace_id": None,
            "headers": {},
            "payload": "{}",
        } | more

    def add_quarantined(self, subject: str = "dead.thumbnailer") -> str:
        """Puts a message into quarantine, newest last, and returns its id."""
        message_id = str(uuid.uuid4())
        self.quarantined[message_id] = {
            "id": message_id,
            "subject": subject,
            "owner": "someone",
            "reason": "2,000,000 bytes are over the limit",
            "bytes": 2_000_000,
            "created_at": TIME,
            "quarantined_at": "2026-01-02T03:04:07Z",
            "trace_id": None,
        }
        return message_id

    def finish(self, image_id: str, status: str = "complete") -> None:
        """Brings an image to its end, without an event."""
        image = self.images[image_id]
        image |= {"status": status, "revision": image["revision"] + 1, "completed_at": TIME}
        if status == "complete":
            image["progress"] = 100
            image["stages"] |= {"thumbnails": "complete", "variants": "complete"}
            image["renditions"] = [
                {
                    "name": "150",
                    "kind": "thumbnail",
                    "width": 4,
                    "height": 3,
                    "format": "jpeg",
                    "bytes": 9,
                    "limited": True,
                    "url": f"/v1/images/{image_id}/renditions/150",
                }
            ]
            self.content[f"{image_id}/150"] = b"thumbnail"
        else:
            image["error"] = {"reason": "it is broken", "retryable": True, "attempts": 3}

    def event(self, number: int, type_: str = "image.ready", subject: str = "", **data: Any) -> str:
        """A CloudEvent as the notifier sends it."""
        stages = {"stored": "complete", "thumbnails": "complete", "variants": "complete", "analysis": None}
        return json.dumps(
            {
                "specversion": "1.0",
                "id": f"event-{number}",
                "source": "/heliograph",
                "type": f"dev.heliograph.{type_}",
                "subject": subject,
                "time": TIME,
                "cursor": f"{EPOCH}.{number}",
                "data": {"progress": 100, "stages": stages, "name": "a.jpg", **data},
            }
        )

    def broadcast(self, event: str) -> None:
        """Sends an event to all who listen."""

        async def send() -> None:
            for socket in list(self._live):
                with contextlib.suppress(ConnectionClosed):
                    await socket.send(event)

        asyncio.run_coroutine_threadsafe(send(), self._loop).result(10)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        config = uvicorn.Config(self._app(), host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(asyncio.CancelledError))
            serving = asyncio.create_task(server._serve())
            while not server.started:
                await asyncio.sleep(0.005)
            self.api = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            async with serve(
                self._socket,
                "127.0.0.1",
                0,
                subprotocols=[Subprotocol("heliograph.v1")],
                process_request=self._handshake,
                close_timeout=1,
            ) as events:
                self.events = f"ws://127.0.0.1:{next(iter(events.sockets)).getsockname()[1]}/v1/events"
                self._ready.set()
                await self._stop.wait()
            server.should_exit = True
            await serving

    def _app(self) -> Starlette:
        image = "/v1/images/{image_id}"
        letter = "/v1/dead-letters/{letter_id}"
        return Starlette(
            routes=[
                Route("/v1/images", self._route(self._upload), methods=["POST"]),
                Route("/v1/images", self._route(self._list), methods=["GET"]),
                Route("/v1/uploads", self._route(self._announce), methods=["POST"]),
                Route("/store/{upload_id}", self._store, methods=["PUT"]),
                Route("/v1/uploads/{upload_id}/complete", self._route(self._complete), methods=["POST"]),
                Route(image, self._route(self._get), methods=["GET"]),
                Route(image, self._route(self._delete), methods=["DELETE"]),
                Route(f"{image}/retry", self._route(self._retry), methods=["POST"]),
                Route(f"{image}/renditions/{{name}}", self._route(self._rendition), methods=["GET"]),
                Route("/files/{key:path}", self._file, methods=["GET"]),
                Route("/v1/queue", self._route(self._queue), methods=["GET"]),
                Route("/v1/dead-letters", self._route(self._letters), methods=["GET"]),
                Route(letter, self._route(self._letter), methods=["GET", "DELETE"]),
                Route(f"{letter}/replay", self._route(self._replay), methods=["POST"]),
                Route("/v1/quarantine", self._route(self._quarantine), methods=["GET"]),
                Route("/v1/quarantine/{message_id}", self._route(self._drop), methods=["DELETE"]),
                Route("/v1/quarantine/{message_id}/release", self._route(self._release), methods=["POST"]),
                Route("/v1/admin/checks", self._route(self._checks), methods=["GET", "POST"]),
                Route("/v1/admin/checks/{check_id}", self._route(self._check), methods=["GET"]),
                Route("/v1/admin/checks/{check_id}/cancel", self._route(self._check), methods=["POST"]),
                *(
                    Route(path, self._route(self._of(part, handler)), methods=[method])
                    for part, routes in (
                        ("imports", FakeImports.ROUTES),
                        ("analyses", FakeAnalyses.ROUTES),
                        ("words", FakeWords.ROUTES),
                    )
                    for method, path, handler in routes
                ),
                Route("/v1/settings/display-sizes", self._route(self._sizes), methods=["GET", "PUT"]),
            ]
        )

    def _route(self, answer: Callable[[Request, bytes], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            body = await request.body()
            self.requests.append(
                ReceivedRequest(
                    request.method, request.url.path, dict(request.query_params), dict(request.headers), body
                )
            )
            operation = documented.operation(request.method, request.url.path)
            if operation is None:
                self.undocumented.append(f"{request.method} {request.url.path}: there is no such operation")
            else:
                self.undocumented += operation.wrong_request(request.query_params.multi_items(), request.headers, body)
            found = self._answer(answer, request, body)
            if isinstance(found, Foreign):
                return found.response
            found.headers.setdefault("Trace-Id", TRACE_ID)
            if found.status_code == 401:
                found.headers.setdefault("WWW-Authenticate", "Bearer")
            if operation is not None:
                self.undocumented += operation.wrong_answer(found.status_code, found.headers, bytes(found.body))
            return found

        return handle

    def _answer(
        self, answer: Callable[[Request, bytes], Response], request: Request, body: bytes
    ) -> Response | Foreign:
        if faults := self.faults[f"{request.method} {request.url.path}"]:
            return faults.popleft()
        if request.headers.get("authorization") not in {f"Bearer {TOKEN}", f"Bearer {ADMIN_TOKEN}"}:
            return problem(401, "unauthenticated", "The token is invalid.")
        try:
            return answer(request, body)
        except KeyError:
            return problem(404, "not-found", "there is no such thing")

    def _of(self, part: str, handler: str) -> Callable[[Request, bytes], Response]:
        def answer(request: Request, body: bytes) -> Response:  # of those that there are then: they are reset
            found: Response = getattr(getattr(self, part), handler)(request, body)
            return found

        return answer

    def _upload(self, request: Request, body: bytes) -> Response:
        if body.startswith(b"\xff\xd8\xffLARGE"):
            return problem(413, "image-too-large", "280 megapixels exceed the limit of 50")
        digest = hashlib.sha256(body).hexdigest()
        known = next((image for image in self.images.values() if image["sha256"] == digest), None)
        if known:
            return JSONResponse(known, 200)
        image = self.add_image(request.query_params.get("name", ""), "pending", body)
        return JSONResponse(image, 201)

    def _announce(self, _request: Request, body: bytes) -> Response:
        announced = json.loads(body)
        known = [image for image in self.images.values() if image["sha256"] == announced["sha256"]]
        upload_id = str(uuid.uuid4())
        self.uploads[upload_id] = announced
        path = f"/v1/uploads/{upload_id}"
        made = {
            "id": upload_id,
            "name": announced["name"],
            "bytes": announced["bytes"],
            "sha256": announced["sha256"],
            "priority": announced.get("priority", "normal"),
            "analyze": announced.get("analyze"),
            "created_at": TIME,
            "expires_at": TIME,
            "problem": None,
        }
        if known:
            return JSONResponse({
                **made, "state": "complete", "upload": None, "image": known[0], "links": {"self": path},
            })  # fmt: skip
        url, headers = f"{self.api}/store/{upload_id}", {"Content-Type": "a/b"}
        put = {"method": "PUT", "url": url, "headers": headers, "expires_at": TIME}
        links = {"self": path, "complete": f"{path}/complete"}
        return JSONResponse({**made, "state": "open", "upload": put, "image": None, "links": links}, 201)

    async def _store(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append(ReceivedRequest("PUT", "/store", dict(request.query_params), dict(request.headers), body))
        if faults := self.faults["PUT /store"]:
            return _plain(faults.popleft())
        self.uploads[request.path_params["upload_id"]]["content"] = body
        return Response()

    def _complete(self, request: Request, _body: bytes) -> Response:
        upload = self.uploads[request.path_params["upload_id"]]
        if hashlib.sha256(upload["content"]).hexdigest() != upload["sha256"]:
            return problem(422, "upload-mismatch", "The SHA-256 of the file is different.")
        return JSONResponse(self.add_image(upload["name"], "pending", upload["content"]), 201)

    def _list(self, request: Request, _body: bytes) -> Response:
        status = request.query_params.get("status")
        found = [image for image in reversed(self.images.values()) if status in {None, image["status"]}]
        start = int(request.query_params.get("cursor", 0))
        end = start + min(int(request.query_params["limit"]), self.page_size)
        more = f"/v1/images?limit=2&cursor={end}" if end < len(found) else None
        return JSONResponse({"images": found[start:end], "next": more})

    def _get(self, request: Request, _body: bytes) -> Response:
        image = self.images[request.path_params["image_id"]]
        if image["status"] == "pending":
            self._reads[image["id"]] += 1
            if self._reads[image["id"]] == self.processing_reads:
                failing = self.content[f"{image['id']}/original"] in self.fails
                self.finish(image["id"], "failed" if failing else "complete")
        return JSONResponse(image)

    def _delete(self, request: Request, _body: bytes) -> Response:
        del self.images[request.path_params["image_id"]]
        return Response(status_code=204)

    def _retry(self, request: Request, _body: bytes) -> Response:
        image = self.images[request.path_params["image_id"]]
        if image["status"] != "failed":
            return problem(409, "conflict", "only a failed image can be tried again")
        image |= {"status": "pending", "error": None, "revision": image["revision"] + 1, "completed_at": None}
        return JSONResponse(image, 202)

    def _rendition(self, request: Request, _body: bytes) -> Response:
        key = "{image_id}/{name}".format(**request.path_params)
        if key not in self.content:
            return problem(404, "not-rendered-yet", "it is not rendered yet", {"Retry-After": "2"})
        return JSONResponse({"url": f"{self.api}/files/{key}", "expires_at": TIME})

    async def _file(self, request: Request) -> Response:
        self.requests.append(ReceivedRequest("GET", "/files", {}, dict(request.headers)))
        if faults := self.faults["GET /files"]:
            return _plain(faults.popleft())
        return Response(self.content[request.path_params["key"]])

    def _queue(self, _request: Request, _body: bytes) -> Response:
        totals = {"waiting": 3, "active": 1, "delayed": 0, "oldest_seconds": 90.5}
        consumer = {"consumer": "thumbnailer-normal", "subject": "work.render.normal", **totals}
        outbox = {"depth": 0, "oldest_seconds": 0.0, "quarantined": len(self.quarantined)}
        finished = {"completed": 7, "failed": 1, "counted": "own"}
        return JSONResponse({"nats": "available", **totals, "consumers": [consumer], **finished, "outbox": outbox})

    def _letters(self, _request: Request, _body: bytes) -> Response:
        return JSONResponse({"dead_letters": list(self.letters.values()), "next": None})

    def _letter(self, request: Request, _body: bytes) -> Response:
        if request.method == "DELETE":
            del self.letters[request.path_params["letter_id"]]
            return Response(status_code=204)
        return JSONResponse(self.letters[request.path_params["letter_id"]])

    def _replay(self, request: Request, _body: bytes) -> Response:
        letter = self.letters.pop(request.path_params["letter_id"])
        return JSONResponse(
            {"message_id": str(uuid.uuid4()), "subject": letter["subject"], "circuit_closed": True}, 202
        )

    def _quarantine(self, request: Request, _body: bytes) -> Response:
        found = list(reversed(self.quarantined.values()))
        start = int(request.query_params.get("cursor", 0))
        end = start + min(int(request.query_params["limit"]), self.page_size)
        more = f"/v1/quarantine?limit=2&cursor={end}" if end < len(found) else None
        return JSONResponse({"messages": found[start:end], "next": more})

    def _release(self, request: Request, _body: bytes) -> Response:
        return JSONResponse({"message_id": self.quarantined.pop(request.path_params["message_id"])["id"]}, 202)

    def _drop(self, request: Request, _body: bytes) -> Response:
        del self.quarantined[request.path_params["message_id"]]
        return Response(status_code=204)

    def _sizes(self, request: Request, body: bytes) -> Response:
        if request.method == "PUT":
            self.sizes = json.loads(body)["sizes"]
        return JSONResponse({"sizes": self.sizes})

    def _checks(self, request: Request, body: bytes) -> Response:
        if request.method == "GET":
            return JSONResponse({"checks": self.checks[::-1], "next": None})
        if any(check["state"] == "running" for check in self.checks):
            return problem(409, "conflict", "a check is running")
        check_id = str(uuid.uuid4())
        check = {
            "id": check_id,
            "state": "running",
            "repair": json.loads(body)["repair"],
            "progress": 0,
            "step": "originals",
            "found": 0,
            "repaired": 0,
            "findings": [],
            "error": None,
            "requested_by": "someone",
            "started_at": TIME,
            "moved_at": TIME,
            "finished_at": None,
            "links": {"self": f"/v1/admin/checks/{check_id}"},
        }
        self.checks.append(check)
        return JSONResponse(check, 202)

    def _check(self, request: Request, _body: bytes) -> Response:
        """Running when it is read first, and then at its end."""
        check = next((each for each in self.checks if each["id"] == request.path_params["check_id"]), None)
        if check is None:
            return problem(404, "not-found", "there is no such check")
        if request.method == "POST":
            check |= {"state": "cancelled", "finished_at": TIME}
        elif check["progress"] == 0:
            check["progress"] = 50
        elif check["state"] == "running":
            mended = [
                each | {"repaired": each["found"] if check["repair"] and each["repairable"] else 0}
                for each in self.findings
            ]
            sums = {name: sum(each[name] for each in mended) for name in ("found", "repaired")}
            check |= {
                "state": "complete",
                "progress": 100,
                "step": None,
                "finished_at": TIME,
                "findings": mended,
                **sums,
            }
        return JSONResponse(check)

    def _handshake(self, socket: ServerConnection, request: Handshake) -> HandshakeAnswer | None:
        if self.sockets and isinstance(self.sockets[0], Response | Foreign):
            refused = self.sockets.popleft()
            assert isinstance(refused, Response | Foreign)
            refused = _plain(refused)
            answer = socket.respond(HTTPStatus(refused.status_code), "")
            answer.body = bytes(refused.body)
            del answer.headers["Content-Length"]
            for name, value in refused.headers.items():
                answer.headers[name] = value
            return answer
        return None

    async def _socket(self, socket: ServerConnection) -> None:
        subscription = json.loads(await socket.recv())
        assert socket.request is not None
        self.subscriptions.append({**subscription, "token": socket.request.headers.get("Authorization")})
        run = self.sockets.popleft() if self.sockets else _listen
        assert not isinstance(run, Response | Foreign)
        self._live.add(socket)
        try:
            await run(socket, subscription)
        finally:
            self._live.discard(socket)


def _plain(answer: Response | Foreign) -> Response:
    """Of the object store or the notifier, which the document does not describe."""
    return answer.response if isinstance(answer, Foreign) else answer


async def _listen(socket: ServerConnection, subscription: dict[str, Any]) -> None:
    """Says that events will flow, and waits until the client leaves."""
    await socket.send(json.dumps({"op": "auth_ok", "subject": "someone"}))
    await socket.send(json.dumps({"op": "ready", "cursor": subscription.get("cursor") or f"{EPOCH}.0"}))
    async for frame in socket:
        if json.loads(frame) == {"op": "ping"}:
            await socket.send(json.dumps({"op": "pong", "cursor": f"{EPOCH}.99"}))


def script(*frames: str, close: int | None = None, reason: str = "") -> Script:
    """A connection that sends ``frames`` and is then closed with a code, or stays."""

    async def run(socket: ServerConnection, subscription: dict[str, Any]) -> None:
        await socket.send(json.dumps({"op": "ready", "cursor": subscription.get("cursor") or f"{EPOCH}.0"}))
        for frame in frames:
            await socket.send(frame)
        if close is None:
            await socket.wait_closed()
        else:
            await socket.close(close, reason)

    return run
