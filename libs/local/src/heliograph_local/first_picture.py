"""The sample picture that ``heliograph dev up`` ends with: made here, sent through the real API, watched until complete.

Used by cli.py. The one place of this package that speaks the HTTP API.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
import simplejpeg

from heliograph_local.errors import LocalError

_POLL = 0.02
_SECONDS = 60.0
_STAGES = (
    ("thumbnail_status", "thumbnails ready"),
    ("variant_status", "variants ready"),
    ("processing_status", "complete"),
)


@dataclass(frozen=True)
class FirstPicture:
    """What became of it: each stage with the seconds from the start of the upload."""

    image_id: str
    stages: list[tuple[str, float]]


def sample_picture(width: int = 2400, height: int = 1600) -> bytes:
    """A JPEG of a sunrise: a sky, a sun and its light on the water."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    horizon, sun_x, sun_y, radius = height * 0.62, width * 0.5, height * 0.5, height * 0.11
    distance = np.hypot(x - sun_x, y - sun_y)
    glow = np.exp(-distance / (height * 0.35))
    ripple = 0.5 + 0.5 * np.sin(y * 0.12 + 3 * np.sin(x * 0.01))
    path = np.exp(-((x - sun_x) ** 2) / (2 * (width * 0.06) ** 2)) * ripple
    light = np.where(y < horizon, glow + (distance < radius), 0.35 * glow + 0.6 * path)
    night, day = np.array([38, 52, 96], np.float32), np.array([255, 186, 92], np.float32)
    pixels = night + (day - night) * np.clip(light, 0, 1)[..., None]
    picture: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels.astype(np.uint8)), quality=88)
    return picture


async def send_first_picture(api: str, token: str) -> FirstPicture:
    """Uploads the sample and waits until all its renditions exist. At a second start it is there already.

    Raises:
        LocalError: the API refused it, it failed, or it was not complete within a minute.
    """
    picture = sample_picture()
    headers = {"Authorization": f"Bearer {token}"}
    began = time.monotonic()
    try:
        async with httpx2.AsyncClient(base_url=api, headers=headers, timeout=30, trust_env=False) as client:
            answer = await client.post(
                "/v1/images", params={"name": "sunrise.jpg"}, content=picture, headers={"Content-Type": "image/jpeg"}
            )
            if answer.status_code not in {200, 201}:
                raise LocalError(f"POST {api}/v1/images answered {answer.status_code}: {answer.text[:300]}")
            image_id = answer.json()["id"]
            stages = [("uploaded" if answer.status_code == 201 else "known already", time.monotonic() - began)]
            stages += await _watch(client, image_id, began)
    except httpx2.HTTPError as error:
        raise LocalError(f"the API at {api} does not answer ({error}); see: heliograph dev logs gateway") from error
    return FirstPicture(image_id, stages)


async def _watch(client: httpx2.AsyncClient, image_id: str, began: float) -> list[tuple[str, float]]:
    seen: list[tuple[str, float]] = []
    while time.monotonic() - began < _SECONDS:
        image = (await client.get(f"/v1/images/{image_id}")).raise_for_status().json()
        if image["processing_status"] == "failed":
            raise LocalError(f"it failed: {image.get('processing_error')}; see: heliograph dev logs thumbnailer")
        done = [stage for stage in _complete(image) if stage not in dict(seen)]
        seen += [(stage, time.monotonic() - began) for stage in done]
        if image["processing_status"] == "complete":
            return seen
        await asyncio.sleep(_POLL)
    raise LocalError(f"it was not complete within {_SECONDS:.0f} s; see: heliograph dev logs thumbnailer")


def _complete(image: dict[str, Any]) -> Iterator[str]:
    return (stage for field, stage in _STAGES if image.get(field) == "complete")
