"""The problems that only sockets and streams answer with. Several share a released slug and differ in their remedy."""

from __future__ import annotations

from dataclasses import replace

from heliograph_common.http import problems
from heliograph_common.http.problems import Kind

CHALLENGE = "Bearer"
"""The ``WWW-Authenticate`` of a 401."""

BAD_REQUEST = replace(problems.BAD_REQUEST, remedy="Check the request against /asyncapi.json.")
ORIGIN_NOT_ALLOWED = Kind(
    "forbidden",
    403,
    "Origin not allowed",
    "Connect from a page on the same host, or ask an administrator to add the origin to `HELIOGRAPH_SOCKETS__ORIGINS`.",
)
ROUTE_NOT_FOUND = Kind("not-found", 404, "Route not found", "See /asyncapi.json for the available routes.")
NOT_ACCEPTABLE = Kind(
    "bad-request", 406, "Accept header not supported", "Open a WebSocket, or send `Accept: text/event-stream`."
)
UPGRADE_REQUIRED = Kind("bad-request", 426, "WebSocket handshake required", "Open this URL as a WebSocket.")
