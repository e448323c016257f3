"""What is remembered for one scaler from look to look, and the signal that follows from a look. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heliograph_common.bus.consumers import ConsumerState
from heliograph_operator.model import ScalerSpec, Signal
from heliograph_operator.signal.fleet import Fleet, Live, Progress
from heliograph_operator.signal.rates import Arrivals, ServiceRate


class Series:
    """The consumers of one scaler over time."""

    def __init__(self, consumers: Sequence[str], now: float) -> None:
        self.looked_at = now
        self._consumers = consumers
        self._arrivals = {name: Arrivals() for name in consumers}
        self._finished = dict.fromkeys(consumers, 0)
        self._service = ServiceRate()
        self._seconds = 0.0
        self._completions = 0
        self._slots: float | None = None

    def note(self, progress: Progress) -> None:
        """What a worker has done, which may be none of these consumers' business."""
        ours = [name for name in progress.finished if name in self._finished]
        for name in ours:
            self._finished[name] += progress.finished[name]
        if ours:
            self._seconds += progress.seconds
            self._completions += progress.completions

    def look(self, states: Mapping[str, ConsumerState | None], fleet: Fleet, spec: ScalerSpec, now: float) -> Signal:
        """The signal of a look at ``now`` that found ``states``."""
        self._service.note(now - self.looked_at, seconds=self._seconds, completions=self._completions)
        self._seconds, self._completions, self.looked_at = 0.0, 0, now
        live = fleet.live(self._consumers, now)
        pending = in_flight = 0
        rate = 0.0
        for name in self._consumers:
            state = states[name]
            if state is None:
                self._arrivals[name].forget()
                continue
            self._arrivals[name].note(
                now, load=state.pending + state.unacked, finished=self._finished[name], incarnation=state.created
            )
            if not state.paused:
                pending += state.pending
                in_flight += max(0, state.unacked - fleet.delayed(name, now))
                rate += self._arrivals[name].rate
        in_flight = max(
            in_flight, _in_hand(live, {name for name, state in states.items() if state and not state.paused})
        )
        staying = [each for each in live if not each.handler.stopping]
        return Signal(
            backlog=pending + in_flight,
            in_flight=in_flight,
            arrival_rate=rate,
            service_rate=self._service.rate(spec.service_seconds),
            slots=self._slots_of(staying),
            busy=fleet.busy(self._consumers, now),
            stalled=bool(staying) and all(_held_up(each) for each in staying),
            workers=len({each.process for each in staying}),
            missing=tuple(name for name in self._consumers if states[name] is None),
            paused=tuple(name for name, state in states.items() if state is not None and state.paused),
        )

    def _slots_of(self, live: Sequence[Live]) -> float | None:
        """Of one process on average; as they told last where there is none."""
        processes = {each.process for each in live}
        if processes:
            self._slots = sum(each.handler.slots for each in live) / len(processes) or None
        return self._slots


def _in_hand(live: Sequence[Live], durables: set[str]) -> int:
    """Messages that workers of ``durables`` alone have in hand: work that they took from its row counts with no consumer."""
    return sum(each.handler.busy for each in live if all(queue.durable in durables for queue in each.handler.queues))


def _held_up(worker: Live) -> bool:
    """Whether it would do no more if there were more to do: it takes nothing, or all that it does is to wait."""
    handler = worker.handler
    return not handler.taking or 0 < handler.busy <= handler.stalled
