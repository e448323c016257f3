"""The HTTP session that the SDK is given: it goes to the base URLs of the settings, bounds every wait and every body,
follows no redirects, and raises the errors of the port, so that the SDK only sees answers that are a success."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from dropbox.session import API_CONTENT_HOST, API_HOST
from requests.adapters import HTTPAdapter

from heliograph_common.telemetry import spans
from heliograph_importer.sources.dropbox.errors import of_refusal
from heliograph_importer.sources.port import ProviderFailed

TOKEN_URL = f"https://{API_HOST}/oauth2/token"
_TIMEOUTS = (5.0, 30.0)
"""Seconds to connect, and seconds between two packets."""
_BODY_SECONDS = 30.0
_BODY_BYTES = 32 << 20
_READ = 64 << 10


class Session(requests.Session):
    """Keeps connections, and is used by many threads. ``connections``: how many are kept for each host."""

    def __init__(self, *, api_url: str, content_url: str, connections: int) -> None:
        super().__init__()
        self._bases = {
            f"https://{API_HOST}/": f"{api_url.rstrip('/')}/",
            f"https://{API_CONTENT_HOST}/": f"{content_url.rstrip('/')}/",
        }
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=connections))
        self.headers["Accept-Encoding"] = "identity"
        self.auth = _as_it_is
        self._open = threading.local()

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """As of ``requests``; ``stream`` is set by the SDK where it downloads.

        Raises:
            SourceError, CursorLost, QuotaExceeded, ProviderFailed: Dropbox refuses.
            requests.RequestException, urllib3.exceptions.HTTPError: there is no answer.
        """
        method, url, *others = args
        download = bool(options.get("stream"))
        options |= {"stream": True, "allow_redirects": False, "timeout": _TIMEOUTS}
        real = self._real(url)
        server = urlsplit(real)
        with spans.http_span(method, server.hostname or "", server.port, urlsplit(url).path) as answered:
            response = super().request(method, real, *others, **options)
            answered(response.status_code)
        try:
            self._open.response = _checked(response, download=download)
        except BaseException:
            response.close()
            raise
        return response

    def reach_contents(self) -> None:
        """Asks the host of contents for nothing in particular: whatever it answers, it is there.

        Raises:
            requests.RequestException: there is no answer.
        """
        real = self._real(f"https://{API_CONTENT_HOST}/")
        server = urlsplit(real)
        with spans.http_span("HEAD", server.hostname or "", server.port, "/") as answered:
            response = super().request("HEAD", real, stream=True, allow_redirects=False, timeout=_TIMEOUTS)
            response.close()
            answered(response.status_code)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """If the block fails, closes the answer that it got: the SDK leaves it open where it cannot read the metadata of a
        download. Each thread has its own."""
        self._open.response = None
        try:
            yield
        except BaseException:
            if self._open.response is not None:
                self._open.response.close()
            raise
        finally:
            self._open.response = None

    def _real(self, url: str) -> str:
        for host, base in self._bases.items():
            if url.startswith(host):
                return base + url.removeprefix(host)
        raise ProviderFailed("the SDK of Dropbox wants to reach a host that has no setting")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps the header that the SDK has set, which ``requests`` would otherwise replace by what a ``.netrc`` says."""
    return request


def _checked(response: requests.Response, *, download: bool) -> requests.Response:
    if response.status_code == requests.codes.ok and download and "dropbox-api-result" in response.headers:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ProviderFailed("the file came compressed, although that was not asked for")
        return response
    body = _body(response)
    if response.status_code != requests.codes.ok:
        raise of_refusal(response.status_code, response.headers, body)
    if download or response.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ProviderFailed("the answer is not one of the Dropbox API: check the base URLs and what is in between")
    response.headers["content-type"] = "application/json"  # the SDK knows it without parameters only
    response.raw = io.BytesIO(body)
    return response


def _body(response: requests.Response) -> bytes:
    """The whole body, which is small, however slowly it comes. A read waits for one packet, not for a full buffer."""
    parts, size, deadline = [], 0, time.monotonic() + _BODY_SECONDS
    while part := response.raw.read1(_READ, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > _BODY_BYTES:
            raise ProviderFailed("the answer of the Dropbox API is too large")
        if time.monotonic() > deadline:
            raise ProviderFailed("the answer of the Dropbox API took too long")
    return b"".join(parts)
