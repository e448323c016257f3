"""A user service over HTTP: ``PUT /entries/{entry_id}`` with a service's token.

Only the status of an answer counts; its body is not read. Redirects are not followed: the token is for one server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import msgspec
from pydantic import SecretStr

from heliograph_common.clock import utc_now
from heliograph_common.http.retry_after import seconds_told
from heliograph_common.telemetry import spans
from heliograph_gateway.food.port import EntryRefused, UserServiceFailed

_TEMPLATE = "entries/{id}"
_TAKEN = {200, 201, 202, 204}
_LATER = {408, 423, 425, 429}
_MISSING = {401, 403}
_LONGEST_DELAY = 3600.0


class HttpUserService:
    """The user service at ``url``. ``seconds``: how long one request may take, all in all."""

    def __init__(self, url: str, token: SecretStr | None, *, seconds: float) -> None:
        self._url = url.rstrip("/")
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._token = token
        self._seconds = seconds
        self._client = httpx2.AsyncClient(timeout=seconds, follow_redirects=False, trust_env=False)

    async def put(self, entry_id: UUID, entry: Mapping[str, Any]) -> None:
        """As ``UserService`` says."""
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        body = msgspec.json.encode(entry)
        request = self._client.build_request("PUT", f"{self._url}/entries/{entry_id}", content=body, headers=headers)
        try:
            with spans.http_span("PUT", self._host, self._port, _TEMPLATE) as answered:
                async with asyncio.timeout(self._seconds):
                    response = await self._client.send(request, stream=True)
                    await response.aclose()
                answered(response.status_code)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise UserServiceFailed(
                f"the user service cannot be reached ({type(error).__name__}): try again"
            ) from error
        _check(response.status_code, response.headers)

    async def close(self) -> None:
        """As ``UserService`` says."""
        await self._client.aclose()


def _check(status: int, headers: Mapping[str, str]) -> None:
    if status in _TAKEN:
        return
    if status in _MISSING:
        raise UserServiceFailed(
            f"the user service refuses the token (status {status}): check `food.user_service_token`"
        )
    if status in _LATER or status >= 500:
        delay = retry_after(headers.get("retry-after", ""), utc_now())
        raise UserServiceFailed(f"the user service failed with status {status}: try again", delay=delay)
    raise EntryRefused(f"the user service did not take the entry (status {status}): see its log")


def retry_after(told: str, now: datetime) -> float | None:
    """The seconds that ``Retry-After`` asks for, as a number or as a date, an hour at most; ``None`` if it asks for none."""
    seconds = seconds_told(told, now)
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_DELAY)
