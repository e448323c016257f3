"""Wires an operator. The only module of it that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph_common.runtime.adapters import Closing
from heliograph_common.runtime.backbone import connect_bus
from heliograph_common.runtime.background import Periodic
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_operator.cluster.kubernetes import KubernetesCluster
from heliograph_operator.cluster.observed import ObservedCluster
from heliograph_operator.election import Election
from heliograph_operator.lease import call_seconds
from heliograph_operator.loop import Loop
from heliograph_operator.reconciler import Reconciler
from heliograph_operator.resources.listing import Listing
from heliograph_operator.resources.store import Store
from heliograph_operator.resources.watch import Watch
from heliograph_operator.settings import OperatorSettings
from heliograph_operator.signal.reader import Reader
from heliograph_operator.spec import parse

NAME = "operator"
LISTING_SECONDS = 10.0


async def build(settings: OperatorSettings, health: Health) -> Sequence[Component]:
    """The components in the order in which they start. The Lease is released after the loop has stopped, and the loop's
    last writes still find the API server."""
    chosen = settings.operator
    bus = connect_bus(NAME, settings, health)
    calls = call_seconds(chosen.lease_seconds)
    cluster = ObservedCluster(KubernetesCluster(chosen.namespace, chosen.identity, call_seconds=calls))
    signals = Reader(bus)
    store = Store(parse)
    watch = Watch(chosen.namespace, store)
    listing = Listing(cluster, store, watch.restart)
    election = Election(cluster, chosen.lease, chosen.identity, chosen.lease_seconds)
    reconciler = Reconciler(
        cluster, signals, store, acting=lambda: election.acting, figures_seconds=chosen.figures_seconds
    )
    loop = Loop(store, reconciler, election, tick_seconds=chosen.tick_seconds)
    health.register("scaling", loop.check)
    health.register("watch", watch.check, critical=False)
    health.register("scalers", listing.check, critical=False)
    health.register("lease", election.check, critical=False)
    health.register("rights", cluster.check, critical=False)
    return [
        Closing("cluster", cluster.close),
        bus,
        signals,
        watch,
        Periodic("scalers", interval=LISTING_SECONDS, function=listing.correct),
        election,
        loop,
    ]
