"""A proxy before the S3 server that answers otherwise than the server: refuses, breaks off, corrupts, delays, or does what
was asked and says that it failed.

Services get its address for the server's. Requests are signed with the ``Host`` that the client used, so they are passed
on as they came. It runs in threads of its own: what a test does on its event loop delays no request.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_HOST = "127.0.0.1"
_UPSTREAM_SECONDS = 60.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass
class Fault:
    """What is done to requests whose method is one of ``methods``, whose key begins with ``prefix``, and on which the dice
    fall (``share``). ``delay``: seconds before the server gets it. ``status`` and ``code``: the answer, instead of the
    server's; the server sees the request only where ``performed``. ``cut``: half of the body, then the end of the
    connection. ``flip``: every byte of the body's second half is another. ``silent``: performed, then the connection ends
    without an answer."""

    prefix: str = ""
    methods: frozenset[str] = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
    share: float = 1.0
    delay: float = 0.0
    status: int = 0
    code: str = ""
    performed: bool = False
    cut: bool = False
    flip: bool = False
    silent: bool = False
    hits: int = field(default=0, init=False)
    """Requests that it was done to."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class S3Faults:
    """``upstream`` tells the server's address, such as ``http://127.0.0.1:8333``, once there is one."""

    def __init__(self, upstream: Callable[[], str], rng: random.Random) -> None:
        self.upstream = upstream
        self._rng = rng
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="s3-faults", daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://{_HOST}:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listens for as long as the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()

    def add(self, fault: Fault) -> Fault:
        """From now on; of several that fit a request the one added first counts."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """What it was done to is well again."""
        with self._lock:
            self._faults.remove(fault)

    def fault(self, method: str, path: str) -> Fault | None:
        """What is to be done to a request, if anything; counts it."""
        key = unquote(urlsplit(path).path).lstrip("/").partition("/")[2]
        with self._lock:
            for fault in self._faults:
                fits = method in fault.methods and bool(key) and key.startswith(fault.prefix)
                if fits and (fault.share >= 1 or self._rng.random() < fault.share):
                    fault.hits += 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, faults: S3Faults) -> None:
        super().__init__((_HOST, 0), _Handler)
        self.faults = faults


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client has gone
            self.close_connection = True

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        setattr(self, f"do_{self.command}", self._pass_on)  # any method: super() looks for do_<method> next
        return parsed

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""

    def _pass_on(self) -> None:
        fault = self.server.faults.fault(self.command, self.path) or Fault()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(fault.delay)
        try:
            answer = self._ask(body) if fault.performed or not fault.status else None
        except (OSError, http.client.HTTPException):  # the server is away: so is this one
            self.close_connection = True
            return
        if fault.silent:
            self.close_connection = True
        elif fault.status:
            self._reply(_refusal(fault), fault)
        elif answer is not None:
            self._reply(answer, fault)

    def _ask(self, body: bytes) -> _Answer:
        address = urlsplit(self.server.faults.upstream())
        upstream = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_UPSTREAM_SECONDS)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            headers = [each for each in answer.getheaders() if each[0].lower() not in _HOP_BY_HOP]
            content = answer.read()
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            return _Answer(answer.status, [*headers, ("Content-Length", length or "0")], content)
        finally:
            upstream.close()

    def _reply(self, answer: _Answer, fault: Fault) -> None:
        body, half = answer.body, len(answer.body) // 2
        if fault.flip:
            body = body[:half] + bytes(255 - byte for byte in body[half:])
        if fault.cut:
            body = body[:half]
            self.close_connection = True
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and answer.status != 204:
            self.wfile.write(body)


def _refusal(fault: Fault) -> _Answer:
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{fault.code}</Code><Message>{fault.code}</Message>'
        "<Resource>/</Resource><RequestId>0</RequestId></Error>"
    ).encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(document)))]
    return _Answer(fault.status, headers, document)
