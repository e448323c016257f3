"""Signed URLs of renditions: who has one needs no token."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from heliograph_common.blobs.port import Blobs
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import ImageRow


@dataclass(frozen=True)
class File:
    """An object with the media type and the name under which clients get it."""

    key: str
    content_type: str
    filename: str

    async def sign(self, blobs: Blobs, seconds: int) -> str:
        """A URL that lives for so long.

        Raises:
            NotFound: there is no such object.
            BlobsUnavailable: nobody can tell.
        """
        return await blobs.presign_get(
            self.key, expires_in=seconds, content_type=self.content_type, filename=self.filename
        )


def rendition_file(image: ImageRow, rendition: Row[Any]) -> File:
    """The file of a rendition of ``image``."""
    content_type = f"image/{rendition.format}"
    suffix = mimetypes.guess_extension(content_type) or f".{rendition.format}"
    return File(rendition.key, content_type, f"{PurePath(image.name).stem}-{rendition.name}{suffix}")
