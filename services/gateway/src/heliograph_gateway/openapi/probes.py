"""The probes in the OpenAPI document: routes of ``runtime.management``, which every service has and FastAPI cannot read."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from heliograph_common.runtime.health import Report

Object = dict[str, Any]

_ABOUT = "about"
_PROBES = {
    "/livez": ("getLiveness", "Check liveness", "Reports whether the process is running.", {"200": "text/plain"}),
    "/readyz": (
        "getReadiness",
        "Check readiness",
        "Reports whether the process accepts requests, and the state of each server that it depends on.",
        {"200": "application/json", "503": "application/json"},
    ),
}
_PROBE_ANSWERS: dict[str, Object] = {
    "text/plain": {"schema": {"type": "string"}, "example": "ok"},
    "application/json": {
        "schema": {"$ref": "#/components/schemas/Report"},
        "example": {"status": "degraded", "checks": {"nats": {"status": "failed", "detail": "NATS is not connected"}}},
    },
}


def add(made: Object) -> None:
    """Adds them to the document ``made``."""
    report = TypeAdapter(Report).json_schema(ref_template="#/components/schemas/{model}")
    made["components"]["schemas"] |= {**report.pop("$defs"), "Report": report}
    for path, (identifier, summary, description, answers) in _PROBES.items():
        responses = {
            status: {
                "description": "The check passed." if status == "200" else "The check failed.",
                "content": {kind: dict(_PROBE_ANSWERS[kind])},
            }
            for status, kind in answers.items()
        }
        made["paths"][path] = {
            "get": {
                "tags": [_ABOUT],
                "summary": summary,
                "description": description,
                "operationId": identifier,
                "responses": responses,
            }
        }
