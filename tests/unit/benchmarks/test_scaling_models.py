"""The models of other autoscalers, against the figures of their own documentation and source."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from benchmarks.scaling import hpa, keda, knative
from benchmarks.scaling.scenarios import SCENARIOS, THUMBNAILS, Scenario
from benchmarks.scaling.simulation import Figures, Pod

SCENARIO = Scenario(name="test", seconds=1000, rate=lambda _: 0, peak=1, onsets=(), work=THUMBNAILS, maximum=100)
FROM_ZERO = replace(SCENARIO, minimum=0)


def figures(at: float, *, lag: int, replicas: int, delayed: int = 0, visible: bool = True) -> Figures:
    pods = [Pod(0.0) for _ in range(replicas)]
    for pod in pods:
        pod.ready_at = 0.0
    return Figures(
        at=at,
        waiting=lag,
        in_hand=0,
        delayed=delayed,
        arrived=lag,
        completed=0,
        busy_seconds=0,
        replicas=replicas,
        pods=pods,
        visible=visible,
    )


def test_the_hpa_doubles_and_halves_as_its_documentation_says() -> None:
    """``200m`` where ``100m`` is desired doubles, ``50m`` halves; within 10 % nothing is done; 50 at 90 % of 75 % become 60
    (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details, its blog on tolerance)."""
    assert hpa.by_ratio(4, 200 / 100) == 8
    assert hpa.by_ratio(4, 50 / 100) == 2
    assert [hpa.by_ratio(10, ratio) for ratio in (0.91, 1.0, 1.09)] == [10, 10, 10]
    assert hpa.by_ratio(50, 90 / 75) == 60


def test_an_external_metric_is_divided_by_its_target() -> None:
    assert hpa.by_average(3, 95, 10) == 10
    assert hpa.by_average(10, 105, 10) == 10  # within the tolerance
    assert hpa.by_average(10, 0, 10) == 0  # the minimum is applied afterwards


def test_within_15_seconds_it_doubles_or_adds_four() -> None:
    assert [hpa.scale_up_limit(count) for count in (1, 3, 4, 10)] == [5, 7, 8, 20]
    behavior = hpa.Behavior(1, 100)
    replicas, course = 1, []
    for sync in range(6):
        replicas = behavior.apply(sync * 15.0, replicas, 70)
        course.append(replicas)
    assert course == [5, 10, 20, 40, 70, 70]


def test_it_scales_in_by_the_most_of_300_seconds_and_then_at_once() -> None:
    behavior = hpa.Behavior(1, 100)
    replicas = behavior.apply(0.0, 40, 60)
    course = {at: behavior.apply(at, replicas, 2) for at in range(15, 330, 15)}
    assert course[300] == 60
    assert course[315] == 2


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([0.9, 0.9], 3),  # 2 * 0.9/0.7 = 2.6
        ([1.4, None, None], 3),  # out: the two count as idle, and 1.4/3 is below the target: no change
        ([1.4, 1.4, None], 4),  # 2.8/3/0.7 = 1.33 of three
        ([0.1, None], 1),
        ([None], 1),
    ],
)
def test_on_cpu_a_pod_without_a_sample_is_set_aside(usages: list[float | None], expected: int) -> None:
    assert hpa.recommended_by_usage(len(usages), usages, 0.7) == expected


def test_keda_wakes_one_at_its_poll_and_leaves_the_rest_to_the_hpa() -> None:
    scaler = keda.Keda(FROM_ZERO, seed=1)
    course: list[tuple[int, int]] = []
    replicas = 0
    for second in range(90):
        before, replicas = replicas, scaler.look(figures(second, lag=1000, replicas=replicas))
        course += [(second, replicas)] if replicas != before else []
    assert course[0][0] <= keda.POLLING_SECONDS
    assert [count for _, count in course][:4] in ([1, 5, 10, 20], [5, 10, 20, 40])  # both may come in one second
    assert [later - sooner for (sooner, _), (later, _) in pairwise(course[1:4])] == [15, 15]


def test_keda_counts_what_is_delayed_and_goes_to_zero_after_its_cooldown() -> None:
    scaler = keda.Keda(FROM_ZERO, seed=1)
    assert max(scaler.look(figures(at, lag=0, delayed=100, replicas=5)) for at in range(40)) == 10
    replicas, gone = 10, None
    for second in range(40, 500):
        replicas = scaler.look(figures(second, lag=0, replicas=replicas))
        gone = gone or (second if not replicas else None)
    assert gone is not None
    assert keda.COOLDOWN_SECONDS <= gone - 10 <= keda.COOLDOWN_SECONDS + 2 * keda.POLLING_SECONDS


def test_keda_without_figures_changes_nothing() -> None:
    scaler = keda.Keda(FROM_ZERO, seed=1)
    assert {scaler.look(figures(at, lag=1000, replicas=3, visible=False)) for at in range(900)} == {3}


def test_knative_divides_the_mean_concurrency_by_its_target() -> None:
    """10 at a time with a target of 7 of 10: 100 requests make 15 pods."""
    assert knative.scale(0.0, 10, 100, 100, 7, knative.Panic()) == 15


def test_knative_halves_at_most_and_panics_at_twice_the_pods() -> None:
    assert knative.scale(0.0, 10, 1, 1, 1, knative.Panic()) == 5
    panic = knative.Panic()
    assert knative.scale(0.0, 10, 10, 19, 1, panic) == 10
    assert panic.since is None
    assert knative.scale(2.0, 10, 10, 20, 1, panic) == 20


def test_knative_does_not_scale_in_until_the_panic_is_over_for_the_stable_window() -> None:
    panic = knative.Panic()
    assert knative.scale(0.0, 10, 10, 40, 1, panic) == 40
    assert knative.scale(60.0, 40, 10, 10, 1, panic) == 40
    assert knative.scale(61.0, 40, 10, 10, 1, panic) == 20


def test_knative_wakes_at_once_and_sleeps_after_window_and_grace() -> None:
    scaler = knative.Knative(FROM_ZERO, seed=1)
    assert scaler.look(figures(0.0, lag=1, replicas=0)) == 1
    asleep = next(at for at in range(1, 300) if not scaler.look(figures(float(at), lag=0, replicas=1)))
    assert (
        knative.STABLE_SECONDS + knative.GRACE_SECONDS - 5
        <= asleep
        <= knative.STABLE_SECONDS + knative.GRACE_SECONDS + 5
    )


def test_scenarios_have_names_of_their_own() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
