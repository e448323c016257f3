"""Google's refusals, as its documentation and its servers have them, and the errors that they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from heliograph_common.errors import HeliographError
from heliograph_importer.sources.google_drive.errors import DAILY_DELAY, LONGEST_DELAY, QUOTA_DELAY, refusal
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


def body(reason: str, **more: str) -> bytes:
    """An error in the shape that Drive gives it."""
    detail = {"domain": "global", "reason": reason, "message": "So it is", **more}
    return json.dumps({"error": {"errors": [detail], "code": 400, "message": "So it is"}}).encode()


def newer(reason: str) -> bytes:
    """An error in the shape of Google's newer servers."""
    told: dict[str, Any] = {"code": 403, "message": "So it is", "status": "PERMISSION_DENIED"}
    told["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return json.dumps({"error": told}).encode()


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [
        (400, body("invalid", location="pageToken", locationType="parameter"), CursorLost),
        (400, body("invalid", location="q"), SourceError),
        (400, newer("API_KEY_INVALID"), CredentialRefused),
        (400, body("keyInvalid"), CredentialRefused),
        (401, body("authError"), CredentialRefused),
        (401, b"", CredentialRefused),
        (403, body("accessNotConfigured"), CredentialRefused),
        (403, newer("SERVICE_DISABLED"), CredentialRefused),
        (403, body("dailyLimitExceededUnreg"), CredentialRefused),
        (403, body("insufficientPermissions"), AccessDenied),
        (403, newer("ACCESS_TOKEN_SCOPE_INSUFFICIENT"), AccessDenied),
        (403, body("insufficientFilePermissions"), AccessDenied),
        (403, body("appNotAuthorizedToFile"), AccessDenied),
        (403, body("domainPolicy"), AccessDenied),
        (403, body("cannotDownloadFile"), NotDownloadable),
        (403, body("fileNotDownloadable"), NotDownloadable),
        (403, body("cannotDownloadAbusiveFile"), NotDownloadable),
        (403, body("downloadQuotaExceeded"), NotDownloadable),
        (404, body("notFound", location="fileId"), Missing),
        (410, body("deleted"), Missing),
        (416, body("requestedRangeNotSatisfiable"), SourceError),
        (403, b"<html>Sorry...</html>", ProviderFailed),
        (404, b"<html>Not here</html>", ProviderFailed),
        (302, b"", ProviderFailed),
        (500, body("internalError"), ProviderFailed),
        (503, body("backendError"), ProviderFailed),
        (502, b"<html>Bad Gateway</html>", ProviderFailed),
    ],
)
def test_what_a_refusal_means(status: int, told: bytes, expected: type[HeliographError]) -> None:
    assert type(refusal(status, {}, told)) is expected


@pytest.mark.parametrize(
    ("status", "told", "delay"),
    [
        (429, b"", QUOTA_DELAY),
        (429, body("rateLimitExceeded"), QUOTA_DELAY),
        (403, body("userRateLimitExceeded"), QUOTA_DELAY),
        (403, body("rateLimitExceeded"), QUOTA_DELAY),
        (403, newer("RATE_LIMIT_EXCEEDED"), QUOTA_DELAY),
        (403, body("dailyLimitExceeded"), DAILY_DELAY),
        (429, body("dailyLimitExceeded"), DAILY_DELAY),
    ],
)
def test_quotas_have_a_delay(status: int, told: bytes, delay: float) -> None:
    error = refusal(status, {}, told)
    assert isinstance(error, QuotaExceeded)
    assert error.delay == delay


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        ("30", 30.0),
        ("0.5", 0.5),
        ("99999999", LONGEST_DELAY),
        ("soon", QUOTA_DELAY),
        ("-1", QUOTA_DELAY),
        ("nan", QUOTA_DELAY),
    ],
)
def test_retry_after_is_honoured_within_reason(header: str, delay: float) -> None:
    error = refusal(429, {"retry-after": header}, b"")
    assert isinstance(error, QuotaExceeded)
    assert error.delay == delay


def test_retry_after_may_be_a_date() -> None:
    error = refusal(429, {"retry-after": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}, b"")
    assert isinstance(error, QuotaExceeded)
    assert error.delay == pytest.approx(3600, abs=60)


def test_messages_name_the_remedy() -> None:
    assert "get one with the scope drive.readonly" in str(refusal(403, {}, body("insufficientPermissions")))
    assert "have an administrator check" in str(refusal(401, {}, body("authError")))
    assert "retry it tomorrow" in str(refusal(403, {}, body("downloadQuotaExceeded")))


def test_a_message_is_one_line_of_a_bounded_length() -> None:
    told = json.dumps({"error": {"message": "a\nb " * 1000, "errors": []}}).encode()
    message = str(refusal(403, {}, told))
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize("zeros", [9, 20])
def test_a_date_beyond_all_calendars_says_nothing(zeros: int) -> None:
    error = refusal(429, {"retry-after": f"Mon, 04 May 9{'0' * zeros} 12:00:00 +{'9' * zeros}"}, b"")
    assert isinstance(error, QuotaExceeded)
    assert error.delay == QUOTA_DELAY


@pytest.mark.parametrize("told", [b"", body("backendError"), b"<html>"])
def test_a_server_that_fails_is_not_believed_for_long(told: bytes) -> None:
    for seconds, delay in (("20", 20), ("86400", 60)):
        error = refusal(503, {"retry-after": seconds}, told)
        assert isinstance(error, ProviderFailed)
        assert error.delay == delay


def test_a_message_is_printable() -> None:
    error = refusal(403, {}, json.dumps({"error": {"errors": [], "message": "a\x00\x1b[31m\ud800b"}}).encode())
    assert str(error).isprintable()
