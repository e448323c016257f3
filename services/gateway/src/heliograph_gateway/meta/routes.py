"""What needs no token: the front page, the pages that explain problems, and the probes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, Response

from heliograph_common.http.problems import Problem
from heliograph_gateway.http import problems
from heliograph_gateway.http.problems import INTERNAL, KINDS, NOT_FOUND
from heliograph_gateway.http.responses import open_problems
from heliograph_gateway.http.tags import Tag

ABOUT = Tag("about", "Front page, problem pages and health probes. None of them needs a token.")

router = APIRouter(tags=[ABOUT])

_LINKS = ("/openapi.json", "/problems", "/readyz", "/livez")


@router.get("/", summary="Get the front page", response_class=HTMLResponse, responses=open_problems(INTERNAL))
async def get_front_page(request: Request) -> Response:
    """Returns an HTML page with links to the API description, the problem pages and the probes."""
    links = "".join(f'<li><a href="{link}">{link}</a>' for link in _LINKS)
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Heliograph</title><h1>Heliograph</h1>"
        f"<p>{request.app.summary} API version {request.app.version}."
        f"<ul>{links}</ul></html>"
    )


@router.get("/problems", summary="List problem types", response_class=HTMLResponse, responses=open_problems(INTERNAL))
async def list_problems() -> Response:
    """Returns an HTML page that lists all problem types."""
    items = "".join(f'<li>{kind.status} <a href="{kind.type}">{kind.title}</a>' for kind in KINDS.values())
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Problems</title><ul>{items}</ul></html>"
    )


@router.get(
    "/problems/{slug}",
    summary="Get a problem type",
    response_class=HTMLResponse,
    responses=open_problems(NOT_FOUND, INTERNAL),
)
async def get_problem(
    slug: Annotated[str, Path(description="Last part of the `type` of a problem.", examples=["not-found"])],
) -> Response:
    """Returns the HTML page that the ``type`` of a problem refers to. It explains the problem and its remedy."""
    if slug not in KINDS:
        raise Problem(NOT_FOUND, "Unknown problem type. See /problems for the list.")
    return HTMLResponse(problems.page(KINDS[slug]))
