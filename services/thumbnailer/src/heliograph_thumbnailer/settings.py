"""What a thumbnailer reads from its environment."""

from __future__ import annotations

import os

from pydantic import BaseModel, Field

from heliograph_common.settings import LimitSettings, ServiceSettings


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class RenderSettings(BaseModel):
    """Rendering of images."""

    slots: int = Field(
        default_factory=_cores, ge=1, description="Number of concurrent renders. Defaults to one per core."
    )
    wall_seconds: float = Field(60.0, gt=0, description="Time limit of a render, in seconds.")
    memory_mib: int = Field(2048, ge=256, description="Memory of all concurrent renders of a process, in MiB.")
    max_attempts: int = Field(3, ge=1, description="Failed attempts after which an image is marked as failed.")
    hold_seconds: float = Field(
        300.0, gt=0, description="Time limit of an attempt, in seconds, including waiting for servers."
    )
    patience: float = Field(
        5.0, ge=0, description="Seconds to wait for delivery by NATS before work is taken from PostgreSQL."
    )


class ThumbnailerSettings(ServiceSettings):
    """All settings of the thumbnailer."""

    limits: LimitSettings = LimitSettings()
    render: RenderSettings = RenderSettings()
