"""What Google's refusals mean. Google tells them apart by reasons in the body, and hardly by status.

https://developers.google.com/workspace/drive/api/guides/handle-errors
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from heliograph_common.errors import HeliographError
from heliograph_common.excerpts import excerpt
from heliograph_importer.sources.headers import after_failure, seconds_until
from heliograph_importer.sources.port import (
    AccessDenied,
    CredentialRefused,
    CursorLost,
    Missing,
    NotDownloadable,
    ProviderFailed,
    QuotaExceeded,
    SourceError,
)

QUOTA_DELAY = 10.0
DAILY_DELAY = 3600.0
LONGEST_DELAY = 24 * 3600.0

_QUOTA = frozenset(
    {"userRateLimitExceeded", "rateLimitExceeded", "quotaExceeded", "concurrentLimitExceeded", "RATE_LIMIT_EXCEEDED"}
)
_DAILY = frozenset({"dailyLimitExceeded"})
_KEY = frozenset(
    {
        "keyInvalid",
        "keyExpired",
        "ipRefererBlocked",
        "accessNotConfigured",
        "dailyLimitExceededUnreg",
        "API_KEY_INVALID",
        "API_KEY_SERVICE_BLOCKED",
        "API_KEY_IP_ADDRESS_BLOCKED",
        "API_KEY_HTTP_REFERRER_BLOCKED",
        "SERVICE_DISABLED",
        "CONSUMER_INVALID",
    }
)
_SCOPE = frozenset({"insufficientPermissions", "insufficientScopes", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
_CONTENT = {
    "fileNotDownloadable": "The file has no content that can be downloaded",
    "cannotDownloadFile": "Its owner does not allow the file to be downloaded",
    "cannotDownloadAbusiveFile": "Google has found malware or spam in the file",
    "downloadQuotaExceeded": "Google's limit of downloads of this file is reached: retry it tomorrow",
    "DOWNLOAD_QUOTA_EXCEEDED": "Google's limit of downloads of this file is reached: retry it tomorrow",
}


class _Reason(msgspec.Struct):
    reason: str = ""
    location: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    errors: list[_Reason] = []
    details: list[_Reason] = []


class _Body(msgspec.Struct):
    error: _Error


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> HeliographError:
    """The error that an answer other than 2xx means. Its message has no address and no secret."""
    delay = _retry_after(headers.get("retry-after"))
    try:
        error = msgspec.json.decode(body, type=_Body).error
    except msgspec.MsgspecError:
        return _without_a_reason(status, delay)
    reasons = [each.reason for each in (*error.errors, *error.details) if each.reason]
    if _DAILY.intersection(reasons):
        return QuotaExceeded("The daily quota of Google Drive is used up", delay=delay or DAILY_DELAY)
    if status == 429 or (status == 403 and _QUOTA.intersection(reasons)):
        return QuotaExceeded("Google Drive limits the rate of requests", delay=delay or QUOTA_DELAY)
    if status >= 500 or status < 400:
        said = _said(error, reasons)
        return ProviderFailed(f"Google Drive failed with {status} ({said})", delay=after_failure(delay))
    if status == 400 and any(each.location == "pageToken" for each in error.errors):
        return CursorLost("Google Drive does not know this page any more")
    return _permanent(status, error, reasons)


def _without_a_reason(status: int, delay: float | None) -> HeliographError:
    if status == 429:
        return QuotaExceeded("Google Drive limits the rate of requests", delay=delay or QUOTA_DELAY)
    if status == 401:
        return CredentialRefused(_refused("it answered 401"))
    return ProviderFailed(
        f"Google Drive answered {status}, which is not one of its own errors", delay=after_failure(delay)
    )


def _permanent(status: int, error: _Error, reasons: list[str]) -> SourceError:
    said = _said(error, reasons)
    if status == 401 or _KEY.intersection(reasons):
        return CredentialRefused(_refused(said))
    if reason := next((each for each in reasons if each in _CONTENT), None):
        return NotDownloadable(_CONTENT[reason])
    if _SCOPE.intersection(reasons):
        return AccessDenied("The token lacks a scope: get one with the scope drive.readonly")
    if status == 403:
        return AccessDenied(f"Google Drive does not allow it ({said})")
    if status in {404, 410}:
        return Missing("Google Drive has no such file or folder, or does not show it with this credential")
    return SourceError(f"Google Drive refused the request ({said}): report this with the ID of the import")


def _said(error: _Error, reasons: list[str]) -> str:
    """What Google says about it, on one line of a bounded length."""
    return excerpt(" ".join(": ".join(filter(None, [*reasons[:1], error.message])).split())) or "without a reason"


def _refused(said: str) -> str:
    return (
        f"Google does not accept the credential ({said}): get a new token, or have an administrator check the API key or "
        "credential"
    )


def _retry_after(value: str | None) -> float | None:
    """The seconds that ``Retry-After`` says, as a number or a date (RFC 9110)."""
    if not value:
        return None
    try:
        seconds: float | None = float(value)
    except ValueError:
        seconds = seconds_until(value)
    return min(seconds, LONGEST_DELAY) if seconds is not None and seconds > 0 else None
