"""The fewest replicas that a workload keeps while nothing is known of its load (ADR 0024). Pure."""

from __future__ import annotations

from heliograph_operator.law import Decision
from heliograph_operator.model import ScalerSpec, Term

LOST = "the load is unknown"
MISSING = "a consumer does not exist"


def floor_of(spec: ScalerSpec, replicas: int, why: str) -> Decision | None:
    """The decision to go up to ``minReplicas``, and to one at least: workers take work from PostgreSQL when NATS brings
    them none, but only where there is one. ``None`` where there are enough; none is ever removed."""
    floor = min(max(1, spec.min_replicas), spec.max_replicas)
    if replicas >= floor:
        return None
    text = f"{why}: {floor} kept at least, so that work is taken from PostgreSQL"
    return Decision(replicas=floor, wanted=floor, term=Term.MINIMUM, saturated=False, message=text)
