"""The sample image that ``heliograph dev up`` ends with: made here, sent through the real API, followed by the events."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

import numpy as np
import simplejpeg
from pydantic import SecretStr

from heliograph_client.client import AsyncClient
from heliograph_client.connection import Connection as Address
from heliograph_client.errors import HeliographError, Unreachable
from heliograph_client.models import Stages
from heliograph_local.connection import Connection
from heliograph_local.errors import LocalError

_SECONDS = 60.0


@dataclass
class FirstPicture:
    """What became of it: each stage with the seconds from the start of the upload until we knew of it."""

    image_id: UUID
    stages: dict[str, float] = field(default_factory=dict)


@cache
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


async def send_first_picture(connection: Connection) -> FirstPicture:
    """Uploads the sample and waits until all its renditions exist. At a second start it is there already.

    Raises:
        LocalError: the API refused it, it failed, or it was not complete within a minute.
    """
    address = Address(api=connection.api or "", events=connection.events or "", token=SecretStr(connection.token))
    picture = sample_picture()
    began = time.monotonic()
    try:
        async with AsyncClient(address) as client:
            image = await client.upload(picture, name="sunrise.jpg", priority="high")
            first = FirstPicture(
                image.id, {"uploaded" if image.created else "already uploaded": time.monotonic() - began}
            )

            def heard(_progress: int, stages: Stages) -> None:
                for stage in ("thumbnails", "variants"):
                    if getattr(stages, stage) == "complete":
                        first.stages.setdefault(f"{stage} ready", time.monotonic() - began)

            image = await client.wait(image.id, _SECONDS, on_stage=heard)
            heard(image.progress, image.stages)
    except Unreachable as error:
        raise LocalError(f"{error}; see: heliograph dev logs gateway") from error
    except HeliographError as error:
        raise LocalError(f"{error}; see: heliograph dev logs") from error
    if image.status == "failed":
        reason = image.error.reason if image.error else "unknown reason"
        raise LocalError(f"processing failed: {reason}; see: heliograph dev logs thumbnailer")
    first.stages["complete"] = time.monotonic() - began
    return first
