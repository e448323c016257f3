"""Synthetic pictures with the statistics of photographs, and their files. Nothing is read from disk.

Leaves of random size that hide one another, with a texture of equal energy in every octave: A. B. Lee, D. Mumford and
J. Huang, "Occlusion Models for Natural Images", 2001; D. J. Field, "Relations between the statistics of natural images
and the response properties of cortical cells", 1987.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image  # noqa: TID251 - nothing is rendered with it here

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
_Plane = np.ndarray[Any, np.dtype[np.float32]]

_WIDTH, _HEIGHT = 4080, 3060
_LEAVES = 600
_GRAIN = (1.6, 5.0, 8.0)
"""Standard deviation of the finest octaves in steps of 8 bits, below that of the others: lenses blur."""
_TEXTURE = 9.0


@dataclass(frozen=True)
class Picture:
    """One input: the bytes of a file and its size in pixels."""

    name: str
    data: bytes
    width: int
    height: int


def jpeg(width: int, height: int, *, quality: int = 90, progressive: bool = False) -> bytes:
    """A JPEG, 4:2:0; ``progressive`` with Pillow's scan script."""
    pixels = photograph(width, height)
    if progressive:
        return _saved(Image.fromarray(pixels), "JPEG", quality=quality, progressive=True)
    return bytes(simplejpeg.encode_jpeg(pixels, quality, "RGB", "420"))


def png(width: int, height: int, *, alpha: bool = False) -> bytes:
    """A PNG; ``alpha`` with a soft round mask."""
    return _saved(Image.fromarray(_masked(width, height) if alpha else photograph(width, height)), "PNG")


def webp(width: int, height: int) -> bytes:
    """A lossy WebP."""
    return _saved(Image.fromarray(photograph(width, height)), "WEBP", quality=85)


def unique(data: bytes, number: int, size: int = 0) -> bytes:
    """The JPEG ``data`` with comments after its first marker: other bytes for each ``number``, ``size`` in all if larger."""
    comments = _comment(struct.pack(">Q", number))
    missing = size - len(data) - len(comments)
    while missing > 4:
        length = min(missing, 65_000)
        comments += _comment(bytes(length - 4))
        missing -= length
    return data[:2] + comments + data[2:]


def photograph(width: int, height: int) -> Pixels:
    """Rows x columns x RGB, at most 8160 x 6120: cut from one scene, which is mirrored where it is too small."""
    scene = _scene()
    if width > _WIDTH or height > _HEIGHT:
        scene = np.block([[[scene], [scene[:, ::-1]]], [[scene[::-1]], [scene[::-1, ::-1]]]])
    top, left = (scene.shape[0] - height) // 2, (scene.shape[1] - width) // 2
    return np.ascontiguousarray(scene[top : top + height, left : left + width])


@cache
def _scene() -> Pixels:
    random = np.random.default_rng(2004)
    light = _octaves(random, _WIDTH, _HEIGHT)
    warm = _octaves(random, _WIDTH // 4, _HEIGHT // 4) * 0.35
    tint = np.asarray(Image.fromarray(warm).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC))
    scene = _leaves(random)
    for band, weight in enumerate((1.0, 0.1, -0.9)):
        scene[:, :, band] += light + weight * tint
    return np.asarray(np.clip(scene, 0, 255), np.uint8)


def _leaves(random: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Discs whose radii have the density r^-3, each with a colour and a slope of its light."""
    scene = np.full((_HEIGHT, _WIDTH, 3), 110, np.float32)
    radii = np.minimum(40 / np.sqrt(random.random(_LEAVES) + 1e-4), 1200)
    for radius in sorted(radii, reverse=True):
        x, y = random.integers(0, _WIDTH), random.integers(0, _HEIGHT)
        top, bottom = max(int(y - radius), 0), min(int(y + radius) + 1, _HEIGHT)
        left, right = max(int(x - radius), 0), min(int(x + radius) + 1, _WIDTH)
        rows, columns = np.ogrid[top:bottom, left:right]
        distance = np.sqrt((rows - y) ** 2 + (columns - x) ** 2).astype(np.float32)
        cover = np.clip(radius - distance, 0, 1)[:, :, None]  # the rim is one pixel soft
        colour = random.normal(118, 42) + random.normal(0, 14, 3)
        shade = random.normal(0, 12) * (rows - y).astype(np.float32) / radius
        leaf = colour.astype(np.float32)[None, None, :] + shade[:, :, None]
        scene[top:bottom, left:right] += (leaf - scene[top:bottom, left:right]) * cover
    return scene


def _octaves(random: np.random.Generator, width: int, height: int) -> _Plane:
    """Noise of all scales summed: cells of 1, 2, 4, … pixels."""
    total = np.zeros((height, width), np.float32)
    for octave in range(10):
        cell = 1 << octave
        grid = random.standard_normal((height // cell + 2, width // cell + 2), np.float32)
        amount = _GRAIN[octave] if octave < len(_GRAIN) else _TEXTURE
        if cell == 1:
            total += grid[:height, :width] * amount
        else:
            total += np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)) * amount
    return total


def _masked(width: int, height: int) -> Pixels:
    rows, columns = np.ogrid[0:height, 0:width]
    distance = np.hypot((rows - height / 2) / height, (columns - width / 2) / width)
    alpha = np.clip((0.55 - distance) * 1500, 0, 255).astype(np.uint8)
    return np.dstack((photograph(width, height), alpha))


def _comment(content: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(content) + 2) + content


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
