"""Whether a candidate acts, decided from what it saw of a Lease. Pure: no I/O, and times come in as arguments.

Times are seconds of the candidate's own monotonic clock; those in the Lease are another's and decide nothing. A holder acts
for two thirds of the lease from when it began its last renewal that succeeded. Another takes the Lease when it has not seen
it change for the whole lease, which began later: so they never act together, as long as their clocks run at about the same
speed. Where it is not sure that the holder before had that time, such as when the Lease is not there, a candidate takes it
and waits for these two thirds before it acts. Only an empty Lease that it finds at its start, as the chart makes it, is
taken and acted on at once: do not delete one and make it again while an operator acts and another starts, or both act until
the first has seen it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime

from heliograph_operator.cluster.errors import CALL_SECONDS
from heliograph_operator.cluster.port import LeaseRecord

ACTING_PART = 2 / 3
"""The part of the lease for which one that cannot renew it goes on acting."""
CALL_PART = 0.3
"""The part of the lease that a call may take: one that begins while the operator acts ends before another acts."""
MOST_SECONDS = 60
"""The longest lease there is; a Lease that was edited to hold for longer is waited for no longer than that."""
RELEASED_SECONDS = 1
"""What a released Lease says, as client-go has it. It has no holder and no time of acquisition either: a Lease from which
a person only removed the holder is not taken for it, because that holder acts until it has seen it."""

_NEVER = float("-inf")


def call_seconds(lease_seconds: float) -> float:
    """How long a call to the API server may take, so that no write outlives a lease of so many seconds."""
    return min(CALL_SECONDS, CALL_PART * lease_seconds)


class Candidate:
    """One operator's part in the election. ``see`` what was read, write what ``plan`` returns, then tell ``wrote``."""

    def __init__(self, identity: str, seconds: int) -> None:
        self._identity = identity
        self._seconds = seconds
        self._seen: LeaseRecord | None = None
        self._seen_at = _NEVER
        self._fresh = False
        self._held_for = seconds
        self._stamps: deque[datetime] = deque(maxlen=8)
        self._acts_from = self._acts_until = _NEVER
        self._stopped = False

    def acting(self, now: float) -> bool:
        """Whether it may act."""
        return not self._stopped and self._acts_from <= now < self._acts_until

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last read; may be empty."""
        return self._seen.holder if self._seen else ""

    def see(self, record: LeaseRecord | None, now: float) -> None:
        """The Lease as it was just read."""
        changed = _version(record) != _version(self._seen) or self._seen_at == _NEVER
        self._fresh = _never_held(record) and (self._seen_at == _NEVER or (self._fresh and not changed))
        self._seen = record
        if changed:
            self._seen_at = now
        if record and record.holder:
            self._held_for = record.seconds
        if not self._mine():
            self.contested()
            if changed:
                self._stamps.clear()

    def plan(self, now: float, time_of_day: datetime) -> LeaseRecord | None:
        """What to write so as to hold the Lease, or ``None`` while it is another's."""
        if not self._free(now):
            return None
        if not self._mine():
            self._acts_from = now if self._is_sure(now) else now + ACTING_PART * self._patience()
        stamp = time_of_day.replace(microsecond=time_of_day.microsecond or 1)
        self._stamps.append(stamp)  # before the write: it may succeed and its answer be lost
        seen = self._seen
        if seen is None:
            return LeaseRecord(self._identity, self._seconds, stamp, 0, "", stamp)
        renewed = replace(seen, seconds=self._seconds, renewed=stamp)
        if seen.holder == self._identity:
            return renewed
        return replace(renewed, holder=self._identity, transitions=seen.transitions + 1, acquired=stamp)

    def wrote(self, record: LeaseRecord, began: float) -> None:
        """What was planned has been written, by a call that began at ``began``."""
        self._acts_until = began + ACTING_PART * self._seconds
        self._seen, self._seen_at = record, began
        self._held_for = record.seconds

    def contested(self) -> None:
        """Another may hold the Lease: it does not act until it has written it again."""
        self._acts_until = _NEVER

    def stop(self) -> None:
        """It acts no more."""
        self._stopped = True

    def released(self, time_of_day: datetime) -> LeaseRecord | None:
        """What to write so that another need not wait; ``None`` where the Lease is not this candidate's."""
        if self._seen is None or not self._mine():
            return None
        return replace(self._seen, holder="", seconds=RELEASED_SECONDS, renewed=time_of_day, acquired=None)

    def wait(self, now: float) -> float:
        """Seconds until it looks again: five times a lease, and right when the holder's time is over."""
        period = self._seconds / 5
        if self._free(now):
            return period
        return min(period, max(0.0, self._seen_at + self._patience() - now))

    def _free(self, now: float) -> bool:
        seen = self._seen
        return seen is None or seen.holder == self._identity or self._unheld() or self._expired(now)

    def _is_sure(self, now: float) -> bool:
        """Whether none who held it before can be acting. One that finds its own name in a Lease which it did not write is
        not sure: it is the successor in the same pod, or a person wrote the name there."""
        return self._unheld() or (self._expired(now) and self.holder != self._identity)

    def _mine(self) -> bool:
        seen = self._seen
        return seen is not None and seen.holder == self._identity and seen.renewed in self._stamps

    def _was_released(self) -> bool:
        seen = self._seen
        return seen is not None and not seen.holder and seen.seconds == RELEASED_SECONDS and seen.acquired is None

    def _unheld(self) -> bool:
        """Whether it was released, or nobody has held it since it was made: an empty one in place of another is not sure."""
        return self._fresh or self._was_released()

    def _expired(self, now: float) -> bool:
        return self._seen is not None and now - self._seen_at >= self._patience()

    def _patience(self) -> float:
        """The longer of its own lease and the holder's, which may have another setting."""
        return min(max(self._held_for, self._seconds), MOST_SECONDS)


def _never_held(record: LeaseRecord | None) -> bool:
    """As the chart makes it."""
    return record is not None and not (record.holder or record.renewed or record.acquired or record.transitions)


def _version(record: LeaseRecord | None) -> str:
    return record.version if record else ""
