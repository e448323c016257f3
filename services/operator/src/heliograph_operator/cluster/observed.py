"""Counts what the API server refuses or fails at, and remembers which rights the operator lacks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from heliograph_common.errors import Permanent
from heliograph_common.telemetry import metrics
from heliograph_operator.cluster.port import (
    Cluster,
    ClusterError,
    ClusterUnavailable,
    Conflict,
    Forbidden,
    LeaseRecord,
    NotFound,
    Pod,
    Scale,
)
from heliograph_operator.model import Target

RECENT_SECONDS = 120.0
"""How long after the last refusal the check fails: what needed the right may be gone."""
_KEPT_SECONDS = 3600.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Denial:
    right: str
    at: float


class ObservedCluster:
    """Does what ``inner`` does. What is refused is logged when it begins and when it ends, not each time. A right may lack
    for one workload and not for another."""

    def __init__(self, inner: Cluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock = clock
        self._denied: dict[tuple[str, str], _Denial] = {}
        """By the call with its object, and the right."""

    async def check(self) -> None:
        """For ``Health``: raises while a right is lacking that was needed."""
        now = self._clock()
        if lacking := {denial.right for denial in self._denied.values() if now - denial.at < RECENT_SECONDS}:
            rights = ", ".join(sorted(lacking))
            raise Permanent(f"the operator's Role lacks: {rights}. Apply the Role of the chart again")

    async def scale(self, target: Target) -> Scale:
        async with self._call(f"scale {target.kind}/{target.name}"):
            return await self._inner.scale(target)

    async def set_replicas(self, target: Target, replicas: int, version: str) -> None:
        async with self._call(f"set_replicas {target.kind}/{target.name}"):
            await self._inner.set_replicas(target, replicas, version)

    async def autoscaler_of(self, target: Target) -> str | None:
        async with self._call("autoscaler_of"):
            return await self._inner.autoscaler_of(target)

    async def pods(self, selector: str) -> Sequence[Pod]:
        async with self._call("pods"):
            return await self._inner.pods(selector)

    async def set_deletion_cost(self, pod: str, cost: int) -> None:
        async with self._call("set_deletion_cost"):
            await self._inner.set_deletion_cost(pod, cost)

    async def write_status(self, scaler: str, status: Mapping[str, Any]) -> None:
        async with self._call(f"write_status {scaler}"):
            await self._inner.write_status(scaler, status)

    async def emit(
        self, scaler: str, uid: str, *, kind: Literal["Normal", "Warning"], reason: str, action: str, message: str
    ) -> None:
        async with self._call("emit"):
            await self._inner.emit(scaler, uid, kind=kind, reason=reason, action=action, message=message)

    async def scalers(self) -> Sequence[Mapping[str, Any]]:
        async with self._call("scalers"):
            return await self._inner.scalers()

    async def lease(self, name: str) -> LeaseRecord | None:
        async with self._call("lease"):
            return await self._inner.lease(name)

    async def write_lease(self, name: str, record: LeaseRecord) -> LeaseRecord:
        async with self._call("write_lease create" if not record.version else "write_lease update"):
            return await self._inner.write_lease(name, record)

    async def close(self) -> None:
        await self._inner.close()

    @asynccontextmanager
    async def _call(self, call: str) -> AsyncIterator[None]:
        try:
            yield
        except ClusterError as error:
            self._failed(call, error)
            raise
        for key in [key for key in self._denied if key[0] == call]:
            log.info("right granted", right=self._denied.pop(key).right, call=call)

    def _failed(self, call: str, error: ClusterError) -> None:
        if isinstance(error, NotFound):
            return
        metrics.operator_request_failures.labels(call=call.partition(" ")[0], reason=_reason(error)).inc()
        if not isinstance(error, Forbidden):
            return
        key = (call, error.right)
        if key not in self._denied:
            log.error("right missing", right=error.right, call=call, error=str(error))
        now = self._clock()
        self._denied = {one: denial for one, denial in self._denied.items() if now - denial.at < _KEPT_SECONDS}
        self._denied[key] = _Denial(error.right, now)


def _reason(error: ClusterError) -> str:
    if isinstance(error, Forbidden):
        return "forbidden"
    if isinstance(error, ClusterUnavailable):
        return "unavailable"
    return "conflict" if isinstance(error, Conflict) else "rejected"
