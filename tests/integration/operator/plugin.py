"""pytest plugin: an API server for the tests of this worker, and a namespace on it for each test that asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # what other tests need not import
    from tests.integration.operator.api_server import ApiServer
    from tests.integration.operator.namespaces import OperatorNamespace


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """A real one, with the resource StreamScaler; skips where the machine has none."""
    from tests.integration.operator.api_server import running_api_server, unavailable

    if reason := unavailable():
        pytest.skip(reason)
    with running_api_server() as running:
        yield running


@pytest.fixture
async def operator_namespace(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[OperatorNamespace]:
    """A namespace of the test's own, where the operator's account has the chart's rights."""
    from tests.integration.operator.namespaces import operator_namespace as made

    async with made(api_server, tmp_path) as namespace:
        yield namespace
