"""How the API server is reached: as a pod's service account, else as the file that ``KUBECONFIG`` names says."""

from __future__ import annotations

import httpx2
from lightkube import AsyncClient, KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from heliograph_operator.cluster.port import ClusterError

FIELD_MANAGER = "heliograph-operator"
"""Who wrote a field, as ``kubectl get --show-managed-fields`` shows it."""


def configuration() -> SingleConfig:
    """The configuration of this process. Raises ``ClusterError`` where there is none."""
    try:
        found: SingleConfig | None = KubeConfig.from_env().get()
    except (ConfigError, KeyError) as error:
        raise ClusterError(
            f"No way to the Kubernetes API server ({error}): run in a pod that mounts a service account's token, "
            "or set KUBECONFIG to a file"
        ) from error
    if found is None or found.user is None:
        raise ClusterError("The current context of KUBECONFIG names no user: add one with a token or a certificate")
    return found


def client(config: SingleConfig, namespace: str, call_seconds: float) -> AsyncClient:
    """Speaks to the API server itself, never through a proxy that the environment names for other hosts."""
    # Connecting is two steps, TCP and TLS, which end by themselves within a call: a connection that is cancelled in its
    # handshake is not closed (httpcore2 2.x catches errors there, and a cancellation is none).
    timeout = httpx2.Timeout(call_seconds, connect=call_seconds * 0.4)
    return AsyncClient(config, namespace, timeout=timeout, field_manager=FIELD_MANAGER, trust_env=False)
