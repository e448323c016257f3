"""Which part of a picture a rendition shows and at what size. Pure.

Regions are in pixels of the picture as it lies in the file or upright, whichever the caller uses throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from heliograph_common.contracts.sizes import DEFAULT_SIZES

Kind = Literal["thumbnail", "variant"]
Fit = Literal["contain", "cover"]
Format = Literal["jpeg", "webp"]


@dataclass(frozen=True, slots=True)
class RenditionSpec:
    """A wanted rendition: ``width`` and ``height`` of its box in pixels, ``quality`` 1..100.

    ``contain`` shows all of the picture within the box; ``cover`` fills the box exactly and crops around the centre.
    Without ``upscale``, a picture smaller than the box keeps its own size.
    """

    name: str
    kind: Kind
    width: int
    height: int
    fit: Fit
    format: Format = "jpeg"
    quality: int = 82
    upscale: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 16_383 and 1 <= self.height <= 16_383):
            raise ValueError(f"rendition {self.name}: width and height must lie in 1..16383")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"rendition {self.name}: quality must lie in 1..100")

    def turned(self) -> RenditionSpec:
        """The same rendition of a picture that lies on its side."""
        return replace(self, width=self.height, height=self.width)


def thumbnail(side: int, *, format: Format = "jpeg", quality: int = 82) -> RenditionSpec:  # noqa: A002
    """A thumbnail within a square of ``side`` pixels, named after it."""
    return RenditionSpec(str(side), "thumbnail", side, side, "contain", format, quality)


def variant(width: int, height: int, *, format: Format = "jpeg", quality: int = 82) -> RenditionSpec:  # noqa: A002
    """A display variant of exactly ``width`` x ``height`` pixels, named after them."""
    return RenditionSpec(f"{width}x{height}", "variant", width, height, "cover", format, quality)


def _defaults(kind: Kind) -> tuple[RenditionSpec, ...]:
    return tuple(RenditionSpec(**vars(size)) for size in DEFAULT_SIZES if size.kind == kind)


THUMBNAILS = _defaults("thumbnail")
VARIANTS = _defaults("variant")
"""What an installation renders until its administrator changes it; services read the configured sizes instead."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the picture: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def contains(self, other: Region, slack: float = 1e-6) -> bool:
        """Whether ``other`` lies within, up to rounding."""
        return (
            self.left <= other.left + slack
            and self.top <= other.top + slack
            and self.right >= other.right - slack
            and self.bottom >= other.bottom - slack
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """What to cut (``region``) and its size as a rendition; ``limited`` where the picture was too small for the box."""

    region: Region
    width: int
    height: int
    limited: bool

    @property
    def scale(self) -> float:
        """Rendition pixels per picture pixel, along the axis that keeps more of them."""
        region = self.region
        return max(self.width / (region.right - region.left), self.height / (region.bottom - region.top))


def lay_out(width: int, height: int, spec: RenditionSpec) -> Layout:
    """How ``spec`` lies on a picture of ``width`` x ``height`` pixels."""
    return _contain(width, height, spec) if spec.fit == "contain" else _cover(width, height, spec)


def _contain(width: int, height: int, spec: RenditionSpec) -> Layout:
    scale = min(spec.width / width, spec.height / height)
    limited = scale > 1 and not spec.upscale
    if limited:
        scale = 1.0
    out_width = min(max(round(width * scale), 1), spec.width)
    out_height = min(max(round(height * scale), 1), spec.height)
    return Layout(Region(0, 0, width, height), out_width, out_height, limited)


def _cover(width: int, height: int, spec: RenditionSpec) -> Layout:
    scale = max(spec.width / width, spec.height / height)
    limited = scale > 1 and not spec.upscale
    cut_width = min(width, height * spec.width / spec.height)
    cut_height = min(height, width * spec.height / spec.width)
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    if not limited:
        return Layout(Region(left, top, left + cut_width, top + cut_height), spec.width, spec.height, limited=False)
    # The picture's own pixels, cut to the aspect on whole pixels: nothing is resampled.
    out_width, out_height = max(round(cut_width), 1), max(round(cut_height), 1)
    left, top = (width - out_width) // 2, (height - out_height) // 2
    return Layout(Region(left, top, left + out_width, top + out_height), out_width, out_height, limited=True)
