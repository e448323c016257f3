"""What errors of the official SDK mean, and those that a provider reports in an answer of its own.

https://developers.openai.com/api/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import httpx2
import openai

from heliograph_analyzer.models.port import CredentialsRefused, ModelFailed, QuestionRejected, RateLimited
from heliograph_common.errors import HeliographError
from heliograph_common.excerpts import excerpt
from heliograph_common.http.retry_after import seconds_told

LONGEST_DELAY = 24 * 3600.0
LONGEST_AFTER_FAILURE = 60.0
"""Seconds for which a server that fails is believed. Its word on limits is worth more."""

_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_KEY = frozenset({"invalid_api_key", "API_KEY_INVALID", "unsupported_country_region_territory"})
_NO_PERMISSION = ("missing scopes", "insufficient permissions")
_MODEL = frozenset({"model_not_found", "model_not_available"})
_UNSENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.WriteError,
    httpx2.WriteTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)
"""After these the provider cannot have had the whole question."""
_PERHAPS_PAID = frozenset({408, 502, 504, 520, 524})
"""Statuses of what stands between us and the provider, which may have answered after all."""

_ADDRESS = "check HELIOGRAPH_OPENAI__BASE_URL and HELIOGRAPH_OPENAI__API"


def translated(error: Exception, key: str) -> HeliographError:
    """What an error of the SDK, or the end of the time limit, means. ``key`` is kept out, which servers quote."""
    match error:
        case openai.APIStatusError():
            return _status(error, key)
        case TimeoutError() | openai.APITimeoutError():
            paid = not isinstance(error.__cause__, _UNSENT)
            return ModelFailed("The model did not answer in time", paid=paid)
        case openai.APIConnectionError():
            cause = error.__cause__
            kind = type(cause or error).__name__
            return ModelFailed(
                f"No complete answer from the model's server ({kind})", paid=not isinstance(cause, _UNSENT)
            )
        case _:
            return unreadable()


def unreadable() -> ModelFailed:
    """What an answer means that is not the JSON of the API."""
    return ModelFailed(f"The model's server answered something else than its API says: {_ADDRESS}", paid=True)


def refused_key() -> CredentialsRefused:
    """What a refusal of the key means. What the provider says about it stays out: it quotes a part of the key."""
    return CredentialsRefused(
        "The model's provider does not accept the API key: replace it, or correct its permissions"
    )


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a provider wants to be left alone, from 0 to a day; ``None`` where it does not say."""
    for name, unit in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        seconds = seconds_told(headers.get(name, ""), now, unit=unit)
        if seconds is not None:
            return min(max(seconds, 0.0), LONGEST_DELAY)
    return None


def reported(code: str | None, message: str | None, key: str) -> HeliographError:
    """What an error means that is reported within an answer of status 200."""
    told = _line(message, key)
    if code == "rate_limit_exceeded" or code in _SPENT:
        return RateLimited(f"The model's provider limits questions{told}", spent=code in _SPENT)
    if code is None or code in {"server_error", "vector_store_timeout"}:
        return ModelFailed(f"The model failed{told}", paid=True)
    return QuestionRejected(f"The model's provider does not take this picture or question{told}: use another picture")


def _status(error: openai.APIStatusError, key: str) -> HeliographError:
    status, codes = error.status_code, {error.code or "", error.type or ""}
    told = _line(_message(error), key)
    if codes & _MODEL or status == httpx2.codes.NOT_FOUND:
        return QuestionRejected(
            f"The model's server does not have this model or API{told}: check HELIOGRAPH_OPENAI__MODEL, and {_ADDRESS}",
            misconfigured=True,
        )
    if status == httpx2.codes.UNAUTHORIZED or codes & _KEY:
        return refused_key()
    if status == httpx2.codes.FORBIDDEN:
        return _forbidden(error)
    if status in {402, 429}:
        return _limited(error, spent=status == httpx2.codes.PAYMENT_REQUIRED or bool(codes & _SPENT))
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status < httpx2.codes.BAD_REQUEST or status in {408, 409, 425}:
        return ModelFailed(
            f"The model's server failed with status {status}",
            paid=status in _PERHAPS_PAID,
            delay=_at_most(retry_after(error.response.headers), LONGEST_AFTER_FAILURE),
        )
    return QuestionRejected(
        f"The model's server does not take this question, status {status}{told}: check picture and model"
    )


def _forbidden(error: openai.APIStatusError) -> HeliographError:
    """Gateways and firewalls answer 403 to what they do not like of one body, too: a probe tells it from a refused key."""
    message = error.message.lower()
    if any(each in message for each in _NO_PERMISSION):
        return refused_key()
    return ModelFailed("The model's server, or a gateway before it, forbids this question, status 403", paid=False)


def _limited(error: openai.APIStatusError, *, spent: bool) -> RateLimited:
    delay = retry_after(error.response.headers)
    if spent:
        message = "The account at the model's provider has no credit left: add credit, or raise its limit"
        return RateLimited(message, delay=delay, spent=True)
    return RateLimited("The model's provider limits questions: analyses go on later", delay=delay)


def _message(error: openai.APIStatusError) -> str | None:
    """What the server said. The error's own text has the whole body in it."""
    message = error.body.get("message") if isinstance(error.body, dict) else None
    return message if isinstance(message, str) else None


def _line(message: str | None, key: str) -> str:
    """What a server said, in parentheses; the whole is searched for the key before it is shortened."""
    told = excerpt((message or "").replace(key, "[hidden]") if key else message or "").strip()
    return f" ({told})" if told else ""


def _at_most(delay: float | None, longest: float) -> float | None:
    return None if delay is None else min(delay, longest)
