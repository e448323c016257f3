"""Colours to sRGB by libvips and its lcms: ICC profiles, CMYK, deep pictures. Runs in the render child.

Resampling comes before conversion where both are 8 bits deep, because a rendition has far fewer pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvips

Array = np.ndarray[Any, np.dtype[np.uint8]]

_SPACES = {1: "b-w", 3: "srgb", 4: "cmyk"}
_SIGNATURES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}


def needed(profile: bytes | None) -> bytes | None:
    """``profile`` if it differs from sRGB, else ``None``; the name in its description decides (IEC 61966-2-1)."""
    if profile is None or len(profile) < 132 or profile[36:40] != b"acsp":
        return None
    return None if _description(profile).startswith("sRGB") else profile


def to_srgb(pixels: Array, profile: bytes) -> Array:
    """Rows x columns x 1 or 3 samples to 3 samples of sRGB; a profile that does not fit or is damaged is left aside."""
    return _memory(_transform(_image(pixels), profile).colourspace("srgb"))


def cmyk_to_rgbx(pixels: Array, profile: bytes | None, *, inverted: bool) -> Array:
    """Rows x columns x CMYK to RGBX; without a sound profile, libvips' built-in one stands in."""
    image = _image(pixels)
    return _memory(_transform(image.invert() if inverted else image, profile).bandjoin(255))


def deep_to_srgb(image: pyvips.Image, profile: bytes | None) -> pyvips.Image:
    """A picture of any format and space to 8-bit sRGB or grey, its alpha kept."""
    alpha = image[image.bands - 1] if image.hasalpha() else None
    if alpha is not None:
        if image.format == "ushort":
            alpha = alpha / 257
        alpha = alpha.cast("uchar")
        image = image[0 : image.bands - 1] if image.bands > 2 else image[0]
    result = _transform(image, profile)
    return result if alpha is None else result.bandjoin(alpha)


def _transform(image: pyvips.Image, profile: bytes | None) -> pyvips.Image:
    if profile is not None and profile[16:20] == _SIGNATURES.get(image.bands):
        tagged = image.copy()
        tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        try:
            return tagged.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
        except pyvips.Error:
            return _transform(image, None)
    if image.interpretation == "cmyk":
        return image.icc_transform("srgb", input_profile="cmyk", intent="relative", black_point_compensation=True)
    space = "b-w" if image.bands < 3 else "srgb"
    return image.colourspace(space).cast("uchar")


def _image(pixels: Array) -> pyvips.Image:
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, "uchar")
    return image.copy(interpretation=_SPACES[bands])


def _memory(image: pyvips.Image) -> Array:
    return np.frombuffer(image.write_to_memory(), np.uint8).reshape(image.height, image.width, image.bands)


def _description(profile: bytes) -> str:
    """The profile's name (its ``desc`` tag, ICC.1 section 9.2.41), or an empty string."""
    count = min(int.from_bytes(profile[128:132]), 100)
    for at in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        if profile[at : at + 4] == b"desc":
            start = int.from_bytes(profile[at + 4 : at + 8])
            text = profile[start : start + 256]
            if text[:4] == b"desc":
                return text[12:].split(b"\0", 1)[0].decode("latin-1")
            if text[:4] == b"mluc":
                offset = int.from_bytes(text[24:28])
                return text[offset : offset + 64].decode("utf-16-be", "ignore")
    return ""
