"""Heliograph's render, in-process: everything that a render child does with a picture. Loaded by ``worker``.

Beside the renditions this finds thumbhash, colour, perceptual hash, pixel hash and Exif, which no peer does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyvips

from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob
from heliograph_thumbnailer.imaging.render import render
from heliograph_thumbnailer.imaging.sizes import THUMBNAILS, VARIANTS

pyvips.cache_set_max(0)  # as in the render child; a cache would answer the second round


def ours(data: bytes, wanted: list[dict[str, Any]]) -> list[bytes]:
    """The files of ``wanted``, in that order, largest first or not."""
    quality = {one["name"]: one["quality"] for one in wanted}
    thumbnails, variants = (
        tuple(replace(spec, quality=quality[spec.name]) for spec in specs if spec.name in quality)
        for specs in (THUMBNAILS, VARIANTS)
    )
    found: dict[str, bytes] = {}

    def emit(event: RenderEvent) -> None:
        found.update((one.name, one.data) for one in event.renditions)

    render(data, RenderJob(thumbnails, variants), emit)
    return [found[one["name"]] for one in wanted]
