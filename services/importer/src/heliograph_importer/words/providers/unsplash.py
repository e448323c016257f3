"""Unsplash: https://unsplash.com/documentation.

Each call is one request. An answer is bounded in time and size, and read only if it is the JSON that the API describes: an
HTML page with status 200 is a failure of the provider. The key goes to the API's own host only, never to one that an answer
names, and into no error, log or span.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from heliograph_common.auth.late_key import LateKey
from heliograph_common.contracts.word_messages import Photo
from heliograph_common.telemetry import metrics, spans
from heliograph_importer.settings import UnsplashSettings
from heliograph_importer.sources.headers import SENDABLE
from heliograph_importer.words.providers.languages import unsplash_language
from heliograph_importer.words.providers.port import (
    MISSING_KEY,
    REFUSED_KEY,
    KeyMissing,
    KeyRefused,
    Missing,
    ProviderFailed,
)
from heliograph_importer.words.providers.unsplash_errors import GONE, UNTIL_RESET, none_left, refusal
from heliograph_importer.words.providers.unsplash_photos import NAME, PHOTO_ID, Asset, Page, is_web, photo_of, sized

PER_PAGE = 30
"""Photos of a page; the API gives no more."""
ANSWER_SECONDS = 30.0
LARGEST_ANSWER = 2 * 1024 * 1024
"""Bytes; a page of 30 photos has some 150 kB."""
_LARGEST_REFUSAL = 64 * 1024
_TIMEOUT = httpx2.Timeout(20.0, connect=10.0)
_LIMITS = httpx2.Limits(max_connections=8, max_keepalive_connections=4)
_LARGEST_COUNT = 10**9

_Kind = TypeVar("_Kind")


class _File(msgspec.Struct):
    url: str


class Unsplash:
    """See ``PhotoProvider``."""

    name = NAME
    budget: str | None = NAME

    def __init__(self, settings: UnsplashSettings, key: LateKey) -> None:
        self._app = settings.app_name
        self._key = key
        self._rest: float | None = None
        self._base = urlsplit(settings.base_url)
        self._http = httpx2.AsyncClient(
            base_url=settings.base_url.rstrip("/") + "/",
            timeout=_TIMEOUT,
            limits=_LIMITS,
            trust_env=False,
            follow_redirects=False,  # another host would get the key
            headers={"Accept-Version": "v1", "Accept": "application/json", "User-Agent": "Heliograph"},
        )

    async def search(self, query: str, *, language: str | None) -> Sequence[Photo]:
        """See ``PhotoProvider``. A query that Unsplash takes for spam finds nothing."""
        asked = {"query": query, "page": "1", "per_page": str(PER_PAGE), "content_filter": "high"}
        code = unsplash_language(language) if language else None
        if code is not None:
            asked["lang"] = code
        try:
            page = await self._get("search/photos", "search/photos", asked, Page, gone_is_spam=True)
        except _SpamError:
            return []
        assets = [asset for raw in page.results if (asset := _asset(raw)) is not None]
        if page.results and not assets:
            raise ProviderFailed("Unsplash describes photos in another way than its API says: update Heliograph")
        return [photo for asset in assets if (photo := photo_of(asset, app=self._app)) is not None]

    async def photo(self, photo_id: str) -> Photo:
        """See ``PhotoProvider``."""
        if not PHOTO_ID.fullmatch(photo_id):
            raise Missing("this is no id of a photo at Unsplash: choose another")
        asset = await self._get(f"photos/{quote(photo_id, safe='')}", "photos/{id}", {}, Asset)
        if asset.id != photo_id and not photo_id.endswith(f"-{asset.id}"):  # a page's address ends so
            raise Missing("Unsplash answered with another photo than the one that was asked for: choose another")
        photo = photo_of(asset, app=self._app)
        if photo is None:
            raise Missing("this photo cannot be taken: it is sold by subscription only; choose another")
        return photo

    async def download(self, photo: Photo) -> str:
        """See ``PhotoProvider``."""
        path = f"photos/{quote(photo.id, safe='')}/download"
        # What belongs to the search, such as ``ixid``, is to be sent back. Host and path are ours: they get the key.
        query = dict(httpx2.QueryParams(urlsplit(photo.download_location or "").query).items())
        file = await self._get(path, "photos/{id}/download", query, _File)
        if not is_web(file.url):
            raise ProviderFailed("Unsplash gives no usable URL of the file: try again later")
        return sized(file.url)

    def file_url(self, photo: Photo) -> str:
        """See ``PhotoProvider``."""
        return sized(photo.full_url)

    async def close(self) -> None:
        """See ``PhotoProvider``."""
        await self._http.aclose()

    def waits_for(self) -> str | None:
        """See ``PhotoProvider``."""
        key = self._key.current()
        if key is None:
            return MISSING_KEY
        self._key.allow_trial(key)
        return REFUSED_KEY if self._key.state() == "refused" else None

    def rest(self) -> float | None:
        """See ``PhotoProvider``. Others may use the same key."""
        rest, self._rest = self._rest, None
        return rest

    async def _get(
        self, path: str, template: str, query: Mapping[str, str], kind: type[_Kind], *, gone_is_spam: bool = False
    ) -> _Kind:
        key = self._usable_key()
        try:
            async with asyncio.timeout(ANSWER_SECONDS) as limit:
                status, headers, body = await self._answer(path, template, query, key)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ProviderFailed(f"Unsplash did not answer within {ANSWER_SECONDS:g} s: try again later") from None
        _export(headers)
        if status != httpx2.codes.OK:
            if status == GONE and gone_is_spam:
                raise _SpamError
            error = refusal(status, headers, body, key)
            if isinstance(error, KeyRefused):
                self._key.refuse(key)
            raise error
        self._key.accept(key)
        self._rest = UNTIL_RESET if none_left(headers) else None
        return _decoded(body, kind)

    async def _answer(
        self, path: str, template: str, query: Mapping[str, str], key: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        request = self._http.build_request("GET", path, params=query, headers={"Authorization": f"Client-ID {key}"})
        try:
            with spans.http_span("GET", self._base.hostname or "", self._base.port, template) as answered:
                response = await self._http.send(request, stream=True)
                answered(response.status_code)
            try:
                limit = LARGEST_ANSWER if response.is_success else _LARGEST_REFUSAL
                return response.status_code, response.headers, await _read(response, limit)
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProviderFailed(
                f"No complete answer from Unsplash ({type(error).__name__}): try again later"
            ) from None

    def _usable_key(self) -> str:
        key = self._key.current()
        if key is None:
            raise KeyMissing("no access key for Unsplash: have an administrator set HELIOGRAPH_UNSPLASH__ACCESS_KEY")
        if not SENDABLE.fullmatch(key):
            self._key.refuse(key)
        if self._key.is_refused(key) and not self._key.take_trial(key):
            raise KeyRefused(
                f"{REFUSED_KEY}: have an administrator replace HELIOGRAPH_UNSPLASH__ACCESS_KEY", asked=False
            )
        return key


class _SpamError(Exception):
    """The query was flagged as spam."""


async def _read(response: httpx2.Response, limit: int) -> bytes:
    """The body. What is longer than ``limit`` is cut off there if it is an error's, and a failure otherwise."""
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                if response.is_success:
                    raise ProviderFailed("Unsplash's answer is too long: try again later")
                break
    return bytes(body[:limit])


def _decoded(body: bytes, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProviderFailed(
            "Unsplash's answer is not the JSON that its API describes: try again later, or check "
            "HELIOGRAPH_UNSPLASH__BASE_URL"
        ) from None


def _asset(raw: msgspec.Raw) -> Asset | None:
    try:
        return msgspec.json.decode(raw, type=Asset)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _export(headers: Mapping[str, Any]) -> None:
    """What Unsplash says is left of its own limit."""
    for name, gauge in (
        ("x-ratelimit-limit", metrics.photo_provider_limit),
        ("x-ratelimit-remaining", metrics.photo_provider_remaining),
    ):
        told = str(headers.get(name, "")).strip()
        if told.isascii() and told.isdigit():
            gauge.labels(provider=NAME).set(min(int(told[:10]), _LARGEST_COUNT))
