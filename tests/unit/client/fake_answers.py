"""What all answers of the fake server have in common."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

TIME = "2026-01-02T03:04:05Z"


def problem(status: int, slug: str, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> Response:
    """A problem document as the gateway writes it."""
    body = {
        "type": f"/problems/{slug}",
        "title": slug,
        "status": status,
        "detail": detail,
        "remedy": "Do it right.",
        "trace_id": None,
    }
    return JSONResponse({**body, **extra}, status, headers, media_type="application/problem+json")
