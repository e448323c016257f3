"""Probes and metrics: ``/livez``, ``/readyz``, ``/metrics``. ``lifecycle.run`` serves them on the management port; the
gateway mounts the same routes on its own."""

from __future__ import annotations

from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from heliograph_common.runtime.health import Health
from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.settings import HttpSettings
from heliograph_common.telemetry import metrics


def routes(health: Health) -> list[Route]:
    """The three routes over ``health``."""

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        report = await health.report()
        body = {"status": report.status, "checks": {name: asdict(result) for name, result in report.checks.items()}}
        return JSONResponse(body, 200 if report.ready else 503)

    async def show_metrics(request: Request) -> Response:
        body, content_type = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", show_metrics)]


def management_server(settings: HttpSettings, health: Health) -> HttpServer:
    """The server of the management port; started first and stopped last."""
    app = Starlette(routes=routes(health))
    return HttpServer("management", app, host=settings.host, port=settings.management_port)
