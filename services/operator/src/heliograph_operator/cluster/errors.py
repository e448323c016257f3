"""Bounds calls to the API server and turns what lightkube and its HTTP client raise into the port's errors.

An error's message holds what was asked and the server's own words, which are made for users; never a header of the request,
where the token is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import msgspec
from lightkube.core.exceptions import ApiError, ConfigError

from heliograph_operator.cluster.port import ClusterError, ClusterUnavailable, Conflict, Forbidden, NotFound

CALL_SECONDS = 5.0
"""How long one call may take, all of its pages together."""

_DENIED = re.compile(r'\bcannot (\w+) resource "([^"]+)"')
"""What the API server says where its authorizers refuse, with the right that lacks. It may be another than the obvious one:
an update of what was deleted needs the right to create. Admission refuses with 403 too (a quota, a namespace that is being
deleted, a webhook), and no right would help against that."""


@asynccontextmanager
async def bounded(right: str, name: str, *, seconds: float = CALL_SECONDS) -> AsyncIterator[None]:
    """Around one call. ``right`` is what the call needs, such as ``patch deployments/scale``, ``name`` what it is about.

    Raises:
        ClusterUnavailable, Forbidden, NotFound, Conflict: as the port says.
        ClusterError: the API server refuses the request itself; trying again does not help.
    """
    call = f"{right} {name}".rstrip()
    try:
        async with asyncio.timeout(seconds):
            yield
    except ApiError as error:
        message = str(error.status.message or error.status.reason or "")
        raise _by_code(error.response.status_code, message, call) from error
    except httpx2.HTTPStatusError as error:
        raise _by_code(error.response.status_code, "no Status in the answer", call) from error
    except TimeoutError as error:
        raise ClusterUnavailable(f"{call}: no answer from the API server within {seconds:g} s") from error
    except httpx2.HTTPError as error:
        raise ClusterUnavailable(f"{call}: the API server cannot be reached: {type(error).__name__} {error}") from error
    except ConfigError as error:
        raise ClusterUnavailable(f"{call}: the token of the service account cannot be read: {error}") from error
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        # Such as a proxy's answer without a Content-Type.
        raise ClusterUnavailable(f"{call}: the answer is not one of an API server: {type(error).__name__}") from error


def _by_code(code: int, message: str, call: str) -> ClusterError:
    text = f"{call}: {message} ({code})"
    if code == 403 and (denied := _DENIED.search(message)):
        return Forbidden(f"{denied[1]} {denied[2]}", text)
    if code == 404:
        return NotFound(text)
    if code == 409:
        return Conflict(text)
    if code == 401:
        return ClusterUnavailable(f"{text}; check the token of the service account")
    if code == 429 or code >= 500:
        return ClusterUnavailable(text)
    return ClusterError(text)
