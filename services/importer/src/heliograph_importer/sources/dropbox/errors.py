"""What Dropbox's refusals mean, as errors of the port.

They are read from the answer itself, and not by the SDK: that one fails on the tag ``other``, which Dropbox sends, drops
tags that are newer than it, and asserts the type of a body that a proxy may have written. Shapes of errors:
https://www.dropbox.com/developers/documentation/http/documentation#error-handling
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import requests
import urllib3
from dropbox.dropbox_client import BadInputException
from dropbox.exceptions import DropboxException
from dropbox.stone_validators import ValidationError

from heliograph_common.excerpts import excerpt
from heliograph_importer.sources import port
from heliograph_importer.sources.headers import after_failure, seconds_until

_Result = TypeVar("_Result")

_DEFAULT_WAIT = 15.0
"""Seconds to wait where Dropbox does not say how long."""
_SHORTEST_WAIT = 1.0
_LONGEST_WAIT = 86_400.0
_CREDENTIAL = "Dropbox does not accept the credential: sign in again, or check key and secret"
_SCOPE = re.compile(r"required scope '?([a-z_]+(?:\.[a-z_]+)+)")
_UNREADABLE = (
    BadInputException, DropboxException, ValidationError, ValueError, LookupError, TypeError, AttributeError, AssertionError,
    ArithmeticError, RecursionError,
)  # fmt: skip
"""What the SDK raises over an answer that it does not expect."""


class Expired(port.CredentialRefused):
    """The access token is not accepted (any more): refresh it, or sign in again."""


class Unexplained(port.ProviderFailed):
    """Dropbox refuses and does not say why: try again later."""


_MEANINGS: Mapping[str, tuple[type[port.SourceError], str]] = {
    "not_found": (port.Missing, "Dropbox has no such file or folder: check the path, it may have been moved or deleted"),
    "malformed_path": (port.Missing, "Dropbox does not accept the path: check it, such as /Photos/2024"),
    "not_folder": (port.NotAFolder, "the path leads to a file: name the folder that it is in"),
    "not_file": (port.NotDownloadable, "the path leads to a folder now: import the folder again"),
    "restricted_content": (port.AccessDenied, "Dropbox restricts this content: ask the support of Dropbox why"),
    "unsupported_content_type": (port.NotDownloadable, "Dropbox cannot hand out this kind of file: export it first"),
    "unsupported_file": (port.NotDownloadable, "the file can only be exported: save it as a file in Dropbox first"),
    "locked": (port.AccessDenied, "the file is locked in Dropbox: unlock it, then retry"),
    "shared_link_not_found": (
        port.Missing,
        "Dropbox does not know the shared link, or no longer has the file in it: check the link, it may have expired",
    ),
    "shared_link_access_denied": (
        port.AccessDenied,
        "the shared link may not be opened: let anyone with the link view and download, set no password, and use all of it",
    ),
    "unsupported_link_type": (port.NotAFolder, "Dropbox does not serve this kind of link: use the link of a shared folder"),
    "unsupported_parameter_field": (
        port.AccessDenied,
        "the shared link is private: share the folder with anyone who has the link",
    ),
    "shared_link_is_directory": (port.NotDownloadable, "the path leads to a folder now: import the folder again"),
    "missing_scope": (port.AccessDenied, "the token lacks the scope {scope}: enable it for the app, then sign in again"),
    "route_access_denied": (port.AccessDenied, "the app may not make this request: check its permissions in Dropbox"),
    "user_suspended": (port.CredentialRefused, "the Dropbox account is suspended: use another one"),
    "invalid_select_user": (port.CredentialRefused, "the user has left the Dropbox team: use another token"),
    "invalid_select_admin": (port.CredentialRefused, "the user is not an admin of the Dropbox team: use another token"),
    "invalid_account_type": (port.AccessDenied, "this kind of Dropbox account has no access: use another account"),
    "paper_access_denied": (port.AccessDenied, "the Dropbox account has no access to Paper: leave such files out"),
    "team_access_denied": (port.AccessDenied, "the Dropbox team has no access: ask its admin"),
    "no_permission": (port.AccessDenied, "the Dropbox account may not read this: have it shared with the account"),
    "expired_access_token": (Expired, "the access token of Dropbox has expired: sign in again"),
    "invalid_access_token": (Expired, _CREDENTIAL),
    "invalid_grant": (port.CredentialRefused, "the refresh token of Dropbox is revoked: sign in again"),
    "invalid_client": (port.CredentialRefused, "Dropbox does not accept the app key and secret: check them"),
    "unauthorized_client": (port.CredentialRefused, "the app may not refresh this token: use the app that it was issued to"),
}  # fmt: skip
"""What a tag means, whichever route answers it."""


def of_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    """The error for an answer that is not a success."""
    error = _error(body)
    if status == requests.codes.too_many_requests:
        wait = _wait(headers, error)
        delay = _DEFAULT_WAIT if wait is None else max(wait, _SHORTEST_WAIT)
        return port.QuotaExceeded("Dropbox limits the rate of requests", delay=delay)
    if not requests.codes.bad_request <= status < requests.codes.internal_server_error:
        return port.ProviderFailed(f"Dropbox answered with status {status}", delay=after_failure(_wait(headers, None)))
    tags = list(_tags(error))
    if known := _of_tags(tags, error):
        return known
    if status == requests.codes.bad_request:
        return _of_bad_request(body)
    if status == requests.codes.unauthorized and tags:
        return port.CredentialRefused(_CREDENTIAL)
    said = excerpt(", ".join(tags)) or "no reason that it documents"
    return Unexplained(f"Dropbox answered with status {status} ({said})")


def _of_tags(tags: Sequence[str], error: Any) -> Exception | None:
    if "reset" in tags:
        return port.CursorLost("Dropbox has forgotten the cursor of the folder")
    for tag in reversed(tags):
        if tag in _MEANINGS:
            kind, message = _MEANINGS[tag]
            return kind(message.format(scope=_scope(error)))
    return None


def translated(work: Callable[[], _Result]) -> _Result:
    """The result of ``work``, which uses the SDK; what fails about the connection or the answer is ``ProviderFailed``,
    and a credential that cannot be sent is refused."""
    try:
        return work()
    except (UnicodeEncodeError, requests.exceptions.InvalidHeader):  # the error has the secret in it
        raise port.CredentialRefused(_CREDENTIAL) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise port.ProviderFailed(f"Dropbox did not answer, or broke off ({type(error).__name__})") from error
    except _UNREADABLE as error:
        raise port.ProviderFailed(f"the answer is not one of the Dropbox API ({type(error).__name__})") from error


def _of_bad_request(body: bytes) -> Exception:
    """Where Dropbox answers 400, it answers in text."""
    text = body.decode(errors="replace")
    if scope := _SCOPE.search(text):
        return port.AccessDenied(
            f"the app lacks the scope {excerpt(scope[1])}: enable it for the app, then sign in again"
        )
    if "authorization" in text.lower() or "access token" in text.lower():
        return port.CredentialRefused(_CREDENTIAL)
    return port.SourceError("Dropbox does not accept the request: check that the link or path is that of a folder")


def _error(body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer.get("error") if isinstance(answer, dict) else None


def _tags(error: Any) -> Iterator[str]:
    """The tags of an error from the outside in: ``path``, ``not_found``. OAuth's are texts, with more after a colon."""
    for _ in range(8):
        if isinstance(error, str):
            yield error.partition(":")[0]
            return
        tag = error.get(".tag") if isinstance(error, dict) else None
        if not isinstance(tag, str):
            return
        yield tag
        error = error.get(tag)


def _scope(error: Any) -> str:
    scope = error.get("required_scope") if isinstance(error, dict) else None
    return excerpt(scope) if isinstance(scope, str) else "that it needs"


def _wait(headers: Mapping[str, str], error: Any) -> float | None:
    """Seconds to wait, by the header or the body, whichever is longer."""
    told = [headers.get("retry-after"), error.get("retry_after") if isinstance(error, dict) else None]
    seconds = [wait for each in told if (wait := _seconds(each)) is not None]
    return min(max(seconds), _LONGEST_WAIT) if seconds else None


def _seconds(told: Any) -> float | None:
    """Of a number, or of a date as HTTP has it."""
    try:
        seconds: float | None = float(told)
    except (TypeError, ValueError, OverflowError):
        seconds = seconds_until(told) if isinstance(told, str) else None
    return seconds if seconds is not None and math.isfinite(seconds) and seconds >= 0 else None
