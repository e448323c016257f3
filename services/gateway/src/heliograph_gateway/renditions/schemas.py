"""The shape of a signed URL."""

from __future__ import annotations

from datetime import datetime

from heliograph_gateway.http.schemas import Shape


class SignedUrl(Shape):
    """An address under which anyone may read the file until it expires."""

    url: str
    expires_at: datetime
