"""What tests of the operator as a whole share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.operator.namespaces import OperatorNamespace
from tests.integration.operator.operators import TARGET, ScaledWorkload, jobs_on
from tests.nats_server import NatsServer


@pytest.fixture
async def world(operator_namespace: OperatorNamespace, tmp_path: Path) -> AsyncIterator[ScaledWorkload]:
    """A workload without replicas in a namespace, and an empty stream on a NATS of its own."""
    server = NatsServer(tmp_path)
    await server.start()
    try:
        async with jobs_on(server) as jobs:
            await jobs.create()
            await operator_namespace.create_workload(TARGET, 0)
            yield ScaledWorkload(operator_namespace, server, jobs)
    finally:
        await server.stop()
