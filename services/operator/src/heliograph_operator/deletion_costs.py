"""Makes idle pods go first when a workload is scaled in: each pod is annotated with the number of messages that it has in
hand, which the ReplicaSet's controller respects. (Pods of a StatefulSet go by their number, whatever they cost.)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from heliograph_operator.cluster.port import Cluster, NotFound

AT_ONCE = 8
"""How many pods are annotated at a time."""


async def spare_busy_pods(
    cluster: Cluster, selector: str, busy: Mapping[str, int], may_write: Callable[[], bool]
) -> int:
    """Annotates the pods whose cost changed, and returns how many. ``busy``: messages in hand by pod. One that is not there
    is idle, or has only just started; but where no pod is there, nobody is heard, and those that are ready stay as they are.
    ``may_write`` is asked right before each write. Raises what the cluster does, but not for a pod that is gone."""
    changes = [
        (pod.name, busy.get(pod.name, 0))
        for pod in await cluster.pods(selector)
        if not pod.terminating and (busy or not pod.ready) and (pod.deletion_cost or 0) != busy.get(pod.name, 0)
    ]
    turns = asyncio.Semaphore(AT_ONCE)

    async def annotate(pod: str, cost: int) -> None:
        async with turns:
            if not may_write():
                return
            try:
                await cluster.set_deletion_cost(pod, cost)
            except NotFound:
                return

    results = await asyncio.gather(*(annotate(pod, cost) for pod, cost in changes), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return len(changes)
