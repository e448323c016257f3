"""LANCZOS from large to small: each rendition is cut from the smallest picture at hand that is large enough.

Runs in the render child. Regions and sizes are those of the file as it lies, before its orientation is applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heliograph_thumbnailer.imaging import simd
from heliograph_thumbnailer.imaging.decode import Decoded
from heliograph_thumbnailer.imaging.sizes import Layout, Region

_HEADROOM = 1.9  # a source must be this much larger than what is cut from it, else the second LANCZOS shows
_GAP = 3.0  # Pillow's reducing_gap: a box filter takes off what exceeds this, unseen below LANCZOS


@dataclass(frozen=True, slots=True)
class _Surface:
    """A picture of ``region`` at ``scale`` (its pixels per pixel of the file)."""

    image: Any
    region: Region
    scale: float


class Resampler:
    """Cuts layouts out of one decoded picture and keeps each result as a source for the smaller ones."""

    def __init__(self, decoded: Decoded, width: int, height: int) -> None:
        """``width`` and ``height``: of the file, in pixels; ``decoded`` may be scaled down."""
        self._pil = simd.load()
        image = self._pil.frombuffer(
            decoded.mode, (decoded.width, decoded.height), decoded.pixels, "raw", decoded.mode, 0, 1
        )
        self._base = _Surface(image, Region(0, 0, width, height), decoded.width / width)
        self._size = (width, height)
        self._cuts: list[_Surface] = []

    def cut(self, layout: Layout) -> Any:
        """The PIL image of ``layout``; ask for large ones first."""
        source = min(
            (cut for cut in self._cuts if cut.region.contains(layout.region) and cut.scale >= _HEADROOM * layout.scale),
            key=lambda cut: cut.scale,
            default=self._base,
        )
        image = self._resize(source, layout)
        self._cuts.append(_Surface(image, layout.region, layout.scale))
        return image

    def _resize(self, source: _Surface, layout: Layout) -> Any:
        region, size = layout.region, (layout.width, layout.height)
        across = source.image.width / (source.region.right - source.region.left)
        down = source.image.height / (source.region.bottom - source.region.top)
        box = (
            max((region.left - source.region.left) * across, 0.0),
            max((region.top - source.region.top) * down, 0.0),
            min((region.right - source.region.left) * across, source.image.width),
            min((region.bottom - source.region.top) * down, source.image.height),
        )
        if (box[2] - box[0], box[3] - box[1]) == size and all(edge == int(edge) for edge in box):
            return source.image.crop(tuple(int(edge) for edge in box))
        return source.image.resize(size, self._pil.Resampling.LANCZOS, box, _GAP)
