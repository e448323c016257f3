"""Refusals in the shape that OpenAI gives them.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.openai import schema

_SERVER = "The server had an error while processing your request. Sorry about that!"
_OVERLOADED = "That model is currently overloaded with other requests. You can retry your request."
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)


class Refused(Exception):
    """A request is answered with an error."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def error(
    status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> Response:
    """An error, checked by the SDK's type of it."""
    told: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    schema.answer("error", told)
    return Response(json.dumps({"error": told}), status, media_type="application/json")


def no_key() -> Response:
    """Without a credential."""
    return error(401, _NO_KEY)


def wrong_key(key: str) -> Response:
    """With a key that OpenAI does not know; it repeats no more than its ends."""
    shown = f"{key[:3]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return error(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")


def no_model(call: str, model: str) -> Response:
    """A model that there is not; the Responses API says so with 400."""
    if call == schema.RESPONSES:
        message = f"The requested model '{model}' does not exist."
        return error(400, message, param="model", code="model_not_found")
    return error(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")


def of_fault(fault: Fault) -> Response:
    """The answer that ``fault`` asks for."""
    match fault.kind, fault.status:
        case "rate_limited", _:
            message = "Rate limit reached for requests per minute. Please try again later."
            response = error(429, message, kind="requests", code="rate_limit_exceeded")
        case "quota", _:
            response = error(429, _QUOTA, kind="insufficient_quota", code="insufficient_quota")
        case "html", _:
            return Response("<!doctype html><title>502 Bad Gateway</title>", 502, media_type="text/html")
        case _, 401:
            response = error(401, "Incorrect API key provided: ********.", code="invalid_api_key")
        case _, 403:
            response = error(
                403, "Country, region, or territory not supported", code="unsupported_country_region_territory"
            )
        case _, 503:
            response = error(503, _OVERLOADED, kind="service_unavailable_error", code="server_is_overloaded")
        case _, status if status >= 500:
            response = error(status, _SERVER, kind="server_error")
        case _, status:
            response = error(status, "Invalid request.")
    if fault.retry_after is not None:
        response.headers["Retry-After"] = f"{fault.retry_after:g}"
    return response
