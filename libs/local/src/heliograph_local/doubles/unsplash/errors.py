"""Refusals as Unsplash gives them: errors in JSON, but for the rate limit, which it tells as text.

https://unsplash.com/documentation#error-messages
"""

from __future__ import annotations

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.unsplash import schema

_WRONG_KEY = "OAuth error: The access token is invalid"
_SPAM = "This query was flagged as spam"
_FAILED = "Something went wrong on our end"
_PAGE = "<!doctype html><title>Unsplash</title><h1>We will be right back</h1>"


class Refused(Exception):
    """A request is answered with an error."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def error(call: str, status: int, *messages: str) -> Response:
    """An error, checked by the type of it."""
    return Response(schema.error(call, messages), status, media_type="application/json")


def wrong_key(call: str) -> Response:
    """Without a key, or with one that Unsplash does not know."""
    return error(call, 401, _WRONG_KEY)


def no_photo(call: str) -> Response:
    """A photo that there is not, or not any more."""
    return error(call, 404, "Couldn't find Photo")


def over_limit(status: int = 403) -> Response:
    """The requests of the hour are used up."""
    return PlainTextResponse("Rate Limit Exceeded", status)


def of_fault(call: str, fault: Fault) -> Response:
    """The answer that ``fault`` asks for. The page of HTML comes with 200 unless another status than 500 is asked for."""
    match fault.kind, fault.status:
        case "rate_limited", _:
            response = over_limit(429)
        case "quota", _:
            response = over_limit()
        case "html", status:
            response = HTMLResponse(_PAGE, 200 if status == 500 else status)
        case "vanished", _:
            response = no_photo(call)
        case _, 401:
            response = wrong_key(call)
        case _, 410:
            response = error(call, 410, _SPAM)
        case _, status:
            response = error(call, status, _FAILED)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = f"{fault.retry_after:g}"
    return response
