"""The shape of an upload of several files."""

from __future__ import annotations

from heliograph_gateway.http.schemas import Shape
from heliograph_gateway.uploads.schemas import FileOutcome


class UploadOutcomes(Shape):
    """One entry a file, in the order of the request."""

    images: list[FileOutcome]
