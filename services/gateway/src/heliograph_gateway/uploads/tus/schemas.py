"""The shape of a resumable upload."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from heliograph_gateway.http.schemas import Shape

UPLOAD_ID = "01a1f92c-3d55-7f02-93c1-0b7be2d41c6f"
"""An example."""


class TusUploadShape(Shape):
    """A resumable upload."""

    id: Annotated[UUID, Field(description="Id of the upload.", examples=[UPLOAD_ID])]
    state: Annotated[
        Literal["open", "complete"],
        Field(description="`open` while bytes are missing, `complete` once the upload is an image.", examples=["open"]),
    ]
    name: Annotated[str, Field(description="File name from `Upload-Metadata`.", examples=["beach.jpg"])]
    offset: Annotated[int, Field(description="Number of bytes stored.", examples=[1_048_576])]
    length: Annotated[
        int | None, Field(description="Size of the file in bytes. Null while it is deferred.", examples=[2_411_724])
    ]
    partial: Annotated[
        bool,
        Field(
            description="Whether this is a partial upload, to be concatenated. It never becomes an image by itself.",
            examples=[False],
        ),
    ]
    created_at: Annotated[datetime, Field(description="When the upload was created.")]
    expires_at: Annotated[datetime, Field(description="When the upload is deleted, unless further requests are made.")]
    links: Annotated[
        dict[str, str],
        Field(
            description="URL of the upload (`self`) and, once it is complete, of the image (`image`), relative to the "
            "server.",
            examples=[{"self": f"/v1/uploads/tus/{UPLOAD_ID}"}],
        ),
    ]
