"""Reads the ``spec`` of a ``StreamScaler``. Pure.

The API server has validated it and filled in defaults, by the resource's definition in the chart. That may be an older one,
because Helm does not upgrade it: what is missing has the same defaults here, and what is out of bounds is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heliograph_operator.model import ScalerSpec, Target

KINDS = ("Deployment", "StatefulSet")
MOST_CONSUMERS = 20

_STREAM_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True)
class Number:
    """A number of the spec. Without a ``default`` it is required; ``above`` leaves out ``least`` itself."""

    least: float
    most: float
    default: float | None = None
    whole: bool = True
    above: bool = False


NUMBERS = {
    "minReplicas": Number(0, 1000, 1),
    "maxReplicas": Number(1, 1000),
    "drainSeconds": Number(1, 3600, 20),
    "stabilizationSeconds": Number(10, 3600, 90),
    "utilizationPercent": Number(10, 100, 80),
    "slots": Number(1, 10_000, 1),
    "serviceSeconds": Number(0, 86_400, 0.5, whole=False, above=True),
}
"""As ``charts/heliograph/crds/streamscalers.yaml`` has them; a test compares the two."""


def parse(spec: Mapping[str, Any]) -> ScalerSpec:
    """Raises ``ValueError``, which says what to change, for the first field that is wrong."""
    minimum, maximum = (int(_number(spec, name)) for name in ("minReplicas", "maxReplicas"))
    if maximum < minimum:
        raise ValueError("spec.maxReplicas is below spec.minReplicas: raise maxReplicas or lower minReplicas")
    dry_run = spec.get("dryRun", False)
    if dry_run not in (True, False):
        raise ValueError("spec.dryRun must be true or false")
    return ScalerSpec(
        target=_target(spec.get("target")),
        stream=_name(spec.get("stream"), "spec.stream", _STREAM_NAME, 255),
        consumers=_consumers(spec.get("consumers")),
        min_replicas=minimum,
        max_replicas=maximum,
        drain_seconds=_number(spec, "drainSeconds"),
        stabilization_seconds=_number(spec, "stabilizationSeconds"),
        utilization=_number(spec, "utilizationPercent") / 100,
        slots=int(_number(spec, "slots")),
        service_seconds=_number(spec, "serviceSeconds"),
        dry_run=bool(dry_run),
    )


def _target(value: Any) -> Target:
    target = value if isinstance(value, Mapping) else {}
    kind = target.get("kind")
    if kind not in KINDS:
        raise ValueError(f"spec.target.kind must be {' or '.join(KINDS)}")
    return Target(kind, _name(target.get("name"), "spec.target.name", _OBJECT_NAME, 253))


def _consumers(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list | tuple) else ()
    if not 1 <= len(found) <= MOST_CONSUMERS:
        raise ValueError(f"spec.consumers must name 1 to {MOST_CONSUMERS} consumers")
    names = tuple(_name(each, "spec.consumers", _STREAM_NAME, 255) for each in found)
    if len(set(names)) < len(names):
        raise ValueError("spec.consumers lists a consumer twice, which would count twice: list each one once")
    return names


def _name(value: Any, field: str, pattern: re.Pattern[str], longest: int) -> str:
    if isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value):
        return value
    raise ValueError(f"{field} must be the name alone, of at most {longest} characters that match {pattern.pattern}")


def _number(spec: Mapping[str, Any], name: str) -> float:
    rule = NUMBERS[name]
    value = spec.get(name)
    if value is None:
        value = rule.default
    if isinstance(value, bool) or not isinstance(value, int | float) or (rule.whole and value % 1 != 0):
        raise ValueError(f"spec.{name} must be a {'whole ' if rule.whole else ''}number")
    if not rule.least <= value <= rule.most or (rule.above and value == rule.least):
        raise ValueError(
            f"spec.{name} must be {'above' if rule.above else 'at least'} {rule.least} and at most {rule.most}"
        )
    return float(value)
