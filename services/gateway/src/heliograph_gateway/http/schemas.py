"""The shapes that every feature's are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """Nothing beside the fields that are declared."""

    model_config = ConfigDict(extra="forbid")


class ProblemDocument(BaseModel):
    """RFC 9457; ``type`` is the address of a page that explains it."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    trace_id: str | None
    errors: list[dict[str, str]] | None = None
