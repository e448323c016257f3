"""Small sound pictures, each of a colour of its own, so that a rendition tells which picture it was made of."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import simplejpeg
from tests.chaos.evidence import Found
from tests.chaos.history import Picture

_LEVELS = 11


def picture(index: int, rng: random.Random, *, width: int = 320, height: int = 240, quality: int = 85) -> Picture:
    """A JPEG of even colour, which neighbours in the order do not share, under a faint texture from ``rng``."""
    step = index * 389 % _LEVELS**3  # coprime to 11³, so all colours come before one comes again
    red, green, blue = (20 + 20 * (step // _LEVELS**power % _LEVELS) for power in (2, 1, 0))
    noise = np.random.default_rng(rng.getrandbits(64)).integers(-6, 7, (height // 8 + 1, width // 8 + 1, 3))
    texture = np.repeat(np.repeat(noise, 8, 0), 8, 1)[:height, :width]
    pixels = np.clip(np.array([red, green, blue]) + texture, 0, 255).astype(np.uint8)
    data = bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality, "RGB", "444"))
    return named(f"good-{index:05}.jpg", data, width=width, height=height, colour=_mean(pixels))


def named(name: str, data: bytes, **facts: Any) -> Picture:
    """``data`` as a file to send; ``facts`` are fields of ``Picture``."""
    return Picture(name=name, sha256=hashlib.sha256(data).hexdigest(), data=data, **facts)


def inspect(data: bytes) -> Found:
    """Decodes a JPEG wholly and says what it is; ``fault`` where it is damaged."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError as error:
        return Found(bytes=len(data), sha256=digest, fault=str(error)[:120] or "cannot be decoded")
    height, width, _ = pixels.shape
    return Found(len(data), digest, width, height, "jpeg", _mean(pixels))


def _mean(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in pixels.reshape(-1, 3).mean(axis=0))
    return round(red, 2), round(green, 2), round(blue, 2)
