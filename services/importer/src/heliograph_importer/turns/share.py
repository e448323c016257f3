"""Whose files come next: a bounded number under way, shared among owners, and each owner's share among their imports. Pure.

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
    """An import: how many of its files are ``under_way``, and how many ``waiting`` could be."""

    key: UUID
    owner: str
    under_way: int
    waiting: int


def share(queues: Sequence[Queue], window: int) -> Mapping[UUID, int]:
    """How many files each import may send now, by its key; in all no more than ``window`` are under way then, and no
    more than half of it for one owner: whoever comes later finds places, however slow those files are."""
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
        imports = owners[owner]
        under_way, place = heapq.heappop(imports)
        queue = queues[place]
        granted[queue.key] += 1
        free -= 1
        if granted[queue.key] < queue.waiting:
            heapq.heappush(imports, (under_way + 1, place))
        if imports:
            heapq.heappush(turns, (has + 1, owner))
    return granted
