"""What an operator reads from its environment."""

from __future__ import annotations

import os
import socket

from pydantic import BaseModel, Field

from heliograph_common.settings import ServiceSettings


class ScalerSettings(BaseModel):
    """Scaling of workers."""

    namespace: str = Field(
        "default", min_length=1, description="Namespace of the StreamScalers, their targets and the Lease."
    )
    lease: str = Field("heliograph-operator", min_length=1, description="Name of the Lease that elects one operator.")
    identity: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        min_length=1,
        description="Name of this operator in the Lease. Defaults to host name and process id.",
    )
    lease_seconds: float = Field(
        10.0, ge=3, le=60, description="Seconds after which another operator takes over from one that is gone."
    )
    tick_seconds: float = Field(1.0, gt=0, le=10, description="Seconds between two decisions.")
    figures_seconds: float = Field(
        10.0, gt=0, description="Seconds between two writes of a status in which only figures have changed."
    )


class OperatorSettings(ServiceSettings):
    """All settings of the operator."""

    operator: ScalerSettings = ScalerSettings()
