"""From a resampled picture to the bytes of a rendition: turned upright, in sRGB, without any metadata.

Runs in the render child. JPEG by libjpeg-turbo (a tenth of libvips' time per thumbnail), WebP by libvips.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvips
import simplejpeg

from heliograph_thumbnailer.imaging import colour, simd
from heliograph_thumbnailer.imaging.decode import Decoded
from heliograph_thumbnailer.imaging.sizes import RenditionSpec

Array = np.ndarray[Any, np.dtype[np.uint8]]

_WEBP_EFFORT = 2


def upright(image: Any, orientation: int) -> Any:
    """``image`` turned and mirrored as Exif orientation 1..8 asks (CIPA DC-008, 4.6.4.A)."""
    if orientation == 1:
        return image
    turn = simd.load().Transpose
    ways = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
    return image.transpose(ways[orientation])


def on_white(image: Any) -> Any:
    """``image`` without its alpha, laid on white, for formats that have none."""
    if image.mode != "RGBA":
        return image
    pil = simd.load()
    return pil.alpha_composite(pil.new("RGBA", image.size, (255, 255, 255, 255)), image)


def samples(image: Any, decoded: Decoded) -> tuple[Array, str]:
    """The sRGB samples of ``image`` as rows x columns x bands, and their layout: GRAY, RGB, RGBX or RGBA."""
    bands = 1 if image.mode == "L" else 4
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, bands)
    if decoded.profile is None:
        return pixels, "GRAY" if image.mode == "L" else image.mode
    rgb = colour.to_srgb(pixels[:, :, :3], decoded.profile)
    return (np.dstack((rgb, pixels[:, :, 3])), "RGBA") if image.mode == "RGBA" else (rgb, "RGB")


def encode(pixels: Array, layout: str, spec: RenditionSpec) -> bytes:
    """The bytes of one rendition; a JPEG leaves the fourth sample of RGBX and RGBA out."""
    if spec.format == "webp":
        return _webp(pixels, layout, spec.quality)
    subsampling = "Gray" if layout == "GRAY" else "420"
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), spec.quality, layout, subsampling)  # type: ignore[no-any-return]


def _webp(pixels: Array, layout: str, quality: int) -> bytes:
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, "uchar")
    image = image.copy(interpretation="b-w" if bands == 1 else "srgb")
    if layout == "RGBX":
        image = image[0:3]
    return bytes(image.webpsave_buffer(Q=quality, effort=_WEBP_EFFORT, keep="none"))
