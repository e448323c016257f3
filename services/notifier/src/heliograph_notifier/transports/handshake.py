"""What is the same for all transports before an event flows: query, origin, token."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection

from heliograph_common.auth.principal import Principal
from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.errors import Forbidden, Unauthenticated
from heliograph_common.http.bearer import bearer_token, unauthenticated
from heliograph_common.http.problems import FORBIDDEN, Problem, sentence
from heliograph_notifier.fanout.filters import Filter
from heliograph_notifier.protocol.vocabulary import FilterRequest
from heliograph_notifier.transports.problems import BAD_REQUEST, CHALLENGE, ORIGIN_NOT_ALLOWED

_TOKEN_PARAMETERS = frozenset({"token", "access_token", "authorization", "jwt", "bearer"})


def last_header(headers: Headers, name: str) -> str | None:
    """A header's value; the last where it is repeated, as ``QueryParams`` has it of parameters."""
    values = headers.getlist(name)
    return values[-1] if values else None


def cursor_of(request: HTTPConnection) -> str | None:
    """The query's cursor, else ``Last-Event-ID``."""
    return request.query_params.get("cursor") or last_header(request.headers, "last-event-id") or None


def filter_of(query: QueryParams) -> Filter:
    """The filter in a query: ``types``, ``image_ids``, ``import_ids`` and ``word_ids`` repeated or separated by
    commas, and ``all_owners=true``.

    Raises:
        Problem: it is malformed.
    """
    fields = {
        name: [word for value in query.getlist(name) for word in value.split(",") if word]
        for name in ("types", "image_ids", "import_ids", "word_ids")
    }
    everyone = query.get("all_owners", "false")
    if everyone not in {"true", "false"}:
        raise Problem(BAD_REQUEST, "Invalid filter in the query: `all_owners` must be `true` or `false`.")
    try:
        return Filter(msgspec.convert({**fields, "all_owners": everyone == "true"}, FilterRequest))
    except msgspec.ValidationError as error:
        raise Problem(BAD_REQUEST, sentence(f"invalid filter in the query: {error}")) from error


def check_url(query: QueryParams) -> None:
    """Raises:
    Problem: the URL carries a token; URLs end up in logs and histories.
    """
    if _TOKEN_PARAMETERS & {name.lower() for name in query}:
        raise Problem(
            BAD_REQUEST,
            "The URL contains a token. URLs are written to logs, so treat this token as leaked and get a new one. Send "
            "tokens in the `Authorization` header, or in the first frame with the subprotocol `heliograph.v1`.",
        )


def check_origin(headers: Headers, allowed: Sequence[str]) -> None:
    """Only browsers send ``Origin``; theirs must be this host or one of ``allowed``.

    Raises:
        Problem: it is not.
    """
    origin = last_header(headers, "origin")
    if origin is None or origin in allowed or "*" in allowed:
        return
    if _host(origin) != (last_header(headers, "host") or "").lower():
        raise Problem(ORIGIN_NOT_ALLOWED, f"Pages from {origin[:200]} may not connect to this server.")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # such as a bracket that nothing closes
        return None


async def principal_of(headers: Headers, verifier: TokenVerifier, *, scope: str) -> Principal | None:
    """Whom the ``Authorization`` header's token speaks for; ``None`` without the header.

    Raises:
        Problem: the token is not acceptable or lacks ``scope``.
    """
    token = bearer_token(headers, challenge=CHALLENGE)
    if token is None:
        return None
    try:
        principal = await verifier.verify(token)
        principal.require(scope)
    except Unauthenticated as error:
        raise unauthenticated(sentence(str(error)), challenge=CHALLENGE) from error
    except Forbidden as error:
        raise Problem(FORBIDDEN, sentence(str(error))) from error
    return principal
