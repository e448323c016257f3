"""``python -m tests.e2e``: Heliograph on a real cluster, from its images to its removal. Prints a table of steps.

It takes the cluster of KUBECONFIG, or the lab beside this repository. ``--if-built`` runs on the lab only, where its parts
are built already, and otherwise says in one line that it did not. ``--scaling`` takes the steps of the operator alone, on
what is installed already or else installed for them; ``--keep`` leaves that for the next time. ``--compare-hpa`` adds a step
that takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.e2e import analyses, images, imports, scaling, steps, words
from tests.e2e.cluster import Cluster, find
from tests.e2e.installation import Installation
from tests.e2e.shell import ROOT, Failed


@dataclass(frozen=True)
class StepResult:
    """What became of a step."""

    name: str
    result: str
    seconds: float
    told: str


class Table:
    """Runs steps one by one; after a failure the rest is skipped."""

    def __init__(self) -> None:
        self.rows: list[StepResult] = []

    @property
    def failed(self) -> bool:
        """Whether a step failed."""
        return any(row.result == "FAILED" for row in self.rows)

    def step(self, name: str, action: Callable[[], str], *, skip: str = "") -> None:
        """One step; ``skip`` is the reason not to take it."""
        began = time.monotonic()
        if skip or self.failed:
            row = StepResult(name, "skipped", 0.0, skip or "a step before failed")
        else:
            try:
                row = StepResult(name, "passed", 0.0, action())
            except Exception as error:  # noqa: BLE001 - any failure is the step's result
                row = StepResult(name, "FAILED", 0.0, str(error) if isinstance(error, Failed) else repr(error))
        row = StepResult(row.name, row.result, time.monotonic() - began, row.told)
        self.rows.append(row)
        print(f"{row.result:8}{row.seconds:6.0f} s  {row.name}: {row.told}", flush=True)  # noqa: T201

    def show(self) -> None:
        """The whole table, for a report."""
        print("\n| Step | Result | Time | |\n| --- | --- | --- | --- |")  # noqa: T201
        for row in self.rows:
            told = row.told.splitlines()[0] if row.told else ""
            print(f"| {row.name} | {row.result} | {row.seconds:.0f} s | {told} |")  # noqa: T201


def run_all(cluster: Cluster, table: Table) -> None:
    """All steps on a cluster."""
    site, current = Installation(cluster), images.current()
    commit = images.previous_commit()
    with ExitStack() as stack:
        before, source = stack.enter_context(images.previous(commit)) if commit else (current, ROOT)
        no_previous = "" if commit else "there is no earlier version of the chart in the history"
        table.step("Build and load the images", lambda: _build(cluster, current))
        table.step("Build the version before", lambda: _build_before(cluster, source, before), skip=no_previous)

        def step(name: str, action: Callable[[], str], *, skip: str = "") -> None:
            def explained() -> str:
                with site.explained():
                    return action()

            table.step(name, explained, skip=skip)

        step("Install the stack, namespace restricted and closed", partial(steps.install_stack, site, current))
        step(f"Install chart {before.version}", partial(steps.install, site, before))
        step("helm test", partial(steps.helm_test, site))
        step("Upgrade under load", partial(steps.upgrade, site, current))
        step("Roll back under load", partial(steps.roll_back, site))
        step("Upgrade again", partial(steps.upgrade, site, current))
        step("helm test", partial(steps.helm_test, site))
        step("Real pictures through the Service", partial(steps.uploads, site))
        step("Imports from doubles of the providers", partial(imports.import_folders, site))
        step("Analyses by the double of a model", partial(analyses.analyze, site))
        step("Images of words by the double of Unsplash", partial(words.find_images, site))
        for name, action in scaling.STEPS.items():
            step(name, partial(action, site, current))
        step("Most memory so far", partial(steps.most_memory, site))
        step("Pods wait for the provision job", partial(steps.waiting, site))
        step("Provision twice at once", partial(steps.provision_again, site))
        step("Render children are confined", partial(steps.confinement, site))
        step("Network policies", partial(steps.network, site))
        step("Delete a pod of each kind", partial(steps.kills, site))
        step("Measure", partial(steps.measure, site, current.tag))
        step("Uninstall", partial(steps.uninstall, site))


def run_scaling(cluster: Cluster, table: Table, *, keep: bool, compare_hpa: bool) -> None:
    """The steps of the operator, on an installation of this tree."""
    site, current = Installation(cluster), images.current()
    table.step("Build and load the images", lambda: _build(cluster, current))

    def explained(action: Callable[[], str]) -> str:
        with site.explained():
            return action()

    def step(name: str, action: Callable[[], str]) -> None:
        table.step(name, partial(explained, action))

    if site.adopt():
        step("Upgrade to this tree", partial(steps.upgrade_pods, site, current))
    else:
        step("Install the stack, namespace restricted and closed", partial(steps.install_stack, site, current))
        step(f"Install chart {current.version}", partial(steps.install, site, current))
    for name, action in scaling.STEPS.items():
        step(name, partial(action, site, current))
    if compare_hpa:
        step("Beside a HorizontalPodAutoscaler", partial(scaling.beside_hpa, site, current))
    if not keep:
        step("Uninstall", partial(steps.uninstall, site))


def _build(cluster: Cluster, release: images.Release) -> str:
    images.build(cluster, ROOT, release.tag)
    images.build_client(cluster, release.tag)
    return ", ".join(f"{service} {images.size(service, release.tag)}" for service in images.SERVICES)


def _build_before(cluster: Cluster, source: Path, release: images.Release) -> str:
    images.build(cluster, source, release.tag)
    return f"chart {release.version}"


def main() -> int:
    """0 when all steps passed, or with ``--if-built`` none could be taken."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    parser.add_argument("--if-built", action="store_true", help="do nothing where the cluster would have to be built")
    parser.add_argument("--scaling", action="store_true", help="only the steps of the operator")
    parser.add_argument("--keep", action="store_true", help="with --scaling: leave installed what is installed")
    parser.add_argument(
        "--compare-hpa", action="store_true", help="with --scaling: also beside a HorizontalPodAutoscaler"
    )
    parser.add_argument("--helm", default="helm", help="the program to use, such as helm4")
    arguments = parser.parse_args()
    cluster, why_not = find(if_built=arguments.if_built)
    if cluster is None:
        print(f"e2e: not run: {why_not}")  # noqa: T201
        return 0 if arguments.if_built else 2
    cluster.helm_program = arguments.helm
    table = Table()
    try:
        if arguments.scaling:
            run_scaling(cluster, table, keep=arguments.keep, compare_hpa=arguments.compare_hpa)
        else:
            run_all(cluster, table)
    finally:
        if not arguments.keep:
            cluster.leave()
    table.show()
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
