"""What the gateway does while NATS, S3 or PostgreSQL is away: a port on which nobody listens stands for the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import psycopg
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from tests.integration.gateway.support import count, problem, running, upload

from heliograph_common.bus.connection import Bus
from heliograph_gateway.settings import GatewaySettings
from heliograph_local.testing.proxy import TcpProxy
from heliograph_local.testing.worlds import Database as World

Picture = Callable[..., bytes]


def _without_nats(settings: GatewaySettings, port: int) -> GatewaySettings:
    return settings.model_copy(update={"nats": settings.nats.model_copy(update={"url": f"nats://127.0.0.1:{port}"})})


async def test_without_nats_uploads_go_on_and_the_outbox_holds_them(
    gateway_settings: GatewaySettings, nobody: int, bus: Bus, picture: Picture
) -> None:
    async with (
        running(_without_nats(gateway_settings, nobody)) as gateway,
        gateway.client() as ann,
        gateway.client("root", ("admin",)) as admin,
    ):
        image = await upload(ann, picture())
        ready = await ann.get("/readyz")
        queue = (await ann.get("/v1/queue")).json()
        letters = [
            await admin.get("/v1/dead-letters"),
            await admin.get("/v1/dead-letters/1"),
            await admin.post("/v1/dead-letters/1/replay"),
            await admin.delete("/v1/dead-letters/1"),
        ]
        quarantine = await admin.get("/v1/quarantine")
        deleted = await ann.delete(f"/v1/images/{image['id']}")

    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["checks"]["nats"]["status"] == "failed"
    assert (queue["nats"], queue["waiting"], queue["consumers"], queue["outbox"]["depth"]) == (
        "unavailable",
        None,
        [],
        2,
    )
    assert deleted.status_code == 204
    assert (quarantine.status_code, quarantine.json()) == (200, {"messages": [], "next": None})
    for answer in letters:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        problem(answer, "nats-unavailable")

    async with running(gateway_settings):  # NATS is back: what the outbox held goes out
        assert await count(bus, "WORK", "work.render.normal", expected=1) == 1
        assert await count(bus, "EVENTS", "events.image.deleted", expected=1) == 1


async def test_without_s3_an_upload_is_refused_for_now(
    gateway_settings: GatewaySettings, nobody: int, bus: Bus, picture: Picture
) -> None:
    s3 = gateway_settings.s3.model_copy(update={"endpoint": f"http://127.0.0.1:{nobody}"})
    async with running(gateway_settings.model_copy(update={"s3": s3})) as gateway, gateway.client() as ann:
        headers = {"Content-Type": "image/png"}
        raw = await ann.post("/v1/images", content=picture(), headers=headers)
        several = await ann.post(
            "/v1/images", files=[("file", ("a.png", picture())), ("file", ("b.png", picture(seed=1)))]
        )
        listed = await ann.get("/v1/images")
        ready = await ann.get("/readyz")
        health, system_health = await ann.get("/health"), await ann.get("/api/health")

    for answer in (raw, several):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert str(nobody) not in problem(answer, "object-store-unavailable")["detail"]
    assert listed.json()["images"] == []
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")  # or nobody would be told the above
    assert ready.json()["checks"]["blobs"]["status"] == "failed"
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert (system_health.status_code, system_health.json()["status"]) == (503, "unhealthy")


async def test_without_postgresql_everything_is_refused_for_now(
    gateway_settings: GatewaySettings, nobody: int, picture: Picture
) -> None:
    url = f"postgresql+psycopg://nobody@127.0.0.1:{nobody}/nothing"
    database = gateway_settings.database.model_copy(update={"url": type(gateway_settings.database.url)(url)})
    async with running(gateway_settings.model_copy(update={"database": database})) as gateway, gateway.client() as ann:
        answers: list[httpx2.Response] = [
            await ann.get("/v1/images"),
            await ann.get("/v1/queue"),
            await ann.post("/v1/images", content=picture(), headers={"Content-Type": "image/png"}),
        ]
        live = await ann.get("/livez")
        ready = await ann.get("/readyz")
        health = await ann.get("/health")

    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "nobody" not in problem(answer, "database-unavailable")["detail"]
    assert live.status_code == 200
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["checks"]["database"]["status"] == "failed"
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")


async def sent(client: httpx2.AsyncClient, data: bytes) -> httpx2.Response:
    return await client.post("/v1/images", content=data, headers={"Content-Type": "image/png"})


async def test_a_postgresql_that_reads_only_costs_no_500(
    gateway_settings: GatewaySettings, bus: Bus, database: World, picture: Picture
) -> None:
    """Nor with sessions that were opened before it, nor with those that were opened meanwhile, once it is over."""
    name = sql.Identifier(database.name)
    async with (
        running(gateway_settings) as gateway,
        gateway.client() as ann,
        await psycopg.AsyncConnection.connect(database.libpq_url, autocommit=True) as owner,
    ):
        image = await upload(ann, picture())
        await owner.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        await owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        refused = [
            *[await sent(ann, picture(seed=seed)) for seed in range(2, 7)],
            await ann.delete(f"/v1/images/{image['id']}"),
        ]
        read = await ann.get(f"/v1/images/{image['id']}")
        await owner.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
        async with asyncio.timeout(30):
            while (again := await sent(ann, picture(seed=9))).status_code >= 500:
                refused.append(again)

    assert read.status_code == 200
    assert again.status_code == 201
    for answer in refused:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
        problem(answer, "database-unavailable")


async def test_a_postgresql_that_does_not_answer_costs_no_500(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    url = make_url(gateway_settings.database.url.get_secret_value())
    async with TcpProxy(lambda: url.port or 5432) as between:
        hidden = SecretStr(url.set(port=between.port).render_as_string(hide_password=False))
        short = {"url": hidden, "statement_timeout": 1.0, "connect_timeout": 2.0}
        settings = gateway_settings.model_copy(update={"database": gateway_settings.database.model_copy(update=short)})
        async with running(settings) as gateway, gateway.client() as ann:
            image = await upload(ann, picture())
            between.pause()
            refused = await asyncio.gather(
                *(sent(ann, picture(seed=2)) for _ in range(15)),
                *(ann.get(f"/v1/images/{image['id']}") for _ in range(15)),
            )
            between.resume()
            again = await ann.get(f"/v1/images/{image['id']}")

    assert again.status_code == 200
    for answer in refused:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
        problem(answer, "database-unavailable")
