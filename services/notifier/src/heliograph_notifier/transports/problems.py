"""The problems that only sockets and streams answer with. Several share a released slug and differ in their remedy."""

from __future__ import annotations

from dataclasses import replace

from heliograph_common.http import problems
from heliograph_common.http.problems import Kind

CHALLENGE = "Bearer"
"""The ``WWW-Authenticate`` of a 401."""

BAD_REQUEST = replace(problems.BAD_REQUEST, remedy="Compare it with /asyncapi.json.")
ORIGIN_NOT_ALLOWED = Kind(
    "forbidden",
    403,
    "Origin not allowed",
    "Connect from a page of the same host, or have the origin added to HELIOGRAPH_SOCKETS__ORIGINS.",
)
ROUTE_NOT_FOUND = Kind("not-found", 404, "Route not found", "See /asyncapi.json for the routes that exist.")
NOT_ACCEPTABLE = Kind(
    "bad-request", 406, "Accept header not supported", "Open a WebSocket, or send `Accept: text/event-stream`."
)
UPGRADE_REQUIRED = Kind("bad-request", 426, "WebSocket handshake required", "Open a WebSocket at this address.")
