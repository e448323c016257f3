"""The election on a real API server, in real time, with the operator's own rights."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from lightkube.resources.coordination_v1 import Lease
from tests.integration.operator.api_server import GROUP
from tests.integration.operator.namespaces import ACCOUNT, OperatorNamespace
from tests.polling import until

from heliograph_operator.election import Election

pytestmark = pytest.mark.xdist_group(GROUP)

SECONDS = 3.0


@dataclass
class Elections:
    """Two candidates; the first acts."""

    one: Election
    two: Election

    @property
    def acting(self) -> list[bool]:
        """Who acts."""
        return [self.one.acting, self.two.acting]


@pytest.fixture
async def elections(operator_namespace: OperatorNamespace) -> AsyncIterator[Elections]:
    """Both run, each with a connection of its own."""
    await operator_namespace.release_lease()
    async with AsyncExitStack() as stack:
        made = []
        for identity in ("one", "two"):
            cluster = await stack.enter_async_context(operator_namespace.cluster(identity))
            made.append(Election(cluster, ACCOUNT, identity, SECONDS))
        elections = Elections(*made)
        for election in made:
            stack.push_async_callback(election.stop, 5)
            await election.start()
            await until(lambda: elections.one.acting)
        yield elections


async def test_one_acts_and_a_stop_hands_over(elections: Elections) -> None:
    await until(lambda: elections.two.holder == "one")
    assert elections.acting == [True, False]
    await elections.one.stop(5)
    assert elections.acting == [False, False]
    await until(lambda: elections.acting == [False, True])


async def test_another_takes_over_from_one_that_is_killed(elections: Elections) -> None:
    assert elections.one._task
    elections.one._task.cancel()
    await until(lambda: not any(elections.acting))
    await until(lambda: elections.acting == [False, True])


async def test_a_lease_that_is_deleted_is_held_again(
    elections: Elections, operator_namespace: OperatorNamespace
) -> None:
    await operator_namespace.admin.delete(Lease, ACCOUNT)
    both = [False, False]
    await until(lambda: elections.acting == both)

    def one_acts() -> bool:
        assert elections.acting != [True, True]
        return any(elections.acting)

    await until(one_acts)


async def test_they_stop_without_the_api_server_and_go_on_when_it_is_back(
    elections: Elections, operator_namespace: OperatorNamespace
) -> None:
    server = operator_namespace.server
    await asyncio.to_thread(server.stop)
    try:
        began = time.monotonic()
        await until(lambda: not any(elections.acting))
        assert time.monotonic() - began < SECONDS * 10
    finally:
        await asyncio.to_thread(server.start)
    await until(lambda: any(elections.acting))
