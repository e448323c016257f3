"""Pictures of words as the JSON that clients see. Pure; the shapes are those of ``schemas``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from heliograph_common.clock import rfc3339
from heliograph_common.contracts.word_messages import Photo
from heliograph_common.db.rows import Row
from heliograph_gateway.words.pictures.service import Picture
from heliograph_gateway.words.representation import path_of

_STATES = {"no": "none", "pending": "pending", "done": "stored", "failed": "failed"}


@dataclass(frozen=True)
class Signed:
    """Renditions of the stored copy with their URLs, and until when those are valid."""

    renditions: Sequence[tuple[Row[Any], str]] = field(default_factory=tuple)
    expires_at: datetime | None = None


def picture(found: Picture, signed: Signed) -> dict[str, Any]:
    """The picture of a word."""
    word, row = found.word, found.row
    path = path_of(word.id)
    return {
        "word_id": word.id,
        "revision": word.revision,
        "status": "found",
        "text": word.text,
        "language": word.language,
        "photo": photo(found.photo),
        "stored": {
            "state": "none" if row.storing == "done" and row.image_id is None else _STATES[row.storing],
            "image_id": None if row.image_id is None else str(row.image_id),
            "renditions": [_rendition(each, url) for each, url in signed.renditions],
            "expires_at": None if signed.expires_at is None else rfc3339(signed.expires_at),
            "error": row.error,
        },
        "query": row.query,
        "named": row.named,
        "found_at": rfc3339(row.found_at),
        "alternatives": [photo(each) for each in found.candidates],
        "links": {"self": f"{path}/image", "word": path},
    }


def photo(found: Photo) -> dict[str, Any]:
    """A photo with what is to be shown with it."""
    return {
        "photo_id": found.id,
        "url": found.image_url,
        "thumb_url": found.thumb_url,
        "full_url": found.full_url,
        "width": found.width,
        "height": found.height,
        "color": found.color,
        "blur_hash": found.blur_hash,
        "description": found.description,
        "attribution": {
            "text": credit(found),
            "html": _credit_html(found),
            "photographer": found.photographer,
            "photographer_url": found.photographer_url,
            "provider": found.provider,
            "provider_url": found.page_url,
        },
    }


def credit(found: Photo) -> str:
    """Who is to be named with a photo. Nobody took a generated one."""
    if not found.photographer:
        return found.provider.title()
    return f"Photo by {found.photographer} on {found.provider.title()}"


def _credit_html(found: Photo) -> str:
    if not found.photographer:
        return escape(found.provider.title())
    photographer = _link(found.photographer_url, found.photographer)
    return f"Photo by {photographer} on {_link(found.page_url, found.provider.title())}"


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}">{escape(text)}</a>'


def _rendition(row: Row[Any], url: str) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "width": row.width,
        "height": row.height,
        "format": row.format,
        "url": url,
    }
