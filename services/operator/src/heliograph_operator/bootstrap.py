"""Wires an operator. The only module of it that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph_common.runtime.backbone import connect_bus
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_operator.settings import OperatorSettings

NAME = "operator"


async def build(settings: OperatorSettings, health: Health) -> Sequence[Component]:
    """The components in the order in which they start."""
    bus = connect_bus(NAME, settings, health)
    return [bus]
