"""Photos as the API tells them. ``base`` is the address of the double; everything that a photo links to is there."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from heliograph_local.doubles.unsplash.photos import COLOURS, Photo

_IXLIB = "rb-4.1.0"
_BLUR_HASHES = ("LEHV6nWB2yk8pyo0adR*.7kCMdnj", "LGF5]+Yk^6#M@-5c,1J5@[or[Q6.", "L6PZfSi_.AyE_3t7t7R**0o#DgR4")
_WIDTHS = {"regular": 1080, "small": 400, "thumb": 200}


def basic(photo: Photo, base: str, query: str = "") -> dict[str, Any]:
    """A photo in a list, found by ``query``."""
    width, height = photo.size
    ixid = tracking(photo, query)
    return {
        "id": photo.id,
        "created_at": _time(photo.created),
        "updated_at": _time(photo.created),
        "promoted_at": _time(photo.created) if photo.serial % 2 else None,
        "width": width,
        "height": height,
        "color": "#{:02x}{:02x}{:02x}".format(*COLOURS[photo.colour]),
        "blur_hash": _BLUR_HASHES[photo.serial % len(_BLUR_HASHES)] if photo.serial % 7 else None,
        "description": photo.description,
        "urls": _urls(photo, base, ixid),
        "links": {
            "self": f"{base}/photos/{photo.id}",
            "html": f"{base}/pages/photos/{photo.subject.name}-{photo.id}",
            "download": f"{base}/files/{photo.file}?{urlencode({'ixid': ixid, 'dl': photo.file})}",
            "download_location": f"{base}/photos/{photo.id}/download?{urlencode({'ixid': ixid})}",
        },
        "current_user_collections": [],
        "user": _user(photo, base),
    }


def full(photo: Photo, base: str) -> dict[str, Any]:
    """A photo that was asked for by its id."""
    return {
        **basic(photo, base),
        "exif": dict.fromkeys(("name", "make", "model", "exposure_time", "aperture", "focal_length", "iso")),
        "location": {
            **dict.fromkeys(("city", "country", "name")),
            "position": {"latitude": None, "longitude": None},
        },
        "downloads": photo.serial % 10_000,
        "tags": [{"title": tag} for tag in photo.subject.tags],
        "public_domain": False,
    }


def unpublished(photo: Photo) -> dict[str, Any]:
    """What the service sends beyond its published types."""
    premium = "premium_photo" in photo.file
    return {
        "slug": f"{photo.subject.name}-{photo.id}",
        "alternative_slugs": {"en": f"{photo.subject.name}-{photo.id}"},
        "alt_description": photo.subject.seen,
        "asset_type": "photo",
        "breadcrumbs": [],
        "likes": photo.serial % 1000,
        "liked_by_user": False,
        "premium": premium,
        "plus": premium,
        "sponsorship": None,
        "tags": [{"type": "search", "title": tag} for tag in photo.subject.tags],
        "topic_submissions": {},
    }


def file_url(photo: Photo, base: str, **asked: str) -> str:
    """The address of its image file."""
    return f"{base}/files/{photo.file}?{urlencode({'ixlib': _IXLIB, **asked})}"


def tracking(photo: Photo, query: str = "") -> str:
    """The ``ixid``, by which Unsplash counts views and downloads: which photo, and how it was found."""
    return f"M3w{photo.id}" + urlsafe_b64encode(query[:40].encode()).decode().rstrip("=")


def _urls(photo: Photo, base: str, ixid: str) -> dict[str, str]:
    def url(**asked: str) -> str:
        return file_url(photo, base, ixid=ixid, **asked)

    sized = {
        name: url(crop="entropy", cs="tinysrgb", fit="max", fm="jpg", q="80", w=str(width))
        for name, width in _WIDTHS.items()
    }
    return {"raw": url(), "full": url(crop="entropy", cs="srgb", fm="jpg", q="85"), **sized}


def _user(photo: Photo, base: str) -> dict[str, Any]:
    first, _, last = photo.photographer.partition(" ")
    username = photo.photographer.lower().replace(" ", "_").replace("-", "")
    portraits = (("small", 32), ("medium", 64), ("large", 128))
    return {
        "id": urlsafe_b64encode(first.encode()).decode().rstrip("="),
        "updated_at": _time(photo.created),
        "username": username,
        "name": photo.photographer,
        "first_name": first,
        "last_name": last,
        "bio": None,
        "location": None,
        "total_collections": 0,
        "links": {
            "self": f"{base}/users/{username}",
            "html": f"{base}/pages/@{username}",
            "photos": f"{base}/users/{username}/photos",
        },
        "profile_image": {
            name: file_url(photo, base, fit="crop", w=str(side), h=str(side)) for name, side in portraits
        },
        "social": dict.fromkeys(("instagram_username", "portfolio_url", "twitter_username")),
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
