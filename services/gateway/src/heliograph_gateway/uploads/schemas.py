"""The shape of what became of one file of several."""

from __future__ import annotations

from heliograph_gateway.catalog.schemas import ImageShape
from heliograph_gateway.http.schemas import ProblemDocument, Shape


class FileOutcome(Shape):
    """What became of one file of several."""

    name: str
    status: int
    image: ImageShape | None = None
    problem: ProblemDocument | None = None
