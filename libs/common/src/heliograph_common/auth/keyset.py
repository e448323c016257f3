"""The issuer's public keys from a JSON Web Key Set (RFC 7517), cached, fetched again for a key that is not known.

While the issuer is away the cached keys serve on for ``STALE_SECONDS``. Symmetric keys in a set are ignored, so that no
public document can ever become a shared secret.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import msgspec
import structlog

from heliograph_common.errors import Unauthenticated

FETCH_TIMEOUT_SECONDS = 3.0
REFETCH_SECONDS = 30.0
"""The least time between two fetches, whatever key ids clients make up."""
RETRY_SECONDS = 5.0
"""The same after a fetch that failed."""
FRESH_SECONDS = 600.0
STALE_SECONDS = 12 * 3600.0
LARGEST_SET = 256 * 1024
LEAST_RSA_BITS = 2048

_ALGORITHM_OF = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}

log = structlog.get_logger(__name__)


class _Document(msgspec.Struct):
    keys: list[dict[str, Any]]


class KeySet:
    """The keys at ``url``."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """The key named ``key_id``, or the only one when a token names none, for ``algorithm``.

        Raises:
            Unauthenticated: there is no such key, or the issuer was away for too long to know.
        """
        if self._find(key_id, algorithm) is None or self._age() > FRESH_SECONDS:
            await self._refresh(key_id, algorithm)
        if self._age() > STALE_SECONDS:
            raise Unauthenticated("the issuer's keys could not be fetched to verify the token; try again later")
        key = self._find(key_id, algorithm)
        if key is None:
            raise Unauthenticated("the token is signed with a key that its issuer does not publish")
        return key

    def _find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        if key_id is None:
            fitting = [key for key in self._keys.values() if key.algorithm_name == algorithm]
            return fitting[0] if len(fitting) == 1 else None
        key = self._keys.get(key_id)
        return key if key is not None and key.algorithm_name == algorithm else None

    def _age(self) -> float:
        return self._monotonic() - self._fetched_at

    async def _refresh(self, key_id: str | None, algorithm: str) -> None:
        if self._fetching.locked() and self._find(key_id, algorithm) is not None and self._age() <= STALE_SECONDS:
            return  # another request fetches; what is cached will do
        async with self._fetching:
            pause = REFETCH_SECONDS if self._fetched_at >= self._tried_at else RETRY_SECONDS
            if self._monotonic() - self._tried_at < pause:
                return
            self._tried_at = self._monotonic()
            try:
                self._keys = await _fetch(self._url)
            except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.MsgspecError, TimeoutError, ValueError) as error:
                log.warning("key set cannot be fetched", url=self._url, error=str(error) or type(error).__name__)
                return
            self._fetched_at = self._monotonic()


async def _fetch(url: str) -> dict[str, jwt.PyJWK]:
    async with (
        httpx2.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=False) as client,
        asyncio.timeout(FETCH_TIMEOUT_SECONDS),
        client.stream("GET", url, headers={"accept": "application/json"}) as response,
    ):
        response.raise_for_status()
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > LARGEST_SET:
                raise ValueError(f"the key set is larger than {LARGEST_SET} bytes")
    return _parse(body)


def _parse(body: bytes) -> dict[str, jwt.PyJWK]:
    keys = {}
    for number, entry in enumerate(msgspec.json.decode(body, type=_Document).keys):
        if (key := _usable(entry)) is not None:
            keys[str(key.key_id or f"#{number}")] = key
    return keys


def _usable(entry: dict[str, Any]) -> jwt.PyJWK | None:
    """A signature key that we would verify with; others (encryption, unknown types, weak ones) are passed over."""
    if entry.get("use", "sig") != "sig":
        return None
    algorithm = _ALGORITHM_OF.get(str(entry.get("kty")))
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(entry, algorithm)
    except (jwt.PyJWTError, ValueError, KeyError):
        return None
    if algorithm == "RS256" and key.key.key_size < LEAST_RSA_BITS:
        return None
    return key
