"""What a Deployment's replicas were from moment to moment, as a thread of its own sees them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from tests.e2e.cluster import Cluster
from tests.e2e.shell import Failed

_EVERY = 0.2
_FIELDS = "{.spec.replicas} {.status.replicas} {.status.readyReplicas}"


@dataclass(frozen=True)
class Seen:
    """At ``at`` of the monotonic clock: replicas that are set, those that exist, and those that are ready."""

    at: float
    wanted: int
    existing: int
    ready: int


class Sampler:
    """Looks from entry to exit."""

    def __init__(self, cluster: Cluster, deployment: str) -> None:
        self.seen: list[Seen] = []
        self._cluster = cluster
        self._deployment = deployment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sampler:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def until(self, condition: Callable[[Seen], bool], seconds: float, what: str) -> None:
        """Returns when the condition holds."""
        end = time.monotonic() + seconds
        while not condition(self.seen[-1]):
            if time.monotonic() > end:
                raise Failed(f"{what}: not within {seconds:.0f} s; last seen {self.seen[-1]}")
            time.sleep(_EVERY)

    def first(self, since: float, condition: Callable[[Seen], bool]) -> float:
        """Seconds from ``since`` to the first time that the condition held; ``Failed`` where it never did."""
        found = next((seen.at for seen in self.seen if seen.at >= since and condition(seen)), None)
        if found is None:
            raise Failed(f"never seen of {self._deployment}; last {self.seen[-1]}")
        return found - since

    def peak(self) -> int:
        """The most replicas that were set."""
        return max(seen.wanted for seen in self.seen)

    def replica_seconds(self, since: float = 0.0) -> float:
        """Of pods that existed, whether ready or not."""
        pairs = zip(self.seen, self.seen[1:], strict=False)
        return sum((after.at - before.at) * before.existing for before, after in pairs if before.at >= since)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        text = self._cluster.kubectl("get", "deployment", self._deployment, "-o", f"jsonpath={_FIELDS}", check=False)
        numbers = [int(word or 0) for word in text.split(" ")] if text.replace(" ", "").isdigit() else []
        if len(numbers) == 3:
            self.seen.append(Seen(time.monotonic(), *numbers))
