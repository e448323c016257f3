"""Refusals that several features have in common."""

from __future__ import annotations

from uuid import UUID

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import NOT_FOUND


def no_such_image(image_id: UUID) -> Problem:
    """404; the same for images of others."""
    return Problem(NOT_FOUND, f"Image {image_id} does not exist.")
