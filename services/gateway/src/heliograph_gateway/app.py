"""The ASGI application: routes, and everything that goes wrong as RFC 9457 problems. ``bootstrap`` gives it its
dependencies; tests give it fakes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp

from heliograph_common.errors import HeliographError, Unavailable
from heliograph_common.http.problems import BAD_REQUEST, METHOD_NOT_ALLOWED, Problem
from heliograph_common.ratelimit.port import RateLimits
from heliograph_common.runtime import management
from heliograph_common.runtime.health import Health
from heliograph_common.telemetry.asgi import CLIENT_GONE, TelemetryMiddleware
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.analyses import routes as analyses
from heliograph_gateway.checks import routes as checks
from heliograph_gateway.compat import routes as compat
from heliograph_gateway.dead_letters import routes as dead_letters
from heliograph_gateway.display_sizes import routes as display_sizes
from heliograph_gateway.http import prefer
from heliograph_gateway.http.guard import Guard
from heliograph_gateway.http.problems import (
    INTERNAL,
    INTERNAL_DETAIL,
    INVALID_PARAMETER,
    NOT_FOUND,
    UNKNOWN_ROUTE,
    problem_of,
)
from heliograph_gateway.http.services import Services
from heliograph_gateway.idempotency.middleware import HEADER, REPLAYED, Idempotency
from heliograph_gateway.idempotency.queries import IdempotencyKeys
from heliograph_gateway.images import routes as images
from heliograph_gateway.imports import routes as imports
from heliograph_gateway.meta import routes as meta
from heliograph_gateway.openapi import document as openapi
from heliograph_gateway.quarantine import routes as quarantine
from heliograph_gateway.queue import routes as queue
from heliograph_gateway.rate_limits import middleware as rate_limits
from heliograph_gateway.rate_limits.middleware import Throttle
from heliograph_gateway.renditions import routes as renditions
from heliograph_gateway.settings import GatewaySettings
from heliograph_gateway.uploads.direct import routes as direct_uploads
from heliograph_gateway.uploads.form import routes as uploads
from heliograph_gateway.uploads.tus import document as tus_headers
from heliograph_gateway.uploads.tus import routes as tus
from heliograph_gateway.uploads.tus.headers import REQUEST_HEADERS, RESPONSE_HEADERS
from heliograph_gateway.uploads.tus.protocol import TusProtocol
from heliograph_gateway.words import routes as words
from heliograph_gateway.words.pictures import routes as word_pictures
from heliograph_gateway.words.queue import routes as word_queue
from heliograph_gateway.words.vocabulary import routes as vocabulary

log = structlog.get_logger(__name__)

ROUTERS = (
    uploads.router,
    tus.router,
    direct_uploads.router,
    images.router,
    renditions.router,
    analyses.router,
    imports.router,
    word_queue.router,  # before words: their ids are in its place
    words.router,
    word_pictures.router,
    vocabulary.router,
    queue.router,
    dead_letters.router,
    quarantine.router,
    display_sizes.router,
    checks.router,
    *compat.ROUTERS,
    meta.router,
)
API_ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
_PROBES = ("/livez", "/readyz")
_ALLOWED = ["Authorization", "Content-Type", HEADER, "If-Match", "If-None-Match", "Prefer", "traceparent"]
_EXPOSED = [
    *("ETag", REPLAYED, "Link", "Location", prefer.APPLIED, "Retry-After", "Trace-Id"),
    *(*RESPONSE_HEADERS, *rate_limits.HEADERS),
]


def build_app(services: Services, health: Health, settings: GatewaySettings) -> ASGIApp:
    """The whole application, middleware included."""
    return TelemetryMiddleware(Guard(api(services, health, settings), settings.gateway.body_timeout_seconds))


def api(services: Services, health: Health, settings: GatewaySettings) -> FastAPI:
    """The routes and their problems, without the middleware that bodies and telemetry need."""
    app = FastAPI(
        title="Heliograph",
        version=version("heliograph-gateway"),
        summary="Upload images, have them rendered in every display size, and follow their progress.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # TelemetryMiddleware does it, for all services
    )
    app.state.services = services
    app.state.health = health
    for router in ROUTERS:
        if router not in compat.ROUTERS or settings.compat.enabled:
            app.include_router(router)
    metrics = settings.compat.enabled and settings.compat.metrics
    managed = {*_PROBES, *(["/metrics"] if metrics else [])}
    app.router.routes += [route for route in management.routes(health) if route.path in managed]
    _handle_errors(app)
    _document(app)
    app.add_middleware(Idempotency, keys=services.get(IdempotencyKeys), callers=services.get(Callers))
    if settings.rate_limits.enabled:
        app.add_middleware(
            Throttle,
            routes=API_ROUTES,
            settings=settings.rate_limits,
            limits=services.get(RateLimits),
            callers=services.get(Callers),
        )
    app.add_middleware(TusProtocol)
    if settings.gateway.cors_origins:  # around all others, so that browsers may read their refusals too
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.gateway.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[*_ALLOWED, *REQUEST_HEADERS],
            expose_headers=_EXPOSED,
        )
    return app


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return _refusal(request, error)

    @app.exception_handler(HeliographError)
    async def _ours(request: Request, error: HeliographError) -> Response:
        problem = problem_of(error)
        if isinstance(error, Unavailable) or problem.kind is INTERNAL:
            log.warning("request refused", path=request.url.path, error=str(error), type=problem.kind.slug)
        return _refusal(request, problem)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        return _refusal(request, _validation_problem(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return _refusal(request, _http_problem(request, error))

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, __: Exception) -> Response:
        # Starlette raises it on, and Guard logs it.
        return _refusal(request, Problem(INTERNAL, INTERNAL_DETAIL))

    @app.exception_handler(ClientDisconnect)
    async def _gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)  # for the log and the metrics; nobody reads it


def _refusal(request: Request, problem: Problem) -> Response:
    """The problem; to older clients with what their systems said."""
    compat.older(request.scope.get("route"), problem, request.headers)
    return problem.response()


def _validation_problem(found: Sequence[Any]) -> Problem:
    if any(error["loc"][0] == "path" for error in found):
        return Problem(NOT_FOUND, "; ".join(f"`{error['loc'][-1]}`: {error['msg']}" for error in found))
    errors = [{"parameter": str(error["loc"][-1]), "detail": error["msg"]} for error in found]
    detail = "; ".join(f"`{error['parameter']}`: {error['detail']}" for error in errors)
    return Problem(INVALID_PARAMETER, detail, extra={"errors": errors})


def _http_problem(request: Request, error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem(UNKNOWN_ROUTE, f"No route matches {request.url.path[:200]}.")
    if error.status_code == 405:
        allowed = ", ".join(allowed_methods(request))
        return Problem(METHOD_NOT_ALLOWED, f"This route supports {allowed}.", headers={"Allow": allowed})
    return Problem(BAD_REQUEST, str(error.detail), status=error.status_code, headers=error.headers)


def allowed_methods(request: Request) -> list[str]:
    """The methods of all routes at the request's path; Starlette itself names only the first route's. A path of its own,
    such as ``/v1/words/stats``, is not that of a resource with an id."""
    every = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    there = [route for route in every if route.matches(request.scope)[0] != Match.NONE]
    own = [route for route in there if route.path == request.url.path]
    methods = {"GET"} if request.url.path in _PROBES else set()
    for route in own or there:
        methods |= route.methods or set()
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _document(app: FastAPI) -> None:
    def openapi_document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.document(app, API_ROUTES, tus_headers.HEADERS)
        return app.openapi_schema

    app.openapi = openapi_document  # type: ignore[method-assign]
