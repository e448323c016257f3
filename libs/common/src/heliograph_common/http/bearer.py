"""The bearer token in a request's headers (RFC 6750). Leaves out whether the token is good: ``auth`` says that."""

from __future__ import annotations

from starlette.datastructures import Headers

from heliograph_common.http.problems import UNAUTHENTICATED, Problem


def bearer_token(headers: Headers, *, challenge: str) -> str | None:
    """The token; ``None`` without an ``Authorization`` header. ``challenge`` is the ``WWW-Authenticate`` of a refusal.

    Raises:
        Problem: the header is there more than once, or has another form.
    """
    given = headers.getlist("authorization")
    if not given:
        return None
    if len(given) > 1:  # a proxy may have looked at another one than we would
        raise unauthenticated("The request has more than one `Authorization` header.", challenge=challenge)
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated("The `Authorization` header must have the form `Bearer <token>`.", challenge=challenge)
    return token.strip()


def unauthenticated(detail: str, *, challenge: str) -> Problem:
    """A 401, which must come with a challenge (RFC 9110, 15.5.2)."""
    return Problem(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
