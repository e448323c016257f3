"""What the gateway answers on its own port while it waits for files with secrets: that it is alive, and waits.

Nothing else can be answered yet. Whoever polls ``GET /health`` is told of the start, and does not restart it for that.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from heliograph_common.http.problems import Problem
from heliograph_common.runtime import management
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.settings import HttpSettings
from heliograph_gateway.compat import shapes
from heliograph_gateway.http.problems import UNAVAILABLE
from heliograph_gateway.http.responses import json_response

_COME_BACK = "5"
_PROBES = ("/livez", "/readyz")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def servers(http: HttpSettings, health: Health) -> Sequence[HttpServer]:
    """The server of the clients' port, as of ``lifecycle.run``."""
    return [HttpServer("api", app(health), host=http.host, port=http.port)]


def app(health: Health) -> Starlette:
    """The application."""

    async def health_old(_: Request) -> Response:
        body = shapes.health(await health.report(), shapes.SERVICE, configured=False, in_grace=health.in_grace)
        return json_response(body, 200 if body["status"] == "healthy" else 503)

    async def unavailable(_: Request) -> Response:
        problem = Problem(UNAVAILABLE, "The gateway is starting.", headers={"Retry-After": _COME_BACK})
        return problem.response()

    probes = [route for route in management.routes(health) if route.path in _PROBES]
    everything = Route("/{path:path}", unavailable, methods=_METHODS)
    return Starlette(routes=[*probes, Route("/health", health_old), everything])
