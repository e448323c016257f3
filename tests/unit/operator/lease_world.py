"""A simulated API server with one Lease, and candidates whose clocks differ, whose calls are slow, lost or applied late, who
are killed and started again, while people edit the Lease. Time is simulated."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from heliograph_operator.cluster.port import LeaseRecord
from heliograph_operator.lease import Candidate, call_seconds

LEASE = 10
CALL_SECONDS = call_seconds(LEASE)
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Process:
    """One run of an operator, with a monotonic clock that began anywhere and a time of day that may be wrong."""

    def __init__(self, identity: str, chance: random.Random, seconds: int = LEASE) -> None:
        self.identity = identity
        self.candidate = Candidate(identity, seconds)
        self.alive = True
        self._offset = chance.uniform(0, 1e6)
        self._speed = chance.uniform(0.97, 1.03)
        self._wrong = timedelta(seconds=chance.uniform(-1e6, 1e6))

    def clock(self, now: float) -> float:
        """Its monotonic clock."""
        return now * self._speed + self._offset

    def time_of_day(self, now: float) -> datetime:
        """What it takes for the time of day."""
        return _EPOCH + timedelta(seconds=now) + self._wrong

    def acting(self, now: float) -> bool:
        """Whether it acts."""
        return self.alive and self.candidate.acting(self.clock(now))


class LeaseWorld:
    """Runs events in the order of their time. ``trouble`` is how likely a call is slow, lost or applied late."""

    def __init__(self, chance: random.Random, trouble: float = 0.0) -> None:
        self.now = 0.0
        self.record: LeaseRecord | None = None
        self.reachable = True
        self.processes: list[Process] = []
        self._chance = chance
        self._trouble = trouble
        self._version = 0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = 0

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Plans an event."""
        self._order += 1
        heapq.heappush(self._events, (max(when, self.now), self._order, action))

    def start(self, identity: str, seconds: int = LEASE) -> Process:
        """A process that stands for election from now on."""
        process = Process(identity, self._chance, seconds)
        self.processes.append(process)
        self._round(process)
        return process

    def run(self, until: float, step: float = 0.25) -> dict[str, float]:
        """Goes on until then. Returns how long each identity acted; raises ``AssertionError`` when two act at a time."""
        acted: dict[str, float] = {}
        while self.now < until:
            upcoming = min(self._events[0][0] if self._events else until, self.now + step, until)
            acting = [process.identity for process in self.processes if process.acting(self.now)]
            assert len(acting) <= 1, f"{acting} act together after {self.now:.2f} s"
            for identity in acting:
                acted[identity] = acted.get(identity, 0.0) + upcoming - self.now
            self.now = upcoming
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
        return acted

    def edit(self, **fields: object) -> None:
        """By hand."""
        if self.record is not None:
            self._version += 1
            self.record = replace(self.record, **fields, version=str(self._version))  # type: ignore[arg-type]

    def delete(self) -> None:
        """By hand."""
        self.record = None

    def _delay(self) -> float:
        return (
            self._chance.uniform(0, 8) if self._chance.random() < self._trouble else self._chance.uniform(0.001, 0.05)
        )

    def _fails(self) -> bool:
        return not self.reachable or self._chance.random() < self._trouble / 4

    def _round(self, process: Process) -> None:
        began = self.now

        def read() -> None:
            record, failed = self.record, self._fails()
            self.at(self.now + self._delay(), lambda: answered(record, failed=failed))

        def answered(record: LeaseRecord | None, *, failed: bool) -> None:
            if not process.alive:
                return
            if failed or self.now - began > CALL_SECONDS:
                self._again(process, LEASE / 10)
                return
            process.candidate.see(record, process.clock(self.now))
            self._write(process)

        self.at(self.now + self._delay(), read)

    def _write(self, process: Process) -> None:
        began = self.now
        planned = process.candidate.plan(process.clock(began), process.time_of_day(began))
        if planned is None:
            self._again(process, process.candidate.wait(process.clock(began)))
            return

        def apply() -> None:
            result = None if not self.reachable else self._put(planned)
            lost = not self.reachable or self._fails()
            self.at(self.now + self._delay(), lambda: answered(result, lost=lost))

        def answered(result: LeaseRecord | bool | None, *, lost: bool) -> None:
            in_time = self.now - began <= CALL_SECONDS
            if in_time and not lost and isinstance(result, LeaseRecord):
                process.candidate.wrote(result, process.clock(began))
            elif in_time and not lost:
                process.candidate.contested()
            self._again(process, process.candidate.wait(process.clock(self.now)))

        self.at(self.now + self._delay(), apply)

    def _put(self, planned: LeaseRecord) -> LeaseRecord | None:
        """As the API server does it, to which the adapter gives version and uid as preconditions."""
        if planned.version != (self.record.version if self.record else ""):
            return None
        self._version += 1
        self.record = replace(planned, version=str(self._version))
        return self.record

    def _again(self, process: Process, seconds: float) -> None:
        if process.alive:
            self.at(self.now + max(seconds, 0.01), lambda: self._round(process) if process.alive else None)
