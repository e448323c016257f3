"""Refusals in the shapes that Google gives them.

https://developers.google.com/workspace/drive/api/guides/handle-errors
"""

from __future__ import annotations

from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from heliograph_local.doubles.faults import Fault

_OF_STATUS = {
    400: ("global", "badRequest", "Bad Request"),
    401: ("global", "authError", "Invalid Credentials"),
    403: ("global", "insufficientFilePermissions", "The user does not have sufficient permissions for this file."),
    404: ("global", "notFound", "File not found."),
    429: ("usageLimits", "rateLimitExceeded", "Rate Limit Exceeded"),
    500: ("global", "internalError", "Internal Error"),
    503: ("global", "backendError", "Backend Error"),
}


class Refused(Exception):
    """A request is answered with an error."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def error(
    status: int,
    reason: str,
    message: str,
    *,
    domain: str = "global",
    location: str | None = None,
    at: str = "parameter",
) -> Response:
    """An error. ``location`` is the parameter, or with ``at="header"`` the header, that is at fault."""
    detail = {"message": message, "domain": domain, "reason": reason}
    if location is not None:
        detail |= {"location": location, "locationType": at}
    return JSONResponse({"error": {"code": status, "message": message, "errors": [detail]}}, status)


def api_key_invalid() -> Response:
    """What Google answers to a key that it does not know; newer errors have ``status`` and ``details`` as well."""
    message = "API key not valid. Please pass a valid API key."
    told: dict[str, Any] = {
        "code": 400,
        "message": message,
        "errors": [{"message": message, "domain": "global", "reason": "badRequest"}],
        "status": "INVALID_ARGUMENT",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "drive.googleapis.com"},
            }
        ],
    }
    return JSONResponse({"error": told}, 400)


def not_found(file_id: str) -> Response:
    """A file that does not exist, or that the caller may not see."""
    return error(404, "notFound", f"File not found: {file_id}.", location="fileId")


def invalid(parameter: str, message: str = "Invalid Value") -> Response:
    """A parameter whose value is of no use."""
    return error(400, "invalid", message, location=parameter)


def of_fault(fault: Fault) -> Response:
    """The answer that ``fault`` asks for."""
    match fault.kind:
        case "rate_limited":
            response = error(429, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")
        case "quota":
            response = error(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits")
        case "html":
            return HTMLResponse("<!DOCTYPE html><title>Sign in</title><h1>Sign in to the network</h1>")
        case _:
            domain, reason, message = _OF_STATUS.get(fault.status, _OF_STATUS[503 if fault.status > 500 else 400])
            response = error(fault.status, reason, message, domain=domain)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = f"{fault.retry_after:g}"
    return response
