"""Thumbhash, dominant colour and perceptual hash of a small upright picture. Pure numpy; runs in the render child."""

from __future__ import annotations

import base64
import math
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

SIDE = 100
"""The side in pixels of the square that a picture must fit for ``thumbhash``."""


def rgba(pixels: Array, layout: str) -> Array:
    """``pixels`` of layout GRAY, RGB, RGBX or RGBA as four samples."""
    if layout == "RGBA":
        return pixels
    colours = np.repeat(pixels, 3, axis=2) if layout == "GRAY" else pixels[:, :, :3]
    return np.dstack((colours, np.full(pixels.shape[:2], 255, np.uint8)))


def thumbhash(pixels: Array) -> str:
    """Base64 of the ThumbHash of RGBA ``pixels``, at most 100 x 100 (method: evanw/thumbhash).

    A matrix product a channel, because the reference's loops in Python take longer than the whole render.
    """
    height, width, _ = pixels.shape
    colours = pixels[:, :, :3].astype(np.float64) / 255
    alpha = pixels[:, :, 3].astype(np.float64) / 255
    weight = alpha.sum()
    average = (colours * alpha[:, :, None]).sum(axis=(0, 1)) / (weight or 1.0)
    has_alpha = bool((pixels[:, :, 3] < 255).any())
    limit, longest = (5 if has_alpha else 7), max(width, height)
    across, down = max(1, round(limit * width / longest)), max(1, round(limit * height / longest))
    red, green, blue = np.moveaxis(average * (1 - alpha[:, :, None]) + colours * alpha[:, :, None], 2, 0)
    l_dc, l_ac, l_scale = _channel((red + green + blue) / 3, max(3, across), max(3, down))
    p_dc, p_ac, p_scale = _channel((red + green) / 2 - blue, 3, 3)
    q_dc, q_ac, q_scale = _channel(red - green, 3, 3)
    landscape = width > height
    head = round(63 * l_dc) | round(31.5 + 31.5 * p_dc) << 6 | round(31.5 + 31.5 * q_dc) << 12
    head |= round(31 * l_scale) << 18 | has_alpha << 23
    tail = (down if landscape else across) | round(63 * p_scale) << 3 | round(63 * q_scale) << 9 | landscape << 15
    result = head.to_bytes(3, "little") + tail.to_bytes(2, "little")
    factors = [*l_ac, *p_ac, *q_ac]
    if has_alpha:
        a_dc, a_ac, a_scale = _channel(alpha, 5, 5)
        result += bytes([round(15 * a_dc) | round(15 * a_scale) << 4])
        factors += a_ac
    nibbles = [round(15 * factor) for factor in factors] + [0] * (len(factors) % 2)
    result += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return base64.b64encode(result).decode()


def dominant_color(pixels: Array) -> str:
    """``#rrggbb``: the mean of the fullest cell of a 4-bits-a-channel histogram, each pixel weighed by its alpha."""
    colours = pixels[:, :, :3].reshape(-1, 3).astype(np.int64)
    weights = pixels[:, :, 3].reshape(-1).astype(np.float64)
    if not weights.any():
        return "#ffffff"
    cells = (colours[:, 0] >> 4) << 8 | (colours[:, 1] >> 4) << 4 | colours[:, 2] >> 4
    fullest = cells == np.bincount(cells, weights, 4096).argmax()
    red, green, blue = np.rint(np.average(colours[fullest], axis=0, weights=weights[fullest])).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def phash(pixels: Array) -> str:
    """Sixteen hexadecimal digits from RGBA ``pixels`` of 32 x 32; near pictures differ in few bits.

    Each bit tells whether one of the 8 x 8 lowest frequencies of the DCT exceeds their median, the constant term
    left out of the median (C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010).
    """
    basis = _cosines(32, 8)
    grey = pixels[:, :, :3].astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    low = (basis @ grey @ basis.T).reshape(-1)
    # A flat picture has no frequencies, only rounding noise: it must not decide bits.
    low[np.abs(low) < 1e-6] = 0.0
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()


def _channel(channel: Floats, across: int, down: int) -> tuple[float, list[float], float]:
    """Constant term, scaled triangle of frequencies (0..1), and their scale."""
    height, width = channel.shape
    factors = _cosines(height, down) @ channel @ _cosines(width, across).T / (width * height)
    triangle = [
        float(factors[y, x]) for y in range(down) for x in range(across) if (x or y) and x * down < across * (down - y)
    ]
    scale = max((abs(factor) for factor in triangle), default=0.0)
    if scale:
        triangle = [0.5 + 0.5 / scale * factor for factor in triangle]
    return float(factors[0, 0]), triangle, scale


@cache
def _cosines(samples: int, frequencies: int) -> Floats:
    """Row ``f``: cos(pi / samples * f * (x + 1/2)), the basis of DCT-II."""
    steps = (np.arange(samples) + 0.5) * math.pi / samples
    return np.cos(np.arange(frequencies)[:, None] * steps[None, :])
