"""The shape of an upload of several files."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph_gateway.http.schemas import Shape
from heliograph_gateway.uploads.schemas import FileOutcome


class UploadOutcomes(Shape):
    """Results of an upload of several files."""

    images: Annotated[list[FileOutcome], Field(description="One entry per file, in the order of the request.")]
