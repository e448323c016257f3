"""The tag of the routes of older systems in the OpenAPI document."""

from __future__ import annotations

from heliograph_gateway.http.tags import Tag

COMPAT = Tag(
    "compat",
    "Routes of the systems that Heliograph replaces, in their request and response formats, for existing clients. "
    "Errors are "
    "problem details with an additional member `error`, which equals `detail`.",
)
