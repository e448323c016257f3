"""One look and what follows: acting, holding, telling it once."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from tests.unit.operator.support import ScriptedOperator

from heliograph_common.telemetry import metrics
from heliograph_operator.cluster.port import ClusterUnavailable, Forbidden, NotFound, Pod


async def test_out_at_once_and_said_once() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    await operator.tick(3)
    assert operator.cluster.set_to == [3]
    assert operator.cluster.events == ["ScaledUp"]
    assert operator.status["replicas"] == 3
    assert operator.status["lastScaleReason"].startswith("Drain: ")
    assert [(one["from"], one["to"]) for one in operator.status["decisions"]] == [(0, 3)]
    assert operator.condition("Ready")["status"] == "True"


async def test_busy_pods_are_spared_before_it_scales_in() -> None:
    operator = ScriptedOperator(replicas=4)
    pods = [
        Pod(name, cost, ready=True, terminating=False) for name, cost in (("a", None), ("b", 7), ("c", 1), ("d", 0))
    ]
    operator.cluster.pods_there = pods
    operator.load(1, in_flight=1, busy={"c": 1, "gone": 1})
    await operator.tick(62)
    assert operator.cluster.set_to[0] == 2
    assert operator.cluster.costs == {"b": 0}
    first = operator.cluster.calls.index("set_replicas")
    assert operator.cluster.calls.index("set_deletion_cost") < first


async def test_a_pod_that_is_gone_holds_nothing_up() -> None:
    operator = ScriptedOperator(replicas=4)
    operator.load(0, busy={"a": 0})
    operator.cluster.pods_there = [Pod("a", 3, ready=True, terminating=False)]
    operator.cluster.faults["set_deletion_cost"] = NotFound("a")
    await operator.tick(62)
    assert operator.cluster.set_to == [2]


async def test_after_a_takeover_nothing_goes_within_a_whole_window() -> None:
    operator = ScriptedOperator(replicas=8)
    await operator.tick(50)
    operator.reconciler = operator.operator()
    await operator.tick(59)
    assert operator.cluster.set_to == []
    await operator.tick(2)
    assert operator.cluster.set_to == [4]


async def test_another_operator_goes_on_from_the_status() -> None:
    operator = ScriptedOperator(replicas=1)
    operator.load(40, service_rate=0.5, slots=2.0)
    operator.signals.lost = "no"
    await operator.tick(10)
    assert operator.cluster.events == ["SignalLost"]
    operator.signals.lost = ""
    await operator.tick()
    before = list(operator.cluster.events)

    operator.put("one", status=operator.status)
    operator.reconciler = operator.operator()
    operator.load(40, service_rate=None, slots=None)
    await operator.tick()
    assert operator.cluster.events == before
    assert operator.status["serviceRate"] == 0.5
    assert operator.status["slots"] == 2
    assert len(operator.status["decisions"]) == 1


@pytest.mark.parametrize(
    ("fault", "reason", "event"),
    [
        ({"scale": NotFound("x")}, "TargetNotFound", "TargetNotFound"),
        ({"scale": Forbidden("get deployments/scale", "no")}, "AccessDenied", "AccessDenied"),
        ({"set_replicas": Forbidden("patch deployments/scale", "no")}, "AccessDenied", "AccessDenied"),
        ({"autoscaler_of": Forbidden("list horizontalpodautoscalers", "no")}, "AccessDenied", "AccessDenied"),
        ({"autoscaler_of": ClusterUnavailable("no")}, "ApiServerUnavailable", "ApiServerUnavailable"),
    ],
)
async def test_what_is_refused_holds_and_is_said_once(fault: dict[str, Exception], reason: str, event: str) -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    operator.cluster.faults = fault
    await operator.tick(9)
    assert operator.cluster.set_to == []
    assert operator.condition("Ready")["reason"] == reason
    assert operator.condition("Scaling")["status"] == "False"
    assert operator.status["term"] == "Held"
    assert operator.cluster.events == [event]
    assert len(operator.cluster.statuses) == 1

    operator.cluster.faults = {}
    await operator.tick(11)
    assert operator.cluster.set_to == [3]
    assert operator.cluster.events == [event, "ScaledUp", "Ready"]


async def test_an_autoscaler_is_never_fought() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    operator.cluster.autoscaler = "hpa"
    await operator.tick(12)
    assert operator.cluster.set_to == []
    assert operator.condition("Ready")["reason"] == "HorizontalPodAutoscaler"
    assert "hpa" in operator.condition("Ready")["message"]
    assert operator.cluster.calls.count("autoscaler_of") == 2


async def test_a_lost_signal_holds_at_once_and_is_said_when_it_lasts() -> None:
    operator = ScriptedOperator(replicas=2)
    await operator.tick()
    operator.signals.lost = "NATS is not connected"
    await operator.tick(3)
    assert operator.condition("SignalLost")["status"] == "False"
    await operator.tick(60)
    assert operator.cluster.set_to == []
    assert operator.condition("SignalLost")["status"] == "True"
    assert "NATS is not connected" in operator.condition("SignalLost")["message"]
    assert operator.condition("Ready")["reason"] == "SignalLost"
    operator.signals.lost = ""
    await operator.tick(59)
    assert operator.condition("Ready")["status"] == "True"
    assert operator.cluster.events == ["SignalLost", "SignalRestored"]
    assert operator.cluster.set_to == [], "the window begins again after the gap"


async def test_a_missing_consumer_holds() -> None:
    operator = ScriptedOperator(replicas=4)
    operator.load(40, missing=("thumbnailer",))
    await operator.tick(70)
    assert operator.cluster.set_to == []
    assert "thumbnailer" in operator.condition("ConsumerMissing")["message"]
    assert operator.condition("Ready")["reason"] == "ConsumerMissing"
    operator.load(40)
    await operator.tick()
    assert operator.cluster.events == ["ConsumerMissing", "ConsumerFound"]


async def test_a_paused_consumer_lets_nothing_go_but_more_come() -> None:
    operator = ScriptedOperator(replicas=4)
    operator.load(0, paused=("thumbnailer",))
    await operator.tick(70)
    assert operator.cluster.set_to == []
    assert operator.condition("Scaling")["reason"] == "OutOnly"
    operator.load(400, paused=("thumbnailer",))
    await operator.tick()
    assert operator.cluster.set_to == [20]
    operator.load(400)
    await operator.tick()
    assert sorted(operator.cluster.events) == ["ConsumerPaused", "ConsumerResumed", "Saturated", "ScaledUp"]


async def test_replicas_of_which_none_reports_are_measured_and_logged_once() -> None:
    operator = ScriptedOperator(replicas=3)
    operator.load(3, workers=2)
    with capture_logs() as logs:
        await operator.tick(5)
        operator.load(3, workers=0)
        await operator.tick(200)
        operator.load(3, workers=1)
        await operator.tick(5)
    said = [each for each in logs if "report" in each["event"]]
    assert [each["log_level"] for each in said] == ["warning", "info"]
    assert said[0]["event"] == "no worker reports"
    assert metrics.REGISTRY.get_sample_value("heliograph_operator_workers", {"scaler": "one"}) == 1


async def test_workers_that_start_and_workloads_that_sleep_are_not_said_to_be_silent() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(0, workers=0)
    with capture_logs() as logs:
        await operator.tick(100)
        operator.cluster.replicas = 1
        operator.load(1, workers=0)
        await operator.tick(20)
        operator.load(1, workers=1)
        await operator.tick(5)
    assert not [each for each in logs if "report" in each["event"]]


async def test_workers_that_all_wait_get_no_help() -> None:
    operator = ScriptedOperator(replicas=2)
    operator.load(400, stalled=True)
    await operator.tick(5)
    assert operator.cluster.set_to == []
    assert operator.condition("Scaling")["reason"] == "WorkersStalled"


async def test_a_dry_run_says_what_it_would_do() -> None:
    operator = ScriptedOperator(replicas=0, dry_run=True)
    operator.load(40)
    await operator.tick(20)
    assert operator.cluster.set_to == []
    assert "set_deletion_cost" not in operator.cluster.calls
    assert operator.status["wantedReplicas"] == 3
    assert [one["message"][:9] for one in operator.status["decisions"]] == ["Dry run: "]
    assert operator.condition("Scaling")["reason"] == "DryRun"
    assert operator.condition("Ready")["status"] == "True"
    assert operator.cluster.events == ["DryRun"]


async def test_an_invalid_spec_is_shown_with_its_error() -> None:
    operator = ScriptedOperator(replicas=2, invalid="target.kind: DaemonSet cannot be scaled")
    await operator.tick(3)
    assert operator.cluster.set_to == []
    assert "DaemonSet cannot be scaled" in operator.condition("Ready")["message"]
    assert operator.condition("SignalLost")["status"] == "Unknown"
    operator.put("one", generation=2)
    await operator.tick()
    assert operator.status["observedGeneration"] == 2
    assert operator.cluster.events == ["InvalidSpec", "Ready"]


async def test_of_two_with_one_target_the_older_scales_it() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.put("one", created="2026-01-02T00:00:00Z")
    operator.put("older", created="2026-01-01T00:00:00Z", max_replicas=2)
    operator.load(40)
    await operator.tick(5)
    assert operator.cluster.set_to == [2]
    assert operator.cluster.events.count("TargetShared") == 1
    assert operator.condition("Ready")["reason"] == "TargetShared"
    assert "older" in operator.condition("Ready")["message"]
    operator.store.remove("older", "uid-older")
    await operator.tick(1)
    assert operator.cluster.set_to == [2, 3]


async def test_of_three_created_at_once_the_first_by_name_scales_and_the_others_name_it() -> None:
    operator = ScriptedOperator(replicas=0, max_replicas=9)
    for name in ("two", "a"):
        operator.put(name, max_replicas=5)
    operator.signals.lost = "no"
    await operator.tick(7)
    assert operator.cluster.set_to == [1]
    operator.signals.lost = ""
    operator.load(4000)
    await operator.tick(3)
    assert operator.cluster.set_to == [1, 5]
    ready = [one for status in operator.cluster.statuses[-3:] for one in status["conditions"] if one["type"] == "Ready"]
    assert operator.cluster.events.count("TargetShared") == 2
    assert all("StreamScaler a " in one["message"] for one in ready if one["reason"] == "TargetShared")


async def test_one_that_is_deleted_meanwhile_is_not_acted_for() -> None:
    operator = ScriptedOperator(replicas=4)
    operator.load(0, busy={"a": 0})
    operator.cluster.pods_there = [Pod("a", 3, ready=True, terminating=False)]

    async def delete(call: str) -> None:
        if call == "set_deletion_cost":
            operator.store.remove("one", "uid-one")

    operator.cluster.before = delete
    await operator.tick(65)
    assert operator.cluster.costs == {"a": 0}
    assert operator.cluster.set_to == []


async def test_who_does_not_act_writes_nothing() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    operator.acting = False
    await operator.tick(3)
    assert operator.cluster.set_to == []
    assert operator.cluster.statuses == []
    assert operator.cluster.events == []


async def test_the_lease_is_asked_again_right_before_the_write() -> None:
    operator = ScriptedOperator(replicas=4)
    operator.load(0, busy={"a": 0})
    operator.cluster.pods_there = [Pod("a", 3, ready=True, terminating=False)]
    await operator.tick(59)

    async def lose(call: str) -> None:
        operator.acting = operator.acting and call != "pods"

    operator.cluster.before = lose
    await operator.tick(5)
    assert "pods" in operator.cluster.calls
    assert operator.cluster.costs == {}
    assert operator.cluster.set_to == []


async def test_a_conflict_is_read_again_at_the_next_look() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)

    async def edit(call: str) -> None:
        if call == "set_replicas" and operator.cluster.replicas == 0:
            operator.cluster.replicas, operator.cluster.version = 1, 9  # by a person

    operator.cluster.before = edit
    await operator.tick()
    assert operator.cluster.set_to == []
    assert operator.condition("Ready")["status"] == "True"
    await operator.tick()
    assert operator.cluster.set_to == [3]
    assert operator.status["decisions"][-1]["from"] == 1


async def test_pods_that_cannot_be_listed_stop_scaling_in_but_not_out() -> None:
    operator = ScriptedOperator(replicas=4)
    operator.cluster.faults["pods"] = Forbidden("list pods", "no")
    await operator.tick(70)
    assert operator.cluster.set_to == []
    assert "list pods" in operator.condition("Ready")["message"]
    operator.load(400)
    await operator.tick()
    assert operator.cluster.set_to == [20]


async def test_events_that_fail_stop_nothing_and_are_not_repeated() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    operator.cluster.faults["emit"] = Forbidden("create events", "no")
    await operator.tick(5)
    assert operator.cluster.set_to == [3]
    assert operator.cluster.events == ["ScaledUp"]


async def test_status_is_written_at_changes_and_else_now_and_then() -> None:
    operator = ScriptedOperator(replicas=1, min_replicas=1, max_replicas=1)
    for second in range(60):
        operator.load(second % 7)
        await operator.tick()
    writes = len(operator.cluster.statuses)
    assert 6 <= writes <= 40, writes
    operator.load(0)
    await operator.tick(30)
    assert len(operator.cluster.statuses) - writes <= 4


async def test_a_status_that_fails_is_tried_again() -> None:
    operator = ScriptedOperator()
    operator.cluster.faults["write_status"] = ClusterUnavailable("no")
    await operator.tick(3)
    assert operator.cluster.calls.count("write_status") == 3
    operator.cluster.faults = {}
    await operator.tick(3)
    assert len(operator.cluster.statuses) == 1


async def test_a_scaler_that_is_gone_is_dropped() -> None:
    operator = ScriptedOperator()
    operator.cluster.faults["write_status"] = NotFound("one")
    await operator.tick()
    assert not operator.store.scalers()


async def test_a_fault_of_the_operator_is_shown_and_holds() -> None:
    operator = ScriptedOperator(replicas=0)
    operator.load(40)
    operator.signals.fault = ZeroDivisionError()
    await operator.tick(3)
    assert operator.cluster.set_to == []
    assert operator.condition("Ready")["reason"] == "InternalError"
    assert operator.cluster.events == ["InternalError"]
    operator.signals.fault = None
    await operator.tick()
    assert operator.cluster.set_to == [3]


async def test_saturation_is_said_at_once_and_until_a_window_without_it() -> None:
    operator = ScriptedOperator(replicas=0, stabilization_seconds=60)
    for second in range(300):
        operator.load(4000 if second % 40 == 0 else 10)
        await operator.tick()
        assert operator.condition("Saturated")["status"] == "True"
    assert operator.cluster.events.count("Saturated") == 1
    operator.put("one", status=operator.status)
    operator.reconciler = operator.operator()
    operator.load(4000)
    await operator.tick()
    operator.load(10)
    await operator.tick(60)
    assert operator.condition("Saturated")["status"] == "True"
    await operator.tick()
    assert operator.condition("Saturated")["status"] == "False"
    assert operator.cluster.events.count("Saturated") == operator.cluster.events.count("NoLongerSaturated") == 1


async def test_transition_times_are_those_of_the_status() -> None:
    operator = ScriptedOperator(replicas=0)
    await operator.tick()
    since = operator.condition("Saturated")["lastTransitionTime"]
    operator.load(40)
    await operator.tick(20)
    assert operator.condition("Saturated")["lastTransitionTime"] == since
    operator.load(4000)
    await operator.tick()
    assert operator.condition("Saturated")["lastTransitionTime"] > since
    assert operator.condition("Saturated")["observedGeneration"] == 1
