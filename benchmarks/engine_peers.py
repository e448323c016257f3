"""The peers, each used as its own documentation advises. Loaded by ``worker`` in ``.venv-bench``.

Each makes the same JPEGs from the same bytes: quality 82, 4:2:0, no metadata. ``wanted`` is a list of ``name``,
``width``, ``height`` (pixels of the result), ``fit`` (``contain``: no crop) and ``quality``.
"""

from __future__ import annotations

import io
from typing import Any

import pyvips
import simplejpeg
from PIL import Image, ImageOps  # noqa: TID251 - Pillow itself is the peer

pyvips.cache_set_max(0)  # a cache would answer the second round

_LANCZOS = Image.Resampling.LANCZOS


def libvips(data: bytes, wanted: list[dict[str, Any]]) -> list[bytes]:
    """libvips alone: ``thumbnail_buffer`` per size, which shrinks while it loads; its manual's way."""
    return [_saved(pyvips.Image.thumbnail_buffer(data, one["width"], **_fit(one)), one) for one in wanted]


def libvips_once(data: bytes, wanted: list[dict[str, Any]]) -> list[bytes]:
    """libvips alone: one decode, shrunk to what the largest size needs, and all sizes from that."""
    plain = pyvips.Image.new_from_buffer(data, "")
    scale = min(max(max(one["width"] / plain.width, one["height"] / plain.height) for one in wanted), 1.0)
    largest = {"width": round(plain.width * scale), "height": round(plain.height * scale), "fit": "contain"}
    image = pyvips.Image.thumbnail_buffer(data, largest["width"], **_fit(largest)).copy_memory()
    return [_saved(image.thumbnail_image(one["width"], **_fit(one)), one) for one in wanted]


def pillow(data: bytes, wanted: list[dict[str, Any]]) -> list[bytes]:
    """Pillow alone: one decode for all, a JPEG drafted to what the largest size needs, then LANCZOS."""
    image = _opened(data, wanted)
    image.load()
    return [_resized(image, one) for one in wanted]


def thumbor(data: bytes, wanted: list[dict[str, Any]]) -> list[bytes]:
    """What thumbor's engine, which is Pillow, does when it is asked for each size: a decode and a LANCZOS a request."""
    return [_resized(_opened(data, [one]), one) for one in wanted]


def floor(data: bytes, wanted: list[dict[str, Any]]) -> list[bytes]:
    """libjpeg-turbo's decode alone, by the DCT scale that suffices for the largest wanted size. Makes nothing."""
    simplejpeg.decode_jpeg(
        data, "RGBX", min_width=max(one["width"] for one in wanted), min_height=max(one["height"] for one in wanted)
    )
    return []


def _fit(one: dict[str, Any]) -> dict[str, Any]:
    """``contain`` comes as the exact size already, which ``force`` keeps from being rounded otherwise."""
    if one["fit"] == "contain":
        return {"height": one["height"], "size": "force"}
    return {"height": one["height"], "size": "down", "crop": "centre"}


def _saved(image: pyvips.Image, one: dict[str, Any]) -> bytes:
    if image.hasalpha():
        image = image.flatten(background=255)
    return bytes(image.jpegsave_buffer(Q=one["quality"], subsample_mode="on", keep="none"))


def _opened(data: bytes, wanted: list[dict[str, Any]]) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(data))
    scale = max(max(one["width"] / image.width, one["height"] / image.height) for one in wanted)
    image.draft("RGB", (max(int(image.width * scale), 1), max(int(image.height * scale), 1)))
    return image


def _resized(image: Image.Image, one: dict[str, Any]) -> bytes:
    size = (one["width"], one["height"])
    if one["fit"] == "contain":
        small = image.resize(size, _LANCZOS, reducing_gap=2.0)
    else:
        small = ImageOps.fit(image, size, _LANCZOS)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", size, "white"), small)
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, "JPEG", quality=one["quality"], subsampling="4:2:0")
    return buffer.getvalue()
