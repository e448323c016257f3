"""What needs no token: the front page, the pages that explain problems, and the probes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from heliograph_common.http.problems import Problem
from heliograph_gateway.http import problems
from heliograph_gateway.http.problems import INTERNAL, KINDS, NOT_FOUND
from heliograph_gateway.http.responses import open_problems

router = APIRouter(tags=["about"])

_LINKS = ("/openapi.json", "/problems", "/readyz", "/livez")


@router.get("/", summary="What this is", response_class=HTMLResponse, responses=open_problems(INTERNAL))
async def get_front_page(request: Request) -> Response:
    """A page with links."""
    links = "".join(f'<li><a href="{link}">{link}</a>' for link in _LINKS)
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Heliograph</title><h1>Heliograph</h1>"
        f"<p>Takes pictures in, renders them and tells when they are ready. API version {request.app.version}."
        f"<ul>{links}</ul></html>"
    )


@router.get(
    "/problems", summary="All kinds of problems", response_class=HTMLResponse, responses=open_problems(INTERNAL)
)
async def list_problems() -> Response:
    """A page with a link to each."""
    items = "".join(f'<li>{kind.status} <a href="{kind.type}">{kind.title}</a>' for kind in KINDS.values())
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Problems</title><ul>{items}</ul></html>"
    )


@router.get(
    "/problems/{slug}",
    summary="What a problem means and what to do",
    response_class=HTMLResponse,
    responses=open_problems(NOT_FOUND, INTERNAL),
)
async def get_problem(slug: str) -> Response:
    """The page that a problem's ``type`` points to."""
    if slug not in KINDS:
        raise Problem(NOT_FOUND, "there is no such kind of problem; /problems lists them")
    return HTMLResponse(problems.page(KINDS[slug]))
