"""Parts of common, started over the test's own servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
from tests.components import provisioned_bus
from tests.integration.common.messaging.worker_harness import WorkerHarness

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.publish import publish
from heliograph_common.db.engine import Database
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.settings import ServiceSettings


@pytest.fixture
async def bus(settings: ServiceSettings) -> AsyncIterator[Bus]:
    """A connection, with streams and consumers as the contracts declare them; ack_wait is two seconds."""
    async with provisioned_bus(settings.nats.model_copy(update={"ack_wait": 2.0})) as bus:
        yield bus


@pytest.fixture
async def db(settings: ServiceSettings) -> AsyncIterator[Database]:
    """The test's database."""
    database = Database(settings.database, application="test")
    yield database
    await database.close()


@pytest.fixture
async def harness(bus: Bus, db: Database) -> AsyncIterator[WorkerHarness]:
    """Commands and workers, over the test's own servers."""
    relay = Relay(db, partial(publish, bus), lambda: bus.connected)
    await relay.start()
    harness = WorkerHarness(bus, db, Messenger(db, relay))
    await harness.signs.start()
    yield harness
    await harness.signs.stop(2)
    await relay.stop(2)
