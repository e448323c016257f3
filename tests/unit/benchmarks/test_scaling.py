"""The simulation, and the operator's law in it: shortened runs with fixed seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from xml.dom import minidom

import pytest
from benchmarks.scaling import plot
from benchmarks.scaling.scenarios import SCENARIOS, Scenario, Work, arrivals
from benchmarks.scaling.score import HPA, KNATIVE, OURS, Score, half, keda, run, score
from benchmarks.scaling.simulation import Figures, Simulation

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass
class Fixed:
    """As many replicas as it is told, from a second on."""

    replicas: int
    idle_first: bool = True
    until: float = float("inf")
    fewer: int = 0

    def look(self, figures: Figures) -> int:
        return self.replicas if figures.at < self.until else self.fewer


def steady(rate: float, seconds: float, work: Work, minimum: int) -> Scenario:
    return Scenario(
        name="steady", seconds=seconds, rate=lambda _: rate, peak=rate, onsets=(0,), work=work, minimum=minimum
    )


def test_a_queue_with_one_server_waits_as_long_as_theory_says() -> None:
    """M/G/1, Pollaczek and Khinchine: the mean wait is ``λ·E[S²] / (2·(1 - λ·E[S]))``."""
    work = Work(mean=0.1, sigma=0.8, slots=1)
    scenario = steady(6.0, 4000, work, 1)
    waits = [wait for seed in range(3) for wait in Simulation(scenario, Fixed(1), seed).run().waits]
    second_moment = work.mean**2 * 2.718281828**0.64
    assert sum(waits) / len(waits) == pytest.approx(6 * second_moment / (2 * 0.4), rel=0.15)


def test_replica_seconds_count_pods_from_creation_until_they_are_gone() -> None:
    work = Work(mean=30.0, sigma=0.001, slots=1)
    scenario = replace(steady(0.001, 100, work, 4), drops=((20.0, 4),))
    run = Simulation(scenario, Fixed(4, until=30.0), 1).run()
    assert run.replica_seconds == pytest.approx(4 * 50, abs=2)  # each finishes what it took at 20
    assert max(run.waits) == 0


def test_arrivals_follow_the_rate_and_are_the_same_for_a_seed() -> None:
    messages = arrivals(BY_NAME["step"], 3)
    before = sum(message.at < 60 for message in messages)
    during = sum(60 <= message.at < 460 for message in messages)
    assert before == pytest.approx(240, rel=0.2)
    assert during == pytest.approx(32_000, rel=0.03)
    assert [message.at for message in messages] == [message.at for message in arrivals(BY_NAME["step"], 3)]


@pytest.mark.parametrize("name", ["step", "burst", "cold start"])
def test_the_operator_is_twice_as_quick_as_keda_for_no_more(name: str) -> None:
    ours = score(BY_NAME[name], OURS, 1)
    for threshold in (2, 10):
        theirs = score(BY_NAME[name], keda(threshold), 1)
        assert half(ours.wait, theirs.wait, 0.2)
        assert half(ours.drain, theirs.drain, 5.0)
        assert ours.replica_seconds <= theirs.replica_seconds


def test_poison_costs_the_operator_a_fraction_of_what_it_costs_keda() -> None:
    ours, theirs = (score(BY_NAME["poison"], name, 1) for name in (OURS, keda(10)))
    assert ours.wait < theirs.wait / 2
    assert ours.replica_seconds < theirs.replica_seconds / 2


def test_the_operator_does_not_flap_under_constant_load_where_others_do() -> None:
    found: dict[str, Score] = {name: score(BY_NAME["constant"], name, 1) for name in (OURS, keda(10), KNATIVE)}
    assert found[OURS].flaps <= 1 < min(found[keda(10)].flaps, found[KNATIVE].flaps)


def test_a_plot_is_small_well_formed_and_names_each_autoscaler(tmp_path: Path) -> None:
    short = replace(BY_NAME["burst"], seconds=200)
    path = tmp_path / "folder" / "burst.svg"
    plot.write(path, short, {name: run(short, name, 1) for name in (OURS, keda(10), HPA, KNATIVE)})
    text = path.read_text(encoding="utf-8")
    assert minidom.parseString(text).getElementsByTagName("svg")  # noqa: S318, our own
    assert len(text) < 60_000
    assert "prefers-color-scheme: dark" in text
    assert all(f">{name}<" in text for name in (OURS, keda(10), HPA, KNATIVE))
