"""Parts of common, started over the test's own servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
from tests.integration.common.desk import Desk

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.provision import provision
from heliograph_common.bus.publish import publish
from heliograph_common.db.engine import Database
from heliograph_common.messaging.relay import Relay
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.settings import ServiceSettings


@pytest.fixture
async def bus(settings: ServiceSettings) -> AsyncIterator[Bus]:
    """A connection, with streams and consumers as the contracts declare them; ack_wait is two seconds."""
    bus = Bus(settings.nats, client_name="test")
    await bus.start()
    await bus.wait_connected()
    await provision(bus.jetstream, settings.nats.model_copy(update={"ack_wait": 2.0}))
    yield bus
    await bus.stop(2)


@pytest.fixture
async def db(settings: ServiceSettings) -> AsyncIterator[Database]:
    """The test's database."""
    database = Database(settings.database, application="test")
    yield database
    await database.close()


@pytest.fixture
async def desk(bus: Bus, db: Database) -> AsyncIterator[Desk]:
    """Commands and workers, over the test's own servers."""
    relay = Relay(db, partial(publish, bus), lambda: bus.connected)
    await relay.start()
    desk = Desk(bus, db, Messenger(db, relay))
    await desk.signs.start()
    yield desk
    await desk.signs.stop(2)
    await relay.stop(2)
