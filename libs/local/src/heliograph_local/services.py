"""The Heliograph services, as data: those that the stack runs, and those that it cannot. A new service is one line here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from heliograph_local.errors import LocalError


@dataclass(frozen=True)
class Service:
    """One service, run as ``python -m <module>``. ``clients`` says whether it also listens for clients."""

    name: str
    module: str
    clients: bool = False
    replicas: int = 1

    def replica_names(self) -> Iterator[str]:
        """``gateway``; with several replicas ``thumbnailer-1``, ``thumbnailer-2``."""
        if self.replicas == 1:
            yield self.name
        else:
            yield from (f"{self.name}-{number}" for number in range(1, self.replicas + 1))


GATEWAY = Service("gateway", "heliograph_gateway", clients=True)
THUMBNAILER = Service("thumbnailer", "heliograph_thumbnailer")
NOTIFIER = Service("notifier", "heliograph_notifier", clients=True)
IMPORTER = Service("importer", "heliograph_importer")
ANALYZER = Service("analyzer", "heliograph_analyzer")
SERVICES = (GATEWAY, THUMBNAILER, NOTIFIER, IMPORTER, ANALYZER)

NOT_IN_THE_STACK = {"operator": "it scales workloads of a Kubernetes cluster, and the stack has none"}
"""Services that the stack does not run, each with its reason."""

PROVISION = "heliograph_common.provision"


def check_installed(services: Sequence[Service], provision: str = PROVISION) -> None:
    """
    Raises:
        LocalError: a module that would have to be started does not exist.
    """
    modules = [f"{service.module}.__main__" for service in services] + ([provision] if services else [])
    missing = [module for module in modules if not _exists(module)]
    if missing:
        raise LocalError(
            f"not installed: {', '.join(missing)}; install the services, or start only the servers with: "
            "heliograph dev up --only-servers"
        )


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
