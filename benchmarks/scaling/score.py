"""What a run is judged by, and the autoscalers that are compared."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.report import percentile
from benchmarks.scaling.hpa import CpuAutoscaler
from benchmarks.scaling.keda import Keda
from benchmarks.scaling.knative import Knative
from benchmarks.scaling.ours import Operator
from benchmarks.scaling.scenarios import SCENARIOS, Scenario
from benchmarks.scaling.simulation import Autoscaler, Run, Simulation

LAG_THRESHOLDS = (2, 5, 10, 20, 50)
"""Of KEDA: 10 is its default; 2 and 5 are what a pod has in hand at a time, here, and that with the spare part of ours."""

SETTLED_SECONDS = 300.0
"""From when changes of direction count as flaps."""

OURS, HPA, KNATIVE = "operator", "HPA on CPU", "Knative"


def keda(threshold: int) -> str:
    """The name of KEDA with a ``lagThreshold``."""
    return f"KEDA, lag {threshold}"


KEDAS = tuple(keda(threshold) for threshold in LAG_THRESHOLDS)

AUTOSCALERS: Mapping[str, Callable[[Scenario, int], Autoscaler]] = {
    OURS: lambda scenario, _: Operator(scenario),
    **{keda(threshold): partial(Keda, lag_threshold=threshold) for threshold in LAG_THRESHOLDS},
    HPA: CpuAutoscaler,
    KNATIVE: Knative,
}


@dataclass(frozen=True)
class Score:
    """``wait``: seconds from a message's arrival to its start, 95th percentile. ``drain``: as ``Run`` has it. ``flaps``:
    changes of direction after the first minutes, in ten minutes. ``most``: replicas at once."""

    wait: float
    drain: float
    replica_seconds: float
    flaps: float
    most: float


def run(scenario: Scenario, name: str, seed: int) -> Run:
    """One run of an autoscaler."""
    return Simulation(scenario, AUTOSCALERS[name](scenario, seed), seed).run()


def score(scenario: Scenario, name: str, seed: int) -> Score:
    """The score of one run."""
    found = run(scenario, name, seed)
    settled = [after > before for at, before, after in found.changes if at > SETTLED_SECONDS]
    turns = sum(one != other for one, other in itertools.pairwise(settled))
    return Score(
        wait=percentile(found.waits, 95),
        drain=found.drain,
        replica_seconds=found.replica_seconds,
        flaps=turns * 600 / (scenario.seconds - SETTLED_SECONDS),
        most=max(replicas for _, replicas, _ in found.samples),
    )


def scores(
    seeds: Sequence[int], scenarios: Sequence[Scenario] = SCENARIOS, names: Sequence[str] = tuple(AUTOSCALERS)
) -> dict[tuple[str, str], Score]:
    """By scenario and autoscaler: of each figure the median over ``seeds``."""
    jobs = [(scenario.name, name, seed) for scenario in scenarios for name in names for seed in seeds]
    with ProcessPoolExecutor() as pool:
        found = dict(zip(jobs, pool.map(_job, jobs, chunksize=4), strict=True))
    return {
        (scenario.name, name): median([found[scenario.name, name, seed] for seed in seeds])
        for scenario in scenarios
        for name in names
    }


def _job(job: tuple[str, str, int]) -> Score:
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    return score(by_name[job[0]], job[1], job[2])


def median(found: Sequence[Score]) -> Score:
    """Figure by figure."""
    return Score(
        **{
            name: statistics.median(getattr(each, name) for each in found)
            for name in ("wait", "drain", "replica_seconds", "flaps", "most")
        }
    )


def quickest(found: Mapping[str, Score]) -> str:
    """The KEDA with the least wait, and of those about as quick the cheapest."""
    return min(KEDAS, key=lambda name: (round(found[name].wait, 1), found[name].replica_seconds))


def cheapest(found: Mapping[str, Score]) -> str:
    """The KEDA with the fewest replica-seconds."""
    return min(KEDAS, key=lambda name: found[name].replica_seconds)


SHORT_WAIT, SHORT_DRAIN = 0.2, 5.0
"""Seconds below which a wait or a drain does not matter, whatever another took."""


def half(ours: float, theirs: float, short: float) -> bool:
    """Whether ours is at most half of theirs, or too short to matter."""
    return ours <= max(short, theirs / 2)
