"""JSON responses with strong ETags and conditions, page links, and the responses that the OpenAPI document names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import Request
from starlette.responses import Response

from heliograph_common.http.problems import MEDIA_TYPE, Kind, Problem
from heliograph_gateway.http.etags import etag, matches
from heliograph_gateway.http.problems import KINDS, PRECONDITION_FAILED
from heliograph_gateway.http.schemas import ProblemDocument


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``body`` as JSON."""
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")


def tagged(request: Request, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``body`` with its strong ETag; 304 where ``If-None-Match`` names it on a GET (RFC 9110, 13.1.2)."""
    encoded = msgspec.json.encode(body)
    tag = etag(encoded)
    all_headers = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    condition = request.headers.get("if-none-match")
    if request.method == "GET" and condition and matches(condition, tag, weak=True):
        return Response(None, 304, all_headers)
    return Response(encoded, status, all_headers, "application/json")


def check_match(request: Request, body: Any) -> None:
    """Honours ``If-Match`` against the present representation (RFC 9110, 13.1.1).

    Raises:
        Problem: it has changed.
    """
    condition = request.headers.get("if-match")
    tag = etag(msgspec.json.encode(body))
    if condition and not matches(condition, tag, weak=False):
        raise Problem(PRECONDITION_FAILED, "`If-Match` does not match the current ETag.", headers={"ETag": tag})


def next_link(request: Request, cursor: str | None) -> tuple[str | None, dict[str, str]]:
    """The address of the next page, relative to the server, and its ``Link`` header (RFC 8288)."""
    if cursor is None:
        return None, {}
    parameters = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    url = f"{request.url.path}?{urlencode([*parameters, ('cursor', cursor)])}"
    return url, {"Link": f'<{url}>; rel="next"'}


def trace_id_of(headers: Mapping[str, str]) -> str | None:
    """The trace that a message's ``traceparent`` header names."""
    parts = headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) == 4 else None


def problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route for the OpenAPI document: its own problems and those of every authenticated route."""
    everywhere = ("invalid-parameter", "unauthenticated", "forbidden", "internal-error", "database-unavailable")
    return open_problems(*(KINDS[slug] for slug in everywhere), *kinds)


def open_problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The same for a route that needs no token: only its own."""
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        add_problem(documented, kind.status, kind)
    return documented


def header(name: str) -> dict[str, Any]:
    """``headers`` of a response that has one of ``openapi.HEADERS`` which no rule there gives it."""
    return {name: {"$ref": f"#/components/headers/{name}"}}


def add_problem(responses: dict[Any, dict[str, Any]], status: int | str, kind: Kind) -> None:
    """Names ``kind`` among the ``responses`` of an operation, under ``status``; its example is a component."""
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    slot = responses.setdefault(
        status, {"description": "", "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}}
    )
    examples = slot["content"][MEDIA_TYPE]["examples"]
    if kind.slug not in examples:
        slot["description"] += f"{'; ' if slot['description'] else ''}[{kind.title}]({kind.type})"
        examples[kind.slug] = {"$ref": f"#/components/examples/{kind.slug}"}
