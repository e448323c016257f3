"""The image files of photos: real JPEGs of any width, each unlike all others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import simplejpeg

from heliograph_local.doubles.unsplash.photos import COLOURS, Photo
from heliograph_local.doubles.unsplash.schema import InvalidRequest

_TILES = 6
_FITS = {"max", "clip", "crop", "min", "fill", "scale"}
_LARGEST = 8000


def size(photo: Photo, asked: Mapping[str, str]) -> tuple[int, int, int]:
    """Width, height and quality of the file that these parameters ask for; as at Imgix, which serves Unsplash's, unknown
    ones change nothing. Files are never larger than the photo.

    Raises:
        InvalidRequest: one has no sense.
    """
    width, height = photo.size
    wanted = {name: _number(name, asked[name], most) for name, most in _MOST.items() if name in asked}
    fit = asked.get("fit", "clip")
    if fit not in _FITS:
        raise InvalidRequest(f"fit is {fit!r}")
    if fit == "crop" and wanted.keys() >= {"w", "h"}:
        return min(wanted["w"], width), min(wanted["h"], height), wanted.get("q", 75)
    scale = min(1.0, wanted.get("w", width) / width, wanted.get("h", height) / height)
    return max(round(width * scale), 1), max(round(height * scale), 1), wanted.get("q", 75)


@lru_cache(maxsize=64)
def jpeg(photo: Photo, width: int, height: int, quality: int) -> bytes:
    """The file: tiles around the colour of the photo, by its number."""
    rng = np.random.default_rng([photo.serial, photo.kind, len(photo.subject.name)])
    tiles = np.array(COLOURS[photo.colour]) + rng.integers(-40, 40, (_TILES, _TILES, 3))
    rows, columns = np.arange(height) * _TILES // height, np.arange(width) * _TILES // width
    pixels = np.clip(tiles, 0, 255).astype(np.uint8)[rows][:, columns]
    picture: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality)
    return picture


_MOST = {"w": _LARGEST, "h": _LARGEST, "q": 100}


def _number(name: str, value: str, most: int) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= most):
        raise InvalidRequest(f"{name} is {value!r}, not a number up to {most}")
    return int(value)
