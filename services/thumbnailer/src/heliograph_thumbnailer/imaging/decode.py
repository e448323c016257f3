"""Turns an original into one raw 8-bit picture that every rendition is cut from. Runs in the render child only.

JPEG by libjpeg-turbo (simplejpeg), scaled in its DCT where all wanted sizes allow; the rest by libvips. The picture
keeps the file's orientation and, where cheap, its colours: ``render`` turns and converts the small results instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvips
import simplejpeg

from heliograph_common.errors import BadImage, ImageTooLarge, UnsupportedImage
from heliograph_common.ingest.sniff import Header
from heliograph_thumbnailer.imaging import blocks, colour
from heliograph_thumbnailer.imaging.blocks import Buffer

_MOST_SCANS = 100
"""Encoders write 10 or so; a few bytes of a scan cost a decoder as much as a whole one."""
_DCT_MARGIN = 1.5
_WEBP_MARGIN = 1.25


@dataclass(frozen=True, slots=True)
class Decoded:
    """A raw picture: ``pixels`` is rows of 8-bit samples, ``mode`` one of ``L``, ``RGBX``, ``RGBA``.

    It may be smaller than the file's. ``profile`` is the ICC profile still to be applied, ``exif`` the raw block.
    """

    pixels: Any
    mode: str
    width: int
    height: int
    profile: bytes | None
    exif: bytes | None


def decode(data: Buffer, header: Header, scale: float) -> Decoded:
    """Decodes ``data``, of which renditions need at most ``scale`` (0..1] of the stored size.

    Raises ``BadImage`` for damage, ``UnsupportedImage`` for what this build cannot read, ``ImageTooLarge`` where the
    memory of the process does not suffice.
    """
    try:
        return _jpeg(data, header, scale) if header.mime_type == "image/jpeg" else _vips(data, header, scale)
    except MemoryError as error:
        raise ImageTooLarge("decoding exceeds the memory limit of a render: scale the image down") from error


def dct_divisor(scale: float) -> int:
    """The largest of 8, 4, 2, 1 by which the DCT may shrink and still leave LANCZOS half as much again to work on.

    Without that margin the box filter of the DCT shows (SSIM 0.92 at 1.14 times the size; above 0.99 from 1.6 on).
    Divisors between these have no SIMD code in libjpeg-turbo and take longer than the next larger picture.
    """
    return next(divisor for divisor in (8, 4, 2, 1) if divisor == 1 or scale * divisor * _DCT_MARGIN <= 1)


def _jpeg(data: Buffer, header: Header, scale: float) -> Decoded:
    if header.progressive and blocks.jpeg_scans(data, _MOST_SCANS) > _MOST_SCANS:
        raise ImageTooLarge(f"the JPEG has more than {_MOST_SCANS} scans: save the image as a baseline JPEG")
    found = blocks.jpeg_blocks(data)
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except ValueError as error:
        raise _damaged(str(error)) from error
    if (width, height) != (header.width, header.height):
        raise BadImage("the JPEG states two different sizes: export the image again")
    layout = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(space, "RGBX")
    pixels = _turbo(data, layout, -(-width // dct_divisor(scale)))
    height, width, _ = pixels.shape
    if layout == "CMYK":
        # Adobe stores CMYK inverted. Converted once and whole: setting up such a transform takes as long as a megapixel.
        pixels = colour.cmyk_to_rgbx(pixels, found.profile, inverted=found.adobe)
        return Decoded(pixels, "RGBX", width, height, None, found.exif)
    return Decoded(pixels, "L" if layout == "GRAY" else layout, width, height, colour.needed(found.profile), found.exif)


def _turbo(data: Buffer, space: str, min_width: int) -> Any:
    try:
        return simplejpeg.decode_jpeg(data, space, min_width=min_width)
    except ValueError as error:
        # Cameras write JPEGs with harmless flaws; only a file that ends early is refused.
        if "premature" in str(error).lower():
            raise BadImage("the JPEG ends before its last line: upload the whole file again") from error
    try:
        return simplejpeg.decode_jpeg(data, space, min_width=min_width, strict=False)
    except ValueError as error:
        raise _damaged(str(error)) from error


def _vips(data: Buffer, header: Header, scale: float) -> Decoded:
    try:
        image = _load(data, header, scale)
        exif = _blob(image, "exif-data")
        image, mode, profile = _normalise(image)
        pixels = image.write_to_memory()
    except pyvips.Error as error:
        if header.mime_type == "image/heic" and "support" in str(error).lower():
            raise UnsupportedImage(
                "HEIC (HEVC) is not supported by this installation: convert the image to JPEG or AVIF"
            ) from error
        raise _damaged(_last_line(error)) from error
    return Decoded(pixels, mode, image.width, image.height, profile, exif)


def _load(data: Buffer, header: Header, scale: float) -> pyvips.Image:
    options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    match header.mime_type:
        case "image/png":
            return pyvips.Image.pngload_buffer(data, **options)
        case "image/webp":
            return pyvips.Image.webpload_buffer(data, scale=_webp_scale(header, scale), **options)
        case "image/gif":
            return pyvips.Image.gifload_buffer(data, n=1, **options)
        case "image/tiff":
            return pyvips.Image.tiffload_buffer(data, **options)
        case _:
            return pyvips.Image.heifload_buffer(data, **options)


def _webp_scale(header: Header, scale: float) -> float:
    """libwebp shrinks while it decodes, by area; above three quarters that costs more than it saves."""
    wanted = scale * _WEBP_MARGIN
    return 1.0 if header.frames > 1 or wanted > 0.75 else wanted


def _normalise(image: pyvips.Image) -> tuple[pyvips.Image, str, bytes | None]:
    """8 bits and one of our modes. Deep or unusual pictures are converted to sRGB here, before they lose bits."""
    profile = colour.needed(_blob(image, "icc-profile-data"))
    plain = image.format == "uchar" and image.interpretation in {"srgb", "b-w"}
    if not plain:
        image, profile = colour.deep_to_srgb(image, profile), None
    if image.bands == 1:
        return image, "L", profile
    if image.bands == 2:
        grey = image[0]
        image, profile = grey.bandjoin([grey, grey, image[1]]), None
    if image.bands == 3:
        return image.bandjoin(255), "RGBX", profile
    return image[0:4] if image.bands > 4 else image, "RGBA", profile


def _blob(image: pyvips.Image, name: str) -> bytes | None:
    return bytes(image.get(name)) if image.get_typeof(name) else None


def _damaged(detail: str) -> BadImage:
    return BadImage(f"the image is damaged ({detail[:120]}): export the image again")


def _last_line(error: pyvips.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "unknown"


def as_array(pixels: Any, width: int, height: int, bands: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Rows, columns, bands over a raw buffer, without a copy."""
    return np.frombuffer(pixels, np.uint8).reshape(height, width, bands)
