from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from heliograph_common.errors import BusUnavailable
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.management import routes


async def fine() -> None:
    """A check that passes."""


async def broken() -> None:
    raise BusUnavailable("nats://ann:hunter2@nats:4222 is away")


def serving(**options: float) -> Health:
    health = Health(**options)
    health.phase = "serving"
    return health


@pytest.mark.parametrize(("critical", "status", "code"), [(True, "unavailable", 503), (False, "degraded", 200)])
def test_a_failed_check_counts_by_its_weight(critical: bool, status: str, code: int) -> None:
    health = serving()
    health.register("database", fine)
    health.register("nats", broken, critical=critical)

    response = TestClient(Starlette(routes=routes(health))).get("/readyz")
    assert response.status_code == code
    assert response.json() == {
        "status": status,
        "checks": {
            "database": {"status": "ok", "detail": ""},
            "nats": {"status": "failed", "detail": "nats://[hidden]@nats:4222 is away"},
        },
    }


@pytest.mark.parametrize(("phase", "code"), [("starting", 503), ("serving", 200), ("draining", 503)])
def test_readiness_follows_the_phase_and_liveness_does_not(phase: str, code: int) -> None:
    health = Health()
    health.phase = phase  # type: ignore[assignment]
    client = TestClient(Starlette(routes=routes(health)))
    assert client.get("/readyz").status_code == code
    assert client.get("/livez").status_code == 200


async def test_a_check_that_hangs_fails_and_does_not_hold_up_the_others() -> None:
    health = serving()
    health.register("slow", asyncio.Event().wait, timeout=0.05)
    health.register("nats", fine)

    report = await health.report()
    assert report.checks["slow"].detail == "no answer within 0.05 s"
    assert report.checks["nats"].status == "ok"


async def test_checks_run_once_for_many_probes() -> None:
    runs = 0

    async def counted() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)  # others ask meanwhile

    health = serving(cache_seconds=60)
    health.register("counted", counted)
    await asyncio.gather(*(health.report() for _ in range(20)))
    assert runs == 1


async def test_a_failure_is_forgotten_sooner_than_a_success() -> None:
    answers = iter([broken, fine])

    async def at_first_broken() -> None:
        await next(answers)()

    health = serving(cache_seconds=10)
    health.register("nats", at_first_broken)
    assert not (await health.report()).ready
    async with asyncio.timeout(8):
        while not (await health.report()).ready:
            await asyncio.sleep(0.05)


def test_metrics_come_in_the_form_that_is_asked_for() -> None:
    client = TestClient(Starlette(routes=routes(Health())))
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")

    response = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert "# TYPE heliograph_outbox_depth gauge" in response.text
