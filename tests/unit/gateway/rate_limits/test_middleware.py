"""Which requests are counted, in which bucket, by which policy, and what the answers tell of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx2
import pytest
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from heliograph_common.auth.principal import Principal
from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.ratelimit.gcra import Decision, Limit
from heliograph_common.telemetry import metrics
from heliograph_common.testing.ratelimit import MemoryRateLimits
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.app import ROUTERS
from heliograph_gateway.rate_limits.middleware import Throttle
from heliograph_gateway.settings import GatewaySettings, RateLimitSettings, RatePolicy

Connect = Callable[..., httpx2.AsyncClient]

AWAY = DatabaseUnavailable("no server is needed here")
TWO = RateLimitSettings(default=RatePolicy(quota=1, window_seconds=10, burst=2))
ROUTES = [
    (method, route)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


class StoppedClock:
    """Stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def buckets(clock: StoppedClock) -> MemoryRateLimits:
    return MemoryRateLimits(now=clock)


def counted(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


async def test_answers_tell_where_the_caller_stands(
    connect: Connect, buckets: MemoryRateLimits, clock: StoppedClock
) -> None:
    async with connect(AWAY, buckets=buckets, rate_limits=TWO) as client:
        answers = [await client.get("/v1/images?limit=7") for _ in range(2)]
        clock.advance(13)
        answers.append(await client.get("/v1/images"))

    assert [answer.status_code for answer in answers] == [503] * 3  # whatever the route answers
    for answer in answers:
        assert answer.headers["ratelimit-policy"] == '"GET /v1/images";q=1;w=10;heliograph-burst=2'
    assert [answer.headers["ratelimit"] for answer in answers] == [
        '"GET /v1/images";r=1;t=10',
        '"GET /v1/images";r=0;t=10',
        '"GET /v1/images";r=0;t=7',
    ]


async def test_one_too_many_is_refused_and_told_when_to_come_back(
    connect: Connect, buckets: MemoryRateLimits, clock: StoppedClock
) -> None:
    labels = {"route": "/v1/images/{image_id}", "method": "GET"}
    seen = {
        "heliograph_rate_limited_total": labels,
        "heliograph_http_request_duration_seconds_count": labels | {"status": "429"},
    }
    before = {name: counted(name, **each) for name, each in seen.items()}
    async with connect(AWAY, buckets=buckets, rate_limits=TWO) as client:
        for _ in range(2):
            await client.get(f"/v1/images/{7:032x}")
        clock.advance(3.5)
        answer = await client.get(f"/v1/images/{8:032x}")
        clock.advance(6.5)
        again = await client.get(f"/v1/images/{9:032x}")
    body = answer.json()

    assert (answer.status_code, again.status_code) == (429, 503)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "7"  # 6.5, rounded up
    assert answer.headers["ratelimit"] == '"GET /v1/images/{image_id}";r=0;t=7'
    assert "ratelimit-policy" in answer.headers
    assert (body["type"], body["status"]) == ("/problems/rate-limited", 429)
    assert body["violated-policies"] == ["GET /v1/images/{image_id}"]
    assert "Try again in 7 s" in body["detail"]
    assert {name: counted(name, **each) - before[name] for name, each in seen.items()} == dict.fromkeys(seen, 1.0)


async def test_a_wait_of_nothing_is_told_as_a_second(connect: Connect) -> None:
    class Refusing(MemoryRateLimits):
        async def take(self, key: str, limit: Limit) -> Decision:
            return Decision(False, 0, timedelta())

    async with connect(AWAY, buckets=Refusing()) as client:
        answer = await client.get("/v1/images")

    assert (answer.headers["retry-after"], answer.headers["ratelimit"]) == ("1", '"GET /v1/images";r=0;t=1')


async def test_callers_and_routes_have_buckets_of_their_own(
    connect: Connect, buckets: MemoryRateLimits, clock: StoppedClock
) -> None:
    one = RateLimitSettings(default=RatePolicy(quota=1, window_seconds=10, burst=1))
    async with connect(AWAY, buckets=buckets, rate_limits=one) as ann:
        first = [
            await ann.get("/v1/images"),
            await ann.get(f"/v1/images/{7:032x}"),
            await ann.delete(f"/v1/images/{7:032x}"),
        ]
        second = [
            await ann.get("/v1/images?cursor=x"),
            await ann.get(f"/v1/images/{8:032x}"),
            await ann.head("/v1/images"),
        ]
    async with connect(AWAY, buckets=buckets, rate_limits=one, caller="bob|images:read") as bob:
        others = [await bob.get("/v1/images")]

    assert [answer.status_code for answer in first] == [503] * 3
    assert [answer.status_code for answer in second] == [429] * 3
    assert [answer.status_code for answer in others] == [503]


async def test_what_asks_nobody_is_not_counted(connect: Connect) -> None:
    nothing = RateLimitSettings(default=RatePolicy(quota=1, window_seconds=3600, burst=1))
    async with connect(AWAY, rate_limits=nothing) as client:
        for path in ("/", "/problems", "/problems/rate-limited", "/livez", "/readyz", "/openapi.json", "/v1/nowhere"):
            for _ in range(3):
                answer = await client.get(path)
                assert answer.status_code != 429, path
                assert "ratelimit" not in answer.headers, path
        for _ in range(3):
            assert (await client.put("/v1/queue")).status_code == 405


async def test_a_bad_token_takes_nothing_from_anyone(connect: Connect, buckets: MemoryRateLimits) -> None:
    for caller in ("", "|"):
        async with connect(AWAY, buckets=buckets, caller=caller, rate_limits=TWO) as stranger:
            for _ in range(4):
                answer = await stranger.get("/v1/images")
                assert answer.status_code == 401
                assert "ratelimit" not in answer.headers

    assert await buckets.forget() == 0


async def test_callers_without_a_token_share_the_bucket_of_their_owner(buckets: MemoryRateLimits) -> None:
    """On the old routes of an installation that names one; elsewhere they are to be refused, and have none."""
    async with _throttled(buckets, TWO, anonymous_owner="guest", caller="") as anyone:
        told = [(await anyone.get(path)).headers.get("ratelimit") for path in ("/images", "/images", "/v1/images")]
    async with _throttled(buckets, TWO, caller="guest") as guest:
        told.append((await guest.get("/images")).headers["ratelimit"])

    assert told == ['"GET /images";r=1;t=10', '"GET /images";r=0;t=10', None, '"GET /images";r=0;t=10']


async def test_a_refused_body_is_not_read(connect: Connect, buckets: MemoryRateLimits) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    none_left = RateLimitSettings(routes={"POST /v1/images": RatePolicy(quota=1, window_seconds=60, burst=1)})
    async with connect(AWAY, buckets=buckets, guarded=False, rate_limits=none_left) as client:
        await client.post("/v1/images", content=b"x")
        answer = await client.post(
            "/v1/images", content=body(), headers={"Content-Length": "5", "Idempotency-Key": "k"}
        )

    assert answer.status_code == 429


async def test_browsers_may_read_refusals(connect: Connect, buckets: MemoryRateLimits) -> None:
    origin = {"Origin": "https://pictures.example"}
    async with connect(AWAY, buckets=buckets, cors_origins=[origin["Origin"]], rate_limits=TWO) as client:
        answers = [await client.get("/v1/images", headers=origin) for _ in range(3)]

    assert answers[2].status_code == 429
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin["Origin"]
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(
            answer.headers["access-control-expose-headers"].split(", ")
        )


async def test_switched_off_there_are_none(connect: Connect, buckets: MemoryRateLimits) -> None:
    off = RateLimitSettings(enabled=False, default=RatePolicy(quota=1, window_seconds=3600, burst=1))
    async with connect(AWAY, buckets=buckets, rate_limits=off) as client:
        answers = [await client.get("/v1/images") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert "ratelimit" not in answers[0].headers


async def test_without_the_database_requests_pass(connect: Connect, buckets: MemoryRateLimits) -> None:
    before = counted("heliograph_rate_limit_unchecked_total")
    async with connect(AWAY, buckets=buckets, rate_limits=TWO) as client:
        buckets.down = True
        with capture_logs() as logs:
            answers = [await client.get("/v1/images") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [503] * 5
    assert [answer.json()["type"] for answer in answers] == ["/problems/database-unavailable"] * 5
    assert "ratelimit" not in answers[0].headers
    assert counted("heliograph_rate_limit_unchecked_total") == before + 5
    assert [line["seconds"] for line in logs if line["event"] == "rate limits unavailable, requests allowed"] == [1.0]


async def test_after_an_outage_the_database_is_asked_again(buckets: MemoryRateLimits, clock: StoppedClock) -> None:
    asked: list[str] = []

    class AskedRateLimits(MemoryRateLimits):
        async def take(self, key: str, limit: Limit) -> Decision:
            asked.append(key)
            return await super().take(key, limit)

    limits = AskedRateLimits(now=clock)
    limits.down = True
    async with _throttled(limits, TWO, monotonic=lambda: clock().timestamp()) as client:
        for seconds in (0.0, 0.5, 0.6):
            clock.advance(seconds)
            assert "ratelimit" not in (await client.get("/v1/queue")).headers
        assert len(asked) == 2
        limits.down = False
        clock.advance(1)
        assert (await client.get("/v1/queue")).headers["ratelimit"] == '"GET /v1/queue";r=1;t=10'

    assert asked[0] == "GET /v1/queue ann"


async def test_every_route_that_asks_who_calls_is_limited(connect: Connect, buckets: MemoryRateLimits) -> None:
    """And says so in the OpenAPI document, where ``security`` stands with those that do."""
    async with connect(caller="") as client:
        document = (await client.get("/openapi.json")).json()
    async with _throttled(buckets, TWO) as client:
        for method, route in ROUTES:
            operation = document["paths"][route.path_format].get(
                method.lower(), {"responses": {}}
            )  # without: asks nobody
            answer = await client.request(method, route.path_format.format_map(_Any()))
            told = (f"{method} {route.path_format}", "security" in operation)

            assert (f"{method} {route.path_format}", "ratelimit" in answer.headers) == told
            assert (f"{method} {route.path_format}", "429" in operation["responses"]) == told
            if told[1]:
                assert {"RateLimit", "RateLimit-Policy"} <= operation["responses"]["429"]["headers"].keys()


# -- policies ----------------------------------------------------------------------------------------------------------


def test_the_most_exact_pattern_counts() -> None:
    def policy(quota: int) -> RatePolicy:
        return RatePolicy(quota=quota, burst=quota)

    settings = RateLimitSettings(
        default=policy(1),
        routes={"POST *": policy(2), "* /v1/images*": policy(3), "POST /v1/images": policy(4), "GET /v1/queue": None},
    )
    found = {
        route: settings.policy(route)
        for route in (
            "DELETE /v1/x",
            "POST /v1/x",
            "POST /v1/images/{image_id}/retry",
            "POST /v1/images",
            "GET /v1/queue",
        )
    }

    assert [each and each.quota for each in found.values()] == [1, 2, 3, 4, None]


def test_settings_join_what_is_built_in() -> None:
    settings = RateLimitSettings(routes={"GET /v1/queue": RatePolicy(quota=1, burst=1)})
    built_in = RateLimitSettings()

    for route in ("POST /v1/images", "GET /v1/dead-letters", "PUT /v1/settings/display-sizes"):
        assert settings.policy(route) == built_in.policy(route) != built_in.default
    assert settings.policy("GET /v1/queue") != built_in.policy("GET /v1/queue") == built_in.default


def test_they_are_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "ENABLED": "false",
        "DEFAULT": '{"quota": 6, "burst": 1e+06}',  # as Helm writes large numbers
        "DEFAULT__QUOTA": "7",
        "ROUTES": '{"POST /v1/images": {"quota": 3, "window_seconds": 60, "burst": 4}, "GET /v1/queue": null}',
    }.items():
        monkeypatch.setenv(f"HELIOGRAPH_RATE_LIMITS__{name}", text)
    settings = GatewaySettings().rate_limits

    assert settings.enabled is False
    assert settings.default == RatePolicy(quota=7, burst=1_000_000)
    assert settings.policy("POST /v1/images") == RatePolicy(quota=3, window_seconds=60, burst=4)
    assert settings.policy("GET /v1/queue") is None


async def test_a_pattern_that_fits_no_route_is_told(buckets: MemoryRateLimits) -> None:
    with capture_logs() as logs:
        async with _throttled(buckets, RateLimitSettings(routes={"POST /v1/imges": None})):
            pass

    assert [line["pattern"] for line in logs] == ["POST /v1/imges"]


# -- helpers -----------------------------------------------------------------------------------------------------------


class _Any(dict[str, str]):
    """Something for every parameter of a path."""

    def __missing__(self, key: str) -> str:
        return str(UUID(int=7))


class _Whoever:
    async def verify(self, token: str) -> Principal:
        return Principal(token, frozenset(), datetime.max.replace(tzinfo=UTC))


def _throttled(
    limits: MemoryRateLimits,
    settings: RateLimitSettings,
    *,
    anonymous_owner: str = "",
    caller: str = "ann",
    **more: Any,
) -> httpx2.AsyncClient:
    """The middleware alone, around an application that answers everything."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=204)(scope, receive, send)

    callers = Callers(cast("TokenVerifier", _Whoever()), anonymous_owner=anonymous_owner)
    routes = [route for _, route in ROUTES]
    app = Throttle(answer, routes=routes, settings=settings, limits=limits, callers=callers, **more)
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://gateway",
        headers={"Authorization": f"Bearer {caller}"} if caller else {},
    )
