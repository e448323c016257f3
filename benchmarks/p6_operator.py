"""P6: the operator's law beside models of KEDA, of an HPA on CPU and of Knative, in one simulation (``benchmarks.scaling``).

KEDA has a choice of ``lagThreshold``; for each scenario the quickest and the cheapest of them are shown, chosen afterwards,
with the results known. ``python -m benchmarks.p6_operator --plots`` draws ``docs/guides/scaling/*.svg`` as well.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import show, step, verdict
from benchmarks.scaling import plot
from benchmarks.scaling.scenarios import SCENARIOS, Scenario
from benchmarks.scaling.score import (
    HPA,
    KNATIVE,
    OURS,
    SHORT_DRAIN,
    SHORT_WAIT,
    Score,
    cheapest,
    half,
    quickest,
    run,
    scores,
)

SEEDS = range(1, 8)
_PLOTS = Path(__file__).parent.parent / "docs" / "guides" / "scaling"


def main(*, plots: bool = False) -> None:
    """Simulates and prints."""
    step(f"simulating {len(SCENARIOS)} scenarios with {len(SEEDS)} seeds")
    found = scores(SEEDS)
    by_scenario = {
        scenario: {name: score for (of, name), score in found.items() if of == scenario.name} for scenario in SCENARIOS
    }
    _print(by_scenario)
    _print_aims(by_scenario)
    if plots:
        for scenario, these in by_scenario.items():
            step(f"drawing {scenario.name}")
            names = (OURS, quickest(these), HPA, KNATIVE)
            path = _PLOTS / f"{scenario.name.replace(' ', '-')}.svg"
            plot.write(path, scenario, {name: run(scenario, name, SEEDS[0]) for name in names})


def _print(by_scenario: Mapping[Scenario, Mapping[str, Score]]) -> None:
    rows = []
    for scenario, found in by_scenario.items():
        names = dict.fromkeys((OURS, quickest(found), cheapest(found), HPA, KNATIVE))
        rows += [[f"{scenario.name}: {name}", *_figures(found[name])] for name in names]
    columns = ("scenario", "p95 wait s", "drain s", "replica-seconds", "most", "flaps in 10 min")
    notes = (
        f"Medians over {len(SEEDS)} seeds. Of KEDA the quickest and the cheapest lagThreshold in each scenario.",
        "drain: from the onset of a load until no message waits longer than 5 s any more, the longest in a run.",
        "flaps: changes of direction after 300 s; where the load itself changes, some are no flaps.",
    )
    show("P6: autoscalers", columns, rows, notes)


def _figures(score: Score) -> list[str]:
    return [
        f"{score.wait:.2f}",
        f"{score.drain:.1f}",
        f"{score.replica_seconds:.0f}",
        f"{score.most:.0f}",
        f"{score.flaps:.1f}",
    ]


def _print_aims(by_scenario: Mapping[Scenario, Mapping[str, Score]]) -> None:
    rows = []
    for scenario, found in by_scenario.items():
        ours = found[OURS]
        for name in dict.fromkeys((quickest(found), cheapest(found))):
            theirs = found[name]
            met = (
                half(ours.wait, theirs.wait, SHORT_WAIT),
                half(ours.drain, theirs.drain, SHORT_DRAIN),
                ours.replica_seconds <= theirs.replica_seconds,
            )
            ratios = (
                _ratio(ours.wait, theirs.wait),
                _ratio(ours.drain, theirs.drain),
                _ratio(ours.replica_seconds, theirs.replica_seconds),
            )
            cells = [f"{ratio} {verdict(each)}" for ratio, each in zip(ratios, met, strict=True)]
            rows.append([f"{scenario.name}: {name}", *cells])
    notes = (
        f"Aims: half the wait (or {SHORT_WAIT} s), half the drain (or {SHORT_DRAIN:.0f} s), no more replica-seconds.",
    )
    show("P6: the operator's share of KEDA's", ("scenario", "p95 wait", "drain", "replica-seconds"), rows, notes)


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs >= 0.01 else "-"


if __name__ == "__main__":
    main(plots="--plots" in sys.argv[1:])
