"""What goes into a render and what comes out; shared by parent and child, and light to import.

Plain data only: the two processes exchange these as MessagePack (msgspec), never as pickles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from heliograph_common.ingest.sniff import Limits
from heliograph_thumbnailer.imaging.sizes import THUMBNAILS, VARIANTS, Format, Kind, RenditionSpec

PIPELINE_VERSION = 1
"""Part of every rendition's object key.

Raise it by one whenever the same original and the same spec would give other bytes that people should get: another
resampler, encoder setting, colour conversion, crop or fix of orientation. A faster way to the same picture, a new
rendition name or another quality in the configuration's own name need none. Old keys stay until their rows move.
"""


@dataclass(frozen=True, slots=True)
class RenderJob:
    """What to make of one original, and the limits that it must keep."""

    thumbnails: tuple[RenditionSpec, ...] = THUMBNAILS
    variants: tuple[RenditionSpec, ...] = VARIANTS
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Rendition:
    """One encoded picture; ``limited`` where the original was too small for the wanted size."""

    name: str
    kind: Kind
    width: int
    height: int
    format: Format
    data: bytes
    limited: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One span of a render: ``start`` and ``seconds`` in seconds, the start counted from that of the job."""

    name: str
    start: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of the picture once it is decoded; ``width`` and ``height`` are upright pixels.

    ``thumbhash`` is base64 of the hash, ``dominant_color`` is ``#rrggbb``, ``phash`` 16 hexadecimal digits,
    ``pixel_hash`` a SHA-256 in hexadecimal, ``taken_at`` RFC 3339 (without a zone where the camera states none).
    ``gps`` is apart from ``exif`` so that it can be dropped.
    """

    mime_type: str
    width: int
    height: int
    thumbhash: str
    dominant_color: str
    phash: str
    pixel_hash: str
    exif: dict[str, Any]
    taken_at: str | None
    gps: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class ThumbnailsDone:
    """The thumbnails and the facts; always the first event."""

    renditions: list[Rendition]
    facts: ImageFacts
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class VariantsDone:
    """The display variants; always the second and last event."""

    renditions: list[Rendition]
    steps: list[Step]


RenderEvent = ThumbnailsDone | VariantsDone
