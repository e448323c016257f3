"""The control law: what holds for all figures, and single decisions."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from heliograph_operator import law
from heliograph_operator.law import Decision, History
from heliograph_operator.model import Limits, ScalerSpec, Signal, Target, Term

SERVICE_SECONDS = 0.5

figures = st.floats(0, 1e6)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    minimum = draw(st.integers(0, 50))
    return Limits(
        minimum=minimum,
        maximum=draw(st.integers(max(1, minimum), 1000)),
        drain_seconds=draw(st.floats(1, 3600)),
        slots=draw(st.floats(0.5, 64)),
        utilization=draw(st.floats(0.1, 1)),
        stabilization_seconds=draw(st.floats(10, 600)),
    )


@st.composite
def signals(draw: st.DrawFn) -> Signal:
    backlog = draw(st.integers(0, 100_000))
    return Signal(
        backlog=backlog,
        in_flight=draw(st.integers(0, backlog)),
        arrival_rate=draw(figures),
        service_rate=draw(st.none() | st.floats(1e-4, 1e4)),
        slots=None,
    )


ORDINARY = Limits(minimum=0, maximum=100, drain_seconds=20, slots=1, utilization=0.8, stabilization_seconds=90)
IDLE = Signal(backlog=0, in_flight=0, arrival_rate=0, service_rate=None, slots=None)
LOADED = Signal(backlog=480, in_flight=0, arrival_rate=12, service_rate=3.9, slots=None)


def decide(
    limits: Limits, signal: Signal, history: History, replicas: int, at: float = 0.0, **flags: bool
) -> tuple[Decision, History]:
    return law.decide(limits, signal, history, replicas, at, service_seconds=SERVICE_SECONDS, **flags)


def followed(limits: Limits, steps: list[Signal], replicas: int, seconds: float = 1.0) -> list[Decision]:
    """What is decided with one signal after the other, each decision carried out."""
    history, decisions = History(), []
    for number, signal in enumerate(steps):
        decision, history = decide(limits, signal, history, replicas, number * seconds)
        replicas = decision.replicas
        decisions.append(decision)
    return decisions


@given(limits(), st.lists(signals(), min_size=1, max_size=20), st.integers(0, 2000), st.booleans(), st.booleans())
def test_the_bounds_hold_always(
    limits: Limits, steps: list[Signal], replicas: int, no_scale_in: bool, no_scale_out: bool
) -> None:
    history = History()
    for at, signal in enumerate(steps):
        decision, history = decide(
            limits, signal, history, replicas, at, no_scale_in=no_scale_in, no_scale_out=no_scale_out
        )
        replicas = decision.replicas
        assert limits.minimum <= replicas <= limits.maximum
        assert decision.saturated == (decision.wanted > limits.maximum)
        assert decision.message


@given(limits(), signals(), st.integers(0, 10_000), st.integers(0, 2000))
def test_more_backlog_never_means_fewer_replicas(limits: Limits, signal: Signal, more: int, replicas: int) -> None:
    less, _ = decide(limits, signal, History(), replicas)
    greater, _ = decide(limits, replace(signal, backlog=signal.backlog + more), History(), replicas)
    assert greater.wanted >= less.wanted
    assert greater.replicas >= less.replicas


@given(limits(), st.lists(signals(), max_size=10), signals(), st.integers(0, 2000))
def test_asked_again_at_once_it_decides_the_same(
    limits: Limits, before: list[Signal], signal: Signal, replicas: int
) -> None:
    history = History()
    for at, earlier in enumerate(before):
        decision, history = decide(limits, earlier, history, replicas, at)
        replicas = decision.replicas
    first, history = decide(limits, signal, history, replicas, len(before))
    carried_out, after = decide(limits, signal, history, first.replicas, len(before))
    assert carried_out.replicas == first.replicas
    not_carried_out, _ = decide(limits, signal, after, replicas, len(before))
    assert not_carried_out.replicas == first.replicas


@given(limits(), st.lists(signals(), max_size=10), signals(), st.integers(1, 2000))
def test_it_never_scales_in_below_the_work_in_hand_nor_by_more_than_half(
    limits: Limits, before: list[Signal], signal: Signal, replicas: int
) -> None:
    assume(limits.minimum <= replicas <= limits.maximum)
    history = History()
    for at, earlier in enumerate([*before, signal]):
        decision, history = decide(limits, earlier, history, replicas, at * 12.0)
        if decision.replicas < replicas:
            assert decision.replicas * limits.slots >= min(earlier.in_flight, limits.maximum * limits.slots) - 1e-6
            assert replicas - decision.replicas <= max(1, replicas // 2)
            assert decision.replicas or replicas == 1
        replicas = decision.replicas


@given(st.lists(st.integers(0, 4), max_size=20), st.integers(1, 20), st.floats(0.5, 64))
def test_every_pod_with_a_message_in_hand_stays(busy: list[int], replicas: int, slots: float) -> None:
    in_hand = {f"pod-{number}": count for number, count in enumerate(busy)}
    signal = replace(IDLE, backlog=sum(busy), in_flight=sum(busy), service_rate=100, busy=in_hand)
    limits = replace(ORDINARY, slots=slots)
    history = History(peaks=((0.0, 0),), at=0.0)
    decision, _ = decide(limits, signal, history, replicas, 1.0)
    assert decision.replicas >= min(replicas, sum(count > 0 for count in busy))


def test_pods_with_one_long_message_each_stay_until_it_ends() -> None:
    spread = Signal(
        backlog=8, in_flight=8, arrival_rate=0, service_rate=1 / 600, slots=4, busy={f"pod-{n}": 1 for n in range(8)}
    )
    limits = replace(ORDINARY, slots=4)
    history = History(peaks=((0.0, 0),), at=0.0)
    kept, history = decide(limits, spread, history, 8, 1.0)
    assert (kept.replicas, kept.term) == (8, Term.IN_FLIGHT)
    assert kept.message.endswith("8 kept for 8 messages in hand")
    fewer, _ = decide(limits, replace(spread, busy={"pod-0": 1, "pod-1": 1, "pod-2": 0}), history, 8, 2.0)
    assert fewer.replicas == 4


@given(st.integers(2, 1000), st.integers(1, 10), st.integers(1, 64))
def test_from_many_to_zero_one_step_at_a_time(replicas: int, seconds: int, slots: int) -> None:
    limits = replace(ORDINARY, maximum=1000, slots=slots)
    decisions = followed(limits, [IDLE] * 400, replicas, seconds)
    counts = [replicas, *(each.replicas for each in decisions)]
    changes = [index for index, (old, new) in enumerate(pairwise(counts)) if old != new]
    assert counts[-1] == 0
    assert all(new >= old / 2 or old == 1 for old, new in pairwise(counts))
    assert changes[0] * seconds >= limits.stabilization_seconds - seconds
    assert all((later - sooner) * seconds >= law.STEP_SECONDS for sooner, later in pairwise(changes))


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-5, 2**63),
    st.integers(-5, 2**63),
)
def test_any_figure_gives_a_decision(
    arrivals: float, rate: float | None, slots: float | None, backlog: int, in_flight: int
) -> None:
    signal = Signal(backlog=backlog, in_flight=in_flight, arrival_rate=arrivals, service_rate=rate, slots=slots)
    limits = law.limits_of(SPEC, signal)
    assert 0 < limits.slots < math.inf
    history = History()
    for at in (0.0, 1.0, 0.5, 1e9):
        decision, history = decide(limits, signal, history, 3, at)
        assert SPEC.min_replicas <= decision.replicas <= SPEC.max_replicas
        assert 0 <= decision.wanted <= law.MOST
        assert "nan" not in decision.message
        assert "inf" not in decision.message


SPEC = ScalerSpec(
    target=Target("Deployment", "thumbnailer"),
    stream="WORK",
    consumers=("thumbnails",),
    min_replicas=1,
    max_replicas=20,
    drain_seconds=20,
    stabilization_seconds=90,
    utilization=0.8,
    slots=2,
    service_seconds=0.5,
    dry_run=False,
)


def test_the_slots_that_workers_tell_count_before_those_of_the_spec() -> None:
    assert law.limits_of(SPEC, IDLE).slots == 2
    assert law.limits_of(SPEC, replace(IDLE, slots=3.5)).slots == 3.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rate", "service_seconds", "slots"), [(4.0, 0.25, 2), (20.0, 0.25, 2), (80.0, 0.25, 2), (3.0, 3.0, 2)]
)
def test_constant_load_flaps_at_most_once_in_ten_minutes(
    rate: float, service_seconds: float, slots: int, seed: int
) -> None:
    """Poisson arrivals as the signal counts them, and as many messages in hand as such arrivals make."""
    spare = random.Random(seed)
    limits = replace(ORDINARY, slots=slots)
    counts = [0.0] * 10
    steps = []
    for _ in range(3600):
        counts = [*counts[1:], _poisson(spare, rate)]
        in_hand = int(_poisson(spare, rate * service_seconds))
        arrivals = sum(counts) / len(counts)
        steps.append(
            Signal(
                backlog=in_hand, in_flight=in_hand, arrival_rate=arrivals, service_rate=1 / service_seconds, slots=None
            )
        )
    replicas = [decision.replicas for decision in followed(limits, steps, 1)[600:]]
    ups = [new > old for old, new in pairwise(replicas) if new != old]
    assert sum(one != other for one, other in pairwise(ups)) <= 5
    assert min(replicas) * slots >= rate * service_seconds


def _poisson(spare: random.Random, mean: float) -> int:
    limit, count, product = math.exp(-mean), 0, spare.random()
    while product > limit:
        count, product = count + 1, product * spare.random()
    return count


def test_a_message_that_came_wakes_one_at_once() -> None:
    decision, _ = decide(ORDINARY, replace(IDLE, backlog=1), History(), 0)
    assert (decision.replicas, decision.wanted) == (1, 1)


def test_the_backlog_is_gone_in_the_time_that_was_asked_for() -> None:
    decision, _ = decide(ORDINARY, LOADED, History(), 1)
    assert (decision.replicas, decision.term) == (12, Term.DRAIN)  # (12/s + 480/20 s) / (0.8 * 3.9/s) = 11.5
    assert decision.message == "480 messages, 12.0/s arriving, 3.9/s a slot: 12 replicas drain it in 20 s"


def test_few_long_jobs_get_a_slot_each_and_no_more() -> None:
    signal = Signal(backlog=3, in_flight=0, arrival_rate=0, service_rate=1 / 600, slots=None)
    decision, _ = decide(ORDINARY, signal, History(), 0)
    assert (decision.replicas, decision.term) == (3, Term.WORK)
    assert decision.message == "3 messages, 0.0/s arriving, 600.0 s each: 3 replicas are a slot for each"


@given(st.floats(0.1, 500), st.floats(0.01, 100))
def test_a_small_backlog_does_not_cut_what_arrivals_need(arrivals: float, rate: float) -> None:
    signal = Signal(backlog=1, in_flight=1, arrival_rate=arrivals, service_rate=rate, slots=None)
    decision, _ = decide(replace(ORDINARY, maximum=1000), signal, History(), 0)
    assert decision.wanted >= min(arrivals / rate, law.MOST) - 1e-6


def test_until_a_message_was_done_it_takes_what_the_spec_says() -> None:
    unknown, _ = decide(ORDINARY, replace(LOADED, service_rate=None), History(), 0)
    known, _ = decide(ORDINARY, replace(LOADED, service_rate=1 / SERVICE_SECONDS), History(), 0)
    assert unknown == known


def test_after_a_load_replicas_stay_for_the_window_and_then_go_by_halves() -> None:
    steps = [LOADED] * 3 + [IDLE] * 300
    decisions = followed(ORDINARY, steps, 0)
    assert {decision.replicas for decision in decisions[:90]} == {12}
    assert decisions[80].term is Term.STABILIZATION
    assert "12 kept for the load of the last 90 s" in decisions[80].message
    counts = [decision.replicas for decision in decisions]
    assert sorted(set(counts), reverse=True)[0] == 12
    assert counts[-1] == 0
    assert counts == sorted(counts, reverse=True)


def test_noise_within_the_margin_changes_nothing() -> None:
    heavy = Signal(backlog=40, in_flight=40, arrival_rate=40, service_rate=1, slots=None)
    light = replace(heavy, arrival_rate=37)
    decisions = followed(ORDINARY, [heavy] + [light] * 400, 0)
    assert len({decision.replicas for decision in decisions}) == 1


def test_work_in_hand_keeps_its_replicas() -> None:
    busy = Signal(backlog=9, in_flight=9, arrival_rate=0, service_rate=100, slots=None)
    decisions = followed(ORDINARY, [busy] * 200, 10)
    assert decisions[-1].replicas == 9
    assert decisions[-1].term is Term.IN_FLIGHT


def test_a_paused_consumer_holds_what_there_is_but_not_what_more_work_needs() -> None:
    nothing_wanted = History(peaks=((0.0, 0),), at=0.0)
    assert decide(ORDINARY, IDLE, nothing_wanted, 8, 1.0)[0].replicas == 4
    held, _ = decide(ORDINARY, IDLE, nothing_wanted, 8, 1.0, no_scale_in=True)
    assert (held.replicas, held.term) == (8, Term.HELD)
    more, _ = decide(ORDINARY, LOADED, History(), 8, no_scale_in=True)
    assert more.replicas == 12


def test_stalled_workers_are_not_made_more() -> None:
    decision, _ = decide(ORDINARY, LOADED, History(), 3, no_scale_out=True)
    assert (decision.replicas, decision.term, decision.wanted) == (3, Term.HELD, 12)
    asleep, _ = decide(ORDINARY, LOADED, History(), 0, no_scale_out=True)
    assert asleep.replicas == 1  # whoever sleeps cannot tell that the server is back


def test_minimum_and_maximum_may_be_the_same() -> None:
    limits = replace(ORDINARY, minimum=4, maximum=4)
    assert {decide(limits, signal, History(), 4)[0].replicas for signal in (IDLE, LOADED)} == {4}
    assert decide(limits, LOADED, History(), 4)[0].saturated


@pytest.mark.parametrize(("replicas", "expected", "term"), [(0, 2, Term.MINIMUM), (500, 10, Term.MAXIMUM)])
def test_what_is_outside_of_the_bounds_is_brought_inside_at_once(replicas: int, expected: int, term: Term) -> None:
    decision, _ = decide(replace(ORDINARY, minimum=2, maximum=10), IDLE, History(), replicas)
    assert (decision.replicas, decision.term) == (expected, term)


def test_new_bounds_hold_from_the_next_decision_on() -> None:
    _, history = decide(ORDINARY, LOADED, History(), 12)
    lower, history = decide(replace(ORDINARY, maximum=5), LOADED, history, 12, 1.0)
    assert (lower.replicas, lower.saturated) == (5, True)
    higher, _ = decide(replace(ORDINARY, minimum=20), LOADED, history, 5, 2.0)
    assert higher.replicas == 20


def test_after_a_gap_what_was_wanted_before_counts_as_unknown() -> None:
    _, history = decide(ORDINARY, IDLE, History(), 0, 0.0)
    decision, _ = decide(ORDINARY, IDLE, history, 30, law.GAP_SECONDS + 1)
    assert decision.replicas == 30
