"""Whose work comes next: a bounded number under way, shared among owners, and each owner's share among their queues. Pure.

It is max-min fairness (Bertsekas and Gallager, Data Networks, 6.5.2), one place at a time: the next goes to whoever has
fewest.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Queue:
    """Work of one owner, such as an import: how much of it is ``under_way``, and how much ``waiting`` could be."""

    key: UUID
    owner: str
    under_way: int
    waiting: int


def share(queues: Sequence[Queue], window: int) -> Mapping[UUID, int]:
    """How much of each queue may be sent now, by its key; in all no more than ``window`` is under way then, and no
    more than half of it for one owner: whoever comes later finds places, however slow that work is."""
    free = window - sum(queue.under_way for queue in queues)
    most = max(1, window // 2)
    granted: dict[UUID, int] = defaultdict(int)
    owners: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, queue in enumerate(queues):
        if queue.waiting > 0:
            heapq.heappush(owners[queue.owner], (queue.under_way, place))
    total: dict[str, int] = defaultdict(int)
    for queue in queues:
        total[queue.owner] += queue.under_way
    turns = [(total[owner], owner) for owner in sorted(owners)]
    heapq.heapify(turns)
    while free > 0 and turns:
        has, owner = heapq.heappop(turns)
        if has >= most:  # nor has anyone else fewer
            break
        mine = owners[owner]
        under_way, place = heapq.heappop(mine)
        queue = queues[place]
        granted[queue.key] += 1
        free -= 1
        if granted[queue.key] < queue.waiting:
            heapq.heappush(mine, (under_way + 1, place))
        if mine:
            heapq.heappush(turns, (has + 1, owner))
    return granted
