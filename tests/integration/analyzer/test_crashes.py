"""What is paid for survives: analyzers that are killed, and a PostgreSQL that is away when the answer comes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, select, text
from tests.integration.analyzer.support import Analyses
from tests.polling import until

from heliograph_analyzer.models.port import Usage
from heliograph_analyzer.spending import queries as spending
from heliograph_analyzer.spending.budgets import Limits
from heliograph_common.bus.provision import provision
from heliograph_common.db.image_models import Image
from heliograph_common.settings import ServiceSettings
from heliograph_local.doubles.addresses import OPENAI_KEY
from heliograph_local.doubles.faults import Fault
from heliograph_local.testing.proxy import TcpProxy

_ACK_WAIT = 2
Kill = Callable[[], None]


@pytest.fixture
async def quick_redelivery(world: Analyses, settings: ServiceSettings) -> None:
    """What a killed analyzer had in hand comes again after two seconds."""
    await provision(world.backbone.bus.jetstream, settings.nats.model_copy(update={"ack_wait": _ACK_WAIT}))


@pytest.fixture
def environment(world: Analyses, heliograph_environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an analyzer that is a process."""
    return {
        **os.environ,
        **heliograph_environment,
        "HELIOGRAPH_NATS__ACK_WAIT": str(_ACK_WAIT),
        "HELIOGRAPH_OPENAI__BASE_URL": f"{world.url}/v1",
        "HELIOGRAPH_OPENAI__API_KEY": OPENAI_KEY,
        "HELIOGRAPH_HTTP__MANAGEMENT_PORT": "0",
    }


@asynccontextmanager
async def process(environment: Mapping[str, str], log: Path) -> AsyncIterator[Kill]:
    """An analyzer that is a process. It is killed by what it gives, or at the end of the block."""
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "heliograph_analyzer", env=dict(environment), stdout=output, stderr=output
        )
        try:
            yield child.kill
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


@asynccontextmanager
async def held_back(world: Analyses, image_id: UUID) -> AsyncIterator[None]:
    """While the block runs, nothing about an image can be concluded."""
    async with world.backbone.database.transaction() as connection:
        await connection.execute(select(Image.id).where(Image.id == image_id).with_for_update())
        yield


async def asked_once(world: Analyses) -> None:
    """Returns once the double has been asked."""
    await until(lambda: world.double.calls, 60)


async def outcomes(world: Analyses) -> list[str | None]:
    """How the calls of the ledger ended, the first first."""
    return [call.outcome for call in await world.ledger()]


@pytest.mark.usefixtures("quick_redelivery")
async def test_an_answer_that_is_kept_is_not_asked_for_again(
    world: Analyses, environment: dict[str, str], tmp_path: Path
) -> None:
    world.double.behaviour.misbehave(Fault(kind="slow", seconds=1))
    image_id = await world.image(1)
    analysis_id = await world.ask(image_id, urgent=True)
    async with process(environment, tmp_path / "log") as kill:
        await asked_once(world)
        async with held_back(world, image_id):
            await until(lambda: _are(world, ["answered"]))
            kill()
    assert (await world.row(analysis_id)).status == "running"
    async with world.analyzer():
        [row] = await world.ended(analysis_id)

    assert (row.status, row.source, row.calls) == ("completed", "api", 1)
    assert len(world.double.calls) == 1
    assert await outcomes(world) == ["answered"]
    assert await world.charged() == row.input_tokens + row.output_tokens
    assert len(await world.events(1)) == 1
    await world.no_work()


@pytest.mark.usefixtures("quick_redelivery")
async def test_a_call_under_way_at_a_crash_is_made_once_more_and_stays_charged(
    world: Analyses, environment: dict[str, str], tmp_path: Path
) -> None:
    world.double.behaviour.misbehave(Fault(kind="slow", seconds=5))
    analysis_id = await world.asked(1)
    async with process(environment, tmp_path / "log") as kill:
        await asked_once(world)
        kill()
    async with world.analyzer():
        [row] = await world.ended(analysis_id)

    assert (row.status, row.calls) == ("completed", 1)
    assert len(world.double.calls) == 2
    assert await outcomes(world) == [None, "answered"]
    lost, _ = await world.ledger()
    assert lost.charged > 0
    assert await world.charged() == await world.charged("ann") == lost.charged + row.input_tokens + row.output_tokens
    [used] = await world.usage()
    assert used.calls == 1
    await world.no_work()


async def test_an_answer_is_kept_until_postgresql_is_back(world: Analyses) -> None:
    database = world.settings.database
    url = make_url(database.url.get_secret_value())
    away, refused = False, 0

    def upstream() -> int:
        nonlocal refused
        refused += away
        return 1 if away else url.port or 5432

    world.double.behaviour.misbehave(Fault(kind="slow", seconds=1))
    async with TcpProxy(upstream) as between:
        hidden = SecretStr(url.set(host="127.0.0.1", port=between.port).render_as_string(hide_password=False))
        by_proxy = world.settings.model_copy(update={"database": database.model_copy(update={"url": hidden})})
        async with Analyses(world.backbone, by_proxy, world.double, world.url).analyzer():
            analysis_id = await world.asked(1)
            await asked_once(world)
            away = True
            between.drop()
            await until(lambda: world.double.calls[0].finished)
            refused = 0
            await until(lambda: refused >= 5)
            assert await outcomes(world) == [None]
            away = False
            [row] = await world.ended(analysis_id)

    assert (row.status, row.calls) == ("completed", 1)
    assert len(world.double.calls) == 1
    assert await outcomes(world) == ["answered"]
    assert await world.charged() == row.input_tokens + row.output_tokens


async def test_what_a_call_used_is_written_once(world: Analyses) -> None:
    """The first time may have been committed although PostgreSQL went away before it said so."""
    analysis: Any = await world.row(await world.asked(1))
    async with world.backbone.database.transaction() as connection:
        await connection.execute(text("UPDATE analyses SET status = 'running'"))
        call = await spending.begin(
            connection, analysis, model="model", pixel_hash="pixels", tokens=5_000, limits=Limits()
        )
    assert isinstance(call, spending.Call)
    written = []
    for _ in range(2):
        async with world.backbone.database.transaction() as connection:
            usage = Usage(input_tokens=1_000, output_tokens=100)
            written.append(await spending.answered(connection, call, usage, 560))

    assert written == [True, False]
    [used] = await world.usage()
    assert (used.calls, used.input_tokens, used.cost_micros) == (1, 1_000, 560)
    row = await world.row(analysis.id)
    assert (row.calls, row.input_tokens, row.output_tokens, row.cost_micros) == (1, 1_000, 100, 560)
    assert await world.charged() == await world.charged("ann") == 1_100


async def _are(world: Analyses, wanted: list[str | None]) -> bool:
    return await outcomes(world) == wanted
