"""The shape of a signed URL."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from heliograph_gateway.http.schemas import Shape


class SignedUrl(Shape):
    """A URL that gives access to the file without a token until it expires."""

    url: Annotated[
        str,
        Field(
            description="Signed URL of the file in the object store.",
            examples=["https://s3.pictures.example/heliograph/originals/9f86d081?X-Amz-Signature=1d5f"],
        ),
    ]
    expires_at: Annotated[datetime, Field(description="When the URL expires.")]
