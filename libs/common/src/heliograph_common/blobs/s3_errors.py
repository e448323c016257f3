"""What an error of minio's or urllib3's means: the server is away, the object is missing, or it may be only this object.

``minio.py`` translates with it, and asks the server itself before it believes the last. Messages are without the signed
URLs that the libraries' own quote.
"""

from __future__ import annotations

import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import ConnectTimeoutError, HTTPError, IncompleteRead, MaxRetryError, ProtocolError

from heliograph_common.errors import BlobsUnavailable, BlobUnreadable, NotFound

MISSING = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
_REFUSED = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoSuchBucket",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
_BUSY = frozenset({"Busy", "RequestLimitExceeded", "ServiceUnavailable", "SlowDown", "TooManyRequests"})
_BUSY_STATUS = frozenset({429, 502, 503, 504})


def translated(error: Exception, key: str) -> NotFound | BlobsUnavailable | BlobUnreadable:
    """``error``, which came of a call about ``key``, as one of ours."""
    if isinstance(error, S3Error):
        return _of_code(error.code or "no code", error.response.status, key)
    if isinstance(error, ServerError):
        return _of_code(f"status {error.status_code}", error.status_code, key)
    if isinstance(error, InvalidResponseError):
        status = int(getattr(error, "_code", 0))
        return _of_code(f"status {status}", status, key)
    if isinstance(error, HTTPError):
        return _of_transport(error, key)
    return BlobUnreadable(f"the object store failed on {key}; check the S3 server")


def failure(answer: urllib3.BaseHTTPResponse) -> Exception:
    """What an answer says that is none of success."""
    try:
        return S3Error.fromxml(answer)
    except Exception:  # noqa: BLE001 - whatever the body is, it is not S3's
        return ServerError("no reason given", answer.status)


def _of_code(code: str, status: int, key: str) -> NotFound | BlobsUnavailable | BlobUnreadable:
    if code in MISSING:
        return NotFound(f"object {key} does not exist")
    if code in _REFUSED:
        return BlobsUnavailable(f"the object store refused {key} with {code}; check bucket and credentials")
    if code in _BUSY or status in _BUSY_STATUS:
        return BlobsUnavailable(f"the object store is busy ({code}); check the S3 server")
    return BlobUnreadable(f"the object store failed on {key} with {code}; check that object")


def _of_transport(error: HTTPError, key: str) -> BlobsUnavailable | BlobUnreadable:
    """A server that cannot be reached is away. One that was reached and broke off or fell silent may do so for one object:
    it is how some servers answer for a damaged one."""
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason is not None else error
    kind = type(cause).__name__
    broke_off = isinstance(cause, (ProtocolError, IncompleteRead, urllib3.exceptions.ReadTimeoutError))
    if broke_off and not isinstance(cause, ConnectTimeoutError):
        return BlobUnreadable(f"the object store closed the connection on {key} ({kind}); check that object")
    return BlobsUnavailable(f"the object store cannot be reached ({kind}); check the S3 endpoint")
