"""What Unsplash says about a photo, and what of that can be taken. Pure.

https://unsplash.com/documentation; the guidelines ask to link to photographer and photo with ``utm_source`` and
``utm_medium``, to show photos from their own URLs (hotlinking), and to call ``download_location`` for those that are used.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from heliograph_common.contracts.word_messages import Photo
from heliograph_importer.cleaning import clean

NAME = "unsplash"
PHOTO_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_TEXT, _LONGEST_NAME, _LONGEST_URL = 1_000, 200, 4_000
_MOST_TAGS = 20
_LARGEST_SIDE = 1_000_000
_WIDEST_COPY = 3_840
"""Pixels of the longer side of a copy: as wide as the largest display size that there is by default."""


class Urls(msgspec.Struct):
    """``Asset.Urls``."""

    full: str
    regular: str
    thumb: str


class PhotoLinks(msgspec.Struct):
    """The links of ``Asset.Basic``."""

    html: str
    download_location: str


class UserLinks(msgspec.Struct):
    """The links of ``User.Basic``."""

    html: str


class User(msgspec.Struct):
    """``User.Basic``."""

    name: str
    links: UserLinks


class Tag(msgspec.Struct):
    """``SmartTag``; some have no title."""

    title: str | None = None


class Asset(msgspec.Struct):
    """``Asset.Basic``, and what live answers have beside it. ``premium`` and ``plus`` photos are sold by subscription: the
    files that the API gives have a watermark."""

    id: str
    width: int
    height: int
    urls: Urls
    links: PhotoLinks
    user: User
    color: str | None = None
    blur_hash: str | None = None
    description: str | None = None
    alt_description: str | None = None
    tags: list[Tag] | None = None
    premium: bool = False
    plus: bool = False


class Page(msgspec.Struct):
    """``SearchAssetFeed``, each photo still to be read: one that cannot be read is no reason to discard the others."""

    results: list[msgspec.Raw]


def photo_of(asset: Asset, *, app: str) -> Photo | None:
    """The photo; ``None``: it is sold only, or what is said about it cannot be used. ``app`` is what links name as their
    source."""
    urls = (asset.urls.regular, asset.urls.thumb, asset.urls.full, asset.links.html, asset.user.links.html)
    location = asset.links.download_location
    sides_fit = 0 < asset.width <= _LARGEST_SIDE and 0 < asset.height <= _LARGEST_SIDE
    if not sides_fit or not all(map(is_web, (*urls, location))) or is_sold(asset):
        return None
    if not PHOTO_ID.fullmatch(asset.id):
        return None
    described = "; ".join(filter(None, (_text(asset.alt_description), _text(asset.description))))
    return Photo(
        provider=NAME,
        id=asset.id,
        page_url=credited(asset.links.html, app),
        image_url=asset.urls.regular,
        thumb_url=asset.urls.thumb,
        full_url=asset.urls.full,
        width=asset.width,
        height=asset.height,
        color=clean(asset.color, 20) if asset.color else None,
        blur_hash=clean(asset.blur_hash, 200) if asset.blur_hash else None,
        description=described[:_LONGEST_TEXT] or None,
        photographer=clean(asset.user.name, _LONGEST_NAME),
        photographer_url=credited(asset.user.links.html, app),
        download_location=location,
        tags=tuple(clean(tag.title, _LONGEST_NAME) for tag in (asset.tags or [])[:_MOST_TAGS] if tag.title),
    )


def is_sold(asset: Asset) -> bool:
    """Whether a photo is of the paid collection. Its files tell, too: the published types have no other sign of it."""
    file = urlsplit(asset.urls.full)
    return asset.premium or asset.plus or "/premium_photo-" in file.path or (file.hostname or "").startswith("plus.")


def credited(url: str, app: str) -> str:
    """A link with the parameters that the guidelines ask for."""
    parts = urlsplit(url)
    given = urlencode({"utm_source": app, "utm_medium": "referral"})
    return urlunsplit(parts._replace(query=f"{parts.query}&{given}" if parts.query else given))


def sized(url: str) -> str:
    """The URL of a file that is as large as any display, in place of the original, which may be too large to be rendered.
    Unsplash's files are resized by their URL (``Asset.ImgixUrl``); what it has already, such as ``ixid``, stays."""
    parts = urlsplit(url)
    asked = urlencode({"w": _WIDEST_COPY, "h": _WIDEST_COPY, "fit": "max", "fm": "jpg", "q": "85"})
    names = {pair.partition("=")[0] for pair in asked.split("&")}
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in names]
    return urlunsplit(parts._replace(query="&".join([*kept, asked])))


def is_web(url: str) -> bool:
    """Whether clients can be given a URL to show or to link to: a scheme such as ``javascript`` would run."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"https", "http"}
            and bool(parts.hostname)
            and len(url) <= _LONGEST_URL
            and url.isascii()
            and url.isprintable()
            and not set(url) & set(" \"'<>\\^`{|}")
        )
    except ValueError:
        return False


def _text(text: str | None) -> str:
    return clean(text or "", _LONGEST_TEXT).strip()
