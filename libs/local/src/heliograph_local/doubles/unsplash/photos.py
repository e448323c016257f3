"""The photos of the double, each of which follows from its id, and the searches that find them.

An id is 11 characters, as Unsplash's are, and holds all that there is to know: a double that was started again knows the
photos that were found before. What is searched decides what is found:

- a query that names a subject (``subjects``) finds photos of that, any other query those of some subject, always the same;
- one that contains ``nothing`` finds none, ``rare`` a single one;
- one that contains ``portrait``, ``tiny``, ``premium`` or ``undescribed`` finds only such; others find some of each.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import cached_property
from typing import Any

from heliograph_local.doubles.unsplash.subjects import SUBJECTS, Subject

_ID_BYTES, _SERIAL = 8, slice(2, 6)
_FEWEST, _MORE = 24, 120
_SINCE = datetime(2020, 1, 1, tzinfo=UTC)


class Kind(IntEnum):
    """What is particular about a photo."""

    LANDSCAPE = 0
    PORTRAIT = 1
    SQUARISH = 2
    TINY = 3
    """Smaller than anything is shown."""
    PREMIUM = 4
    """Of the paid collection: its files are watermarked for everyone else."""
    UNDESCRIBED = 5
    """Its photographer says nothing about it."""
    SENSITIVE = 6
    """Found only by those who do not ask for ``content_filter=high``."""


_SIZES = {Kind.PORTRAIT: (1600, 2400), Kind.SQUARISH: (2000, 2000), Kind.TINY: (120, 80)}
_ORIENTATIONS = {Kind.PORTRAIT: "portrait", Kind.SQUARISH: "squarish"}
_MIXED = (0, 1, 0, 4, 2, 5, 0, 3, 6, 0, 1, 5)
"""The kinds of photos of one search, over and over, from a place that follows from the query."""
_ONLY = {kind.name.lower(): kind for kind in (Kind.PORTRAIT, Kind.TINY, Kind.PREMIUM, Kind.UNDESCRIBED)}
COLOURS = {
    "red": (204, 51, 51),
    "orange": (230, 140, 38),
    "yellow": (235, 214, 77),
    "green": (64, 140, 64),
    "teal": (38, 140, 140),
    "blue": (51, 102, 204),
    "purple": (115, 64, 166),
    "magenta": (204, 51, 153),
    "black": (26, 26, 26),
    "white": (240, 240, 240),
    "black_and_white": (128, 128, 128),
}
"""By the names that a search may ask for."""
_NAMES = ("Ada Made-Up", "Bo Example", "Cleo Nobody", "Dee Fictional")


@dataclass(frozen=True)
class Photo:
    """One photo. ``serial`` tells it from others of its subject and kind."""

    subject: Subject
    kind: Kind
    serial: int

    @cached_property
    def id(self) -> str:
        """As Unsplash's."""
        facts = bytes([SUBJECTS.index(self.subject), self.kind]) + self.serial.to_bytes(4, "big")
        return urlsafe_b64encode(facts + _check(facts)).decode().rstrip("=")

    @classmethod
    def of(cls, photo_id: str) -> Photo | None:
        """The photo of an id, if it is one."""
        try:
            whole = urlsafe_b64decode(photo_id + "=")
        except (Error, ValueError):
            return None
        facts = whole[: _SERIAL.stop]
        if len(whole) != _ID_BYTES or whole[_SERIAL.stop :] != _check(facts):
            return None
        photo = cls(SUBJECTS[facts[0]], Kind(facts[1]), int.from_bytes(facts[_SERIAL], "big"))
        return photo if photo.id == photo_id else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return _SIZES.get(self.kind, (2400, 1600))

    @property
    def orientation(self) -> str:
        """As a search may ask for it."""
        return _ORIENTATIONS.get(self.kind, "landscape")

    @property
    def colour(self) -> str:
        """The name of its colour."""
        return list(COLOURS)[self.serial % len(COLOURS)]

    @property
    def description(self) -> str | None:
        """What the photographer says."""
        return None if self.kind is Kind.UNDESCRIBED else f"{self.subject.description} (made up)"

    @property
    def created(self) -> datetime:
        """When it was published."""
        return _SINCE + timedelta(seconds=self.serial % 200_000_000)

    @property
    def photographer(self) -> str:
        """Whose it is."""
        return _NAMES[self.serial % len(_NAMES)]

    @property
    def file(self) -> str:
        """The name of its image file; those of premium photos can be told, as at Unsplash."""
        return f"premium_photo-{self.id}.jpg" if self.kind is Kind.PREMIUM else f"{self.id}.jpg"


def found(query: Mapping[str, Any]) -> list[Photo]:
    """Everything that a search finds, in its order, by its parameters."""
    photos = list(_matching(str(query["query"])))
    if "orientation" in query:
        photos = [photo for photo in photos if photo.orientation == query["orientation"]]
    if "color" in query:
        photos = [photo for photo in photos if photo.colour == query["color"]]
    if query.get("content_filter") == "high":
        photos = [photo for photo in photos if photo.kind is not Kind.SENSITIVE]
    if query.get("order_by") == "latest":
        photos.sort(key=lambda photo: photo.created, reverse=True)
    return photos


def _matching(query: str) -> Iterator[Photo]:
    words = query.casefold().split()
    text = " ".join(words)
    seed = hashlib.sha256(text.encode()).digest()
    number = int.from_bytes(seed[:4], "big")
    named = [subject for subject in SUBJECTS if subject.name in words]
    subject = named[0] if named else SUBJECTS[number % len(SUBJECTS)]
    only = next((kind for word, kind in _ONLY.items() if word in text), None)
    count = 0 if "nothing" in text else 1 if "rare" in text else _FEWEST + number % _MORE
    for place in range(count):
        kind = Kind(_MIXED[(number + place) % len(_MIXED)]) if only is None else only
        yield Photo(subject, kind, (number + place * 2_654_435_761) % 2**32)


def _check(facts: bytes) -> bytes:
    return hashlib.sha256(b"photo" + facts).digest()[: _ID_BYTES - _SERIAL.stop]
