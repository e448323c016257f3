"""What a thumbnailer reads from its environment."""

from __future__ import annotations

import os

from pydantic import BaseModel, Field

from heliograph_common.settings import LimitSettings, ServiceSettings


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class RenderSettings(BaseModel):
    """How pictures are rendered."""

    slots: int = Field(default_factory=_cores, ge=1, description="Pictures at one time; one per core.")
    wall_seconds: float = Field(60.0, gt=0, description="Seconds after which a render process is killed.")
    memory_mib: int = Field(
        2048, ge=256, description="Memory in MiB that all renders of this process may take together."
    )
    max_attempts: int = Field(3, ge=1, description="Failed attempts after which a picture is given up.")
    hold_seconds: float = Field(
        300.0, gt=0, description="Seconds that one attempt at a picture may take, waiting for servers included."
    )
    patience: float = Field(
        5.0, ge=0, description="Seconds for which NATS may not bring a picture before it is taken from its row of work."
    )


class ThumbnailerSettings(ServiceSettings):
    """All that the thumbnailer reads."""

    limits: LimitSettings = LimitSettings()
    render: RenderSettings = RenderSettings()
