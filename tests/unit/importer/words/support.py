"""Photos for tests of words."""

from __future__ import annotations

from typing import Any

from heliograph_common.contracts.word_messages import Photo


def photo(photo_id: str = "p1", **changed: Any) -> Photo:
    """A photo that may be taken."""
    url = f"https://images.unsplash.com/{photo_id}"
    facts: dict[str, Any] = {
        "provider": "unsplash",
        "id": photo_id,
        "page_url": url,
        "image_url": url,
        "thumb_url": url,
        "full_url": url,
        "width": 3000,
        "height": 2000,
        "photographer": "A. Person",
        "photographer_url": url,
    }
    return Photo(**facts | changed)
