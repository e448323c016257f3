"""The routes of the systems that Heliograph replaces, over real servers: their shapes, their ways, and who may call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.contracts import compat
from tests.integration.gateway.support import EVERY_SCOPE, Gateway, change, count, many, running, upload

from heliograph_common.bus.connection import Bus
from heliograph_common.clock import utc_now
from heliograph_common.db import analyses
from heliograph_common.db.engine import Database
from heliograph_gateway.compat import schemas as compat_schemas
from heliograph_gateway.compat.routes import ROUTERS
from heliograph_gateway.settings import GatewayCompatSettings, GatewaySettings, RateLimitSettings, RatePolicy

Picture = Callable[..., bytes]
NOBODYS = "01890000-0000-7000-8000-000000000000"


async def upload_old(
    client: httpx2.AsyncClient, data: bytes, *, part: str = "file", name: str = "Möwe.png", **fields: str
) -> httpx2.Response:
    files = {part: (name, data, "image/png")}
    return await client.post("/api/images/upload", files=files, data=fields)


@asynccontextmanager
async def gateway_with(settings: GatewaySettings, **compat_settings: Any) -> AsyncIterator[Gateway]:
    chosen = settings.model_copy(update={"compat": GatewayCompatSettings(**compat_settings)})
    async with running(chosen) as found:
        yield found


# -- shapes ------------------------------------------------------------------------------------------------------------


async def test_upload(ann: httpx2.AsyncClient, picture: Picture) -> None:
    started = time.monotonic()
    answer = await upload_old(ann, picture(level=0))
    seconds = time.monotonic() - started
    again = await upload_old(ann, picture(level=0))

    assert (answer.status_code, again.status_code) == (200, 200)
    compat.check("upload", answer.json())
    compat.check("upload_duplicate", again.json())
    compat_schemas.OldUpload.model_validate_json(answer.content)
    compat_schemas.OldDuplicate.model_validate_json(again.content)
    assert answer.json()["data"] == again.json()["data"]
    assert seconds < 5, "the old system promised 500 ms"


async def test_what_is_uploaded_is_an_image_like_any_other(ann: httpx2.AsyncClient, bus: Bus, picture: Picture) -> None:
    image_id = (await upload_old(ann, picture())).json()["data"]["id"]
    shown = (await ann.get(f"/v1/images/{image_id}")).json()

    assert (shown["name"], shown["source"], shown["status"]) == ("Möwe.png", "upload", "pending")
    assert await count(bus, "WORK", "work.render.normal", expected=1) == 1


async def test_the_record_of_a_rendered_image(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image_id = (await upload_old(ann, picture(level=0))).json()["data"]["id"]
    done = dict.fromkeys(("processing_status", "thumbnail_status", "variant_status"), "complete")
    await change(
        db, image_id, **done, dominant_color="#7f8c8d", exif={"Make": "Canon"},
        last_processing_attempt=utc_now(), processing_completed_at=utc_now(),
    )  # fmt: skip
    compat.check("upload_duplicate_rendered", (await upload_old(ann, picture(level=0))).json())


async def test_retry(ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture) -> None:
    image_id = (await upload_old(ann, picture())).json()["data"]["id"]
    await count(bus, "WORK", "work.render.normal", expected=1)
    await change(db, image_id, processing_status="failed", processing_attempts=3, processing_error="broken")
    retried = await ann.post(f"/api/images/{image_id}/retry-processing")
    again = await ann.post(f"/api/images/{image_id}/retry-processing")
    shown = (await ann.get(f"/v1/images/{image_id}")).json()

    assert (retried.status_code, again.status_code) == (200, 200)
    compat.check("retry", retried.json())
    compat.check("retry_not_failed", again.json())
    compat_schemas.OldRetry.model_validate_json(again.content)
    assert (shown["status"], shown["error"]) == ("pending", None)
    assert await count(bus, "WORK", "work.render.normal", expected=2) == 2, "queued once, not twice"


async def test_a_task_is_the_processing_of_an_image(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    image_id = (await upload_old(ann, picture(level=0))).json()["data"]["id"]
    for status, name in (
        ("pending", "pending"),
        ("processing", "started"),
        ("complete", "success"),
        ("failed", "failure"),
    ):
        error = "the file ends early: export it anew" if status == "failed" else None
        await change(db, image_id, processing_status=status, processing_error=error)
        answer = await ann.get(f"/task/{image_id}")
        compat.check(f"task_{name}", answer.json())
        compat_schemas.OldTask.model_validate_json(answer.content)
    await ann.delete(f"/v1/images/{image_id}")
    for unknown in (image_id, NOBODYS, "3f2504e0", "x" * 2000):
        answer = await ann.get(f"/task/{unknown}")
        assert answer.status_code == 200
        assert answer.json() == {"task_id": unknown, "status": "PENDING", "result": None}


async def test_a_task_of_someone_else_is_one_that_nobody_knows(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, admin: httpx2.AsyncClient, db: Database, picture: Picture
) -> None:
    image_id = (await upload_old(ann, picture())).json()["data"]["id"]
    for status in ("processing", "complete", "failed"):
        await change(db, image_id, processing_status=status, processing_error="broken")
        for other in (bob, admin):
            assert (await other.get(f"/task/{image_id}")).json() == {
                "task_id": image_id, "status": "PENDING", "result": None,
            }  # fmt: skip


async def test_list(ann: httpx2.AsyncClient, db: Database, picture: Picture) -> None:
    compat.check("list_empty", (await ann.get("/images")).json())
    made = [(await upload(ann, picture(seed=seed, level=0), name=f"{seed}.png"))["id"] for seed in range(3)]
    await change(db, made[1], source="dropbox")
    everything = await ann.get("/images")

    assert everything.headers["content-type"] == "application/json"
    compat.check("list", everything.json())
    compat_schemas.OldList.model_validate_json(everything.content)
    for query, expected in (
        ("", made),
        ("?source=", made),
        ("?source=dropbox&_=17", made[1:2]),
        ("?source=none", []),
    ):
        listed = (await ann.get(f"/images{query}")).json()
        assert [image["id"] for image in listed["images"]] == expected[::-1], query
        assert listed["count"] == len(expected)
    assert (await ann.get("/images?source=%00")).status_code == 400


async def test_the_list_has_no_bound_and_loses_nothing(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database
) -> None:
    await many(db, "ann", 1234, [])
    listed = (await ann.get("/images")).json()

    assert listed["count"] == len({image["id"] for image in listed["images"]}) == 1234
    assert (await bob.get("/images")).json() == {"images": [], "count": 0}


async def test_queue(ann: httpx2.AsyncClient, db: Database, bus: Bus, picture: Picture) -> None:
    for seed in range(4):
        last = await upload(ann, picture(seed=seed))
    await count(bus, "WORK", "work.render.normal", expected=4)
    taken = await bus.jetstream.pull_subscribe_bind("thumbnailer-normal", "WORK")
    messages = await taken.fetch(2, timeout=5)
    await messages[1].nak(delay=60)
    await change(db, last["id"], processing_attempts=1, last_processing_attempt=utc_now().replace(year=2020))
    ready = await upload(ann, picture(seed=9), priority="high")
    await change(db, ready["id"], processing_status="complete", processing_completed_at=utc_now())
    await count(bus, "WORK", "work.render.high", expected=1)
    answer = await ann.get("/api/queue/status")

    assert answer.status_code == 200
    compat.check("queue", answer.json())  # four wait, one of them for its next attempt; one is in hand
    compat_schemas.OldQueue.model_validate_json(answer.content)


async def test_health(gateway: Gateway, ann: httpx2.AsyncClient) -> None:
    for path, name, shape in (
        ("/health", "health", compat_schemas.OldHealth),
        ("/api/health", "system_health", compat_schemas.OldSystemHealth),
    ):
        well = await ann.get(path)
        assert well.status_code == 200
        compat.check(name, well.json())
        shape.model_validate_json(well.content)
        gateway.health.phase = "draining"
        unwell = await ann.get(path)
        gateway.health.phase = "serving"
        assert (unwell.status_code, unwell.json()["status"]) == (503, "unhealthy")
        assert unwell.headers["retry-after"].isdecimal()


async def test_health_while_something_is_away(gateway: Gateway, ann: httpx2.AsyncClient) -> None:
    async def away() -> None:
        raise ConnectionError("at 10.0.0.1")

    gateway.health.register("nats", away, critical=False)
    degraded, degraded_system = await ann.get("/health"), await ann.get("/api/health")
    gateway.health.register("database", away, critical=False)
    unhealthy, unhealthy_system = await ann.get("/health"), await ann.get("/api/health")
    assert (await ann.get("/readyz")).json()["status"] == "degraded"
    assert (unhealthy_system.status_code, unhealthy_system.json()["status"]) == (503, "unhealthy")

    compat.check("health_degraded", degraded.json())
    compat.check("health_unhealthy", unhealthy.json())
    assert (degraded.status_code, degraded_system.status_code, unhealthy.status_code) == (200, 200, 503)
    assert degraded_system.json()["status"] == "degraded"
    assert degraded_system.json()["services"]["nats"] == {"status": "unhealthy"}
    assert "10.0.0.1" not in unhealthy.text


async def test_health_in_the_grace_period_after_the_start(gateway: Gateway, ann: httpx2.AsyncClient) -> None:
    """An orchestrator that polls it must not restart what waits for its servers; afterwards it may."""

    async def away() -> None:
        raise ConnectionError("not there yet")

    gateway.health.grace_until = time.monotonic() + 600
    for name in ("nats", "database"):
        gateway.health.register(name, away, critical=False)
    starting = await ann.get("/health")
    gateway.health.grace_until = time.monotonic()
    over = await ann.get("/health")

    compat.check("health_startup", starting.json())
    assert (starting.status_code, over.status_code) == (200, 503)
    assert over.json()["startup_mode"] is False


async def test_health_knows_whether_a_model_can_be_asked(gateway: Gateway, db: Database) -> None:
    gateway.health.grace_until = time.monotonic() + 600
    async with db.transaction() as connection:
        await analyses.report(connection, configured=True, reason=None)
    async with gateway.client(token="") as anyone:
        compat.check("health_configured", (await anyone.get("/health")).json())


async def test_without_nats(gateway_settings: GatewaySettings, bus: Bus, picture: Picture) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nowhere = gateway_settings.nats.model_copy(update={"url": f"nats://127.0.0.1:{held.getsockname()[1]}"})
        async with (
            running(gateway_settings.model_copy(update={"nats": nowhere})) as gateway,
            gateway.client() as ann,
        ):
            uploaded = await upload_old(ann, picture())
            health = await ann.get("/api/health")
            queue = await ann.get("/api/queue/status")

    assert uploaded.json()["background_processing"] is True
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["services"]["queue"]["status"] == "unhealthy"
    assert (queue.status_code, queue.json()["type"]) == (503, "/problems/nats-unavailable")
    assert queue.headers["retry-after"].isdecimal()
    assert queue.json()["error"] == queue.json()["detail"]


# -- uploads as these clients make them --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["file", "image", "images"])
async def test_the_picture_may_have_any_of_the_old_names(ann: httpx2.AsyncClient, picture: Picture, part: str) -> None:
    answer = await upload_old(ann, picture(), part=part, album_id="7", playlist_id="", caption="x" * 5000)
    assert answer.json()["background_processing"] is True


@pytest.mark.parametrize(
    ("files", "status", "slug"),
    [
        ([("picture", ("a.png", b"x", "image/png"))], 400, "missing-file"),
        ([("file", ("a.png", b"", "image/png"))], 422, "empty-image"),
        ([("file", ("a.txt", b"hello", "text/plain"))], 415, "unsupported-image"),
    ],
)
async def test_refused_uploads(ann: httpx2.AsyncClient, files: Any, status: int, slug: str) -> None:
    answer = await ann.post("/api/images/upload", files=files)
    body = answer.json()

    assert (answer.status_code, body["type"]) == (status, f"/problems/{slug}")
    assert body["error"] == body["detail"]
    if slug == "missing-file":
        compat.check("refusal", body)


async def test_one_picture_a_request(ann: httpx2.AsyncClient, picture: Picture) -> None:
    files = [("images", (f"{seed}.png", picture(seed=seed), "image/png")) for seed in range(2)]
    answer = await ann.post("/api/images/upload", files=files)

    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-many-files")
    assert (await ann.get("/images")).json()["count"] == 1  # as the refusal says


async def test_bodies_that_are_broken_or_too_large(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    small = gateway_settings.limits.model_copy(update={"file_bytes": 1000})
    async with running(gateway_settings.model_copy(update={"limits": small})) as gateway, gateway.client() as ann:
        no_parts = await ann.post("/api/images/upload", json={})
        no_boundary = await ann.post("/api/images/upload", content=picture())
        file_too_large = await upload_old(ann, picture() + b"\0" * 2000)
        body_too_large = await upload_old(ann, picture(), caption="x" * 100_000)
        broken = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + picture()
        cut = await ann.post(
            "/api/images/upload", content=broken, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )

        for answer in (no_parts, no_boundary, cut):
            assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-multipart")
        assert (file_too_large.status_code, file_too_large.json()["type"]) == (413, "/problems/image-too-large")
        assert (body_too_large.status_code, body_too_large.json()["type"]) == (413, "/problems/body-too-large")
        assert (await ann.get("/images")).json()["count"] == 0


# -- who may call ------------------------------------------------------------------------------------------------------

REQUESTS = (
    ("GET", "/images"),
    ("GET", f"/task/{NOBODYS}"),
    ("POST", "/api/images/upload"),
    ("POST", f"/api/images/{NOBODYS}/retry-processing"),
    ("POST", "/import/google-drive"),
    ("POST", "/import/dropbox"),
    ("POST", "/analyze-food"),
    ("POST", "/api/images/populate-queue"),
    ("GET", f"/api/words/{NOBODYS}/image"),
    ("POST", "/api/images/search"),
    ("POST", "/api/images/cache/clear"),
    ("GET", "/api/images/cache/stats"),
    ("GET", "/api/images/background/status"),
)
READING = {"/api/images/search"}
"""POSTs that need no more than a GET does."""


POLLED = (("GET", "/health"), ("GET", "/api/health"), ("GET", "/api/queue/status"))
"""What orchestrators poll, which have no token."""


def test_all_routes_are_among_those_that_are_tried() -> None:
    tried = {(method, path.replace(NOBODYS, "{}")) for method, path in REQUESTS + POLLED}
    routes: Any = [route for router in ROUTERS for route in router.routes]
    known = {(next(iter(route.methods)), re.sub(r"\{\w+\}", "{}", route.path)) for route in routes}
    assert tried == known


async def test_without_a_token_nobody_may_call(gateway: Gateway) -> None:
    async with gateway.client(token="") as anyone:
        for method, path in REQUESTS:
            answer = await anyone.request(method, path)
            assert answer.status_code == 401, path
            assert answer.json()["error"] == answer.json()["detail"]
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_what_is_polled_needs_no_token_and_looks_at_none(
    gateway: Gateway, db: Database, bus: Bus, picture: Picture
) -> None:
    async with gateway.client("ann") as ann, gateway.client(token="") as anyone, gateway.client(token="bad") as bad:
        image = await upload(ann, picture())
        await count(bus, "WORK", "work.render.normal", expected=1)
        await change(db, image["id"], processing_status="failed", processing_attempts=3)
        answers = [await caller.request(*request) for request in POLLED for caller in (anyone, bad)]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json()["services"]["queue"]["failed"] for answer in answers[2:4]] == [1, 1], "those of all owners"
    assert [answer.json()["failed"] for answer in answers[4:]] == [1, 1]
    assert "ann" not in "".join(answer.text for answer in answers)


async def test_scopes(gateway: Gateway) -> None:
    for scope, refused in (("images:write", "GET"), ("images:read", "POST")):
        async with gateway.client("ann", (scope,)) as limited:
            for method, path in REQUESTS:
                answer = await limited.request(method, path)
                needed = "GET" if path in READING else method
                assert (answer.status_code == 403) == (needed == refused), (scope, path)


async def test_an_installation_may_name_an_owner_for_callers_without_a_token(
    gateway_settings: GatewaySettings, bus: Bus, picture: Picture
) -> None:
    async with (
        gateway_with(gateway_settings, anonymous_owner="kiosk") as gateway,
        gateway.client(token="") as anyone,
        gateway.client("kiosk") as kiosk,
        gateway.client("ann") as ann,
    ):
        uploaded = await upload_old(anyone, picture())
        image_id = uploaded.json()["data"]["id"]
        assert uploaded.json()["background_processing"] is True
        assert [image["id"] for image in (await anyone.get("/images")).json()["images"]] == [image_id]
        assert (await anyone.get(f"/task/{image_id}")).json()["status"] == "PENDING"
        for method, path in REQUESTS:
            assert (await anyone.request(method, path)).status_code not in {401, 403}, path
        assert (await kiosk.get(f"/v1/images/{image_id}")).status_code == 200
        assert (await ann.get("/images")).json()["count"] == 0, "a token is its own owner's"

        for path in ("/v1/images", f"/v1/images/{image_id}", f"/v1/images/{image_id}/renditions/original", "/v1/queue"):
            assert (await anyone.get(path)).status_code == 401, "the owner is named for the old routes only"
        for path in ("/v1/dead-letters", "/v1/settings/display-sizes/progress"):
            assert (await anyone.get(path)).status_code == 401


BAD = ["Bearer not.a.token", "Bearer", "", "Basic a2lvc2s6", "kiosk"]


@pytest.mark.parametrize("header", BAD)
async def test_a_bad_token_is_never_anonymous(
    gateway_settings: GatewaySettings, bus: Bus, header: str, picture: Picture
) -> None:
    async with gateway_with(gateway_settings, anonymous_owner="kiosk") as gateway, gateway.client(token="") as caller:
        caller.headers["Authorization"] = header
        for method, path in REQUESTS:
            assert (await caller.request(method, path)).status_code == 401, (header, path)


async def test_the_anonymous_owner_is_no_administrator(
    gateway_settings: GatewaySettings, bus: Bus, db: Database, picture: Picture
) -> None:
    async with (
        gateway_with(gateway_settings, anonymous_owner="root") as gateway,
        gateway.client(token="") as anyone,
        gateway.client("ann", EVERY_SCOPE) as ann,
        gateway.client("root", ("admin",)) as root,
    ):
        image = await upload(ann, picture())
        assert (await root.get("/v1/dead-letters")).status_code == 200
        assert (await anyone.get(f"/task/{image['id']}")).json()["result"] is None
        for path in ("/v1/queue", "/v1/dead-letters"):
            assert (await anyone.get(path)).status_code == 401


async def test_callers_without_a_token_share_one_rate_limit(gateway_settings: GatewaySettings, bus: Bus) -> None:
    slow = RateLimitSettings(default=RatePolicy(quota=1, window_seconds=1000, burst=2))
    settings = gateway_settings.model_copy(update={"rate_limits": slow})
    async with (
        gateway_with(settings, anonymous_owner="kiosk") as gateway,
        gateway.client(token="") as one,
        gateway.client(token="") as other,
    ):
        answers = [await caller.get("/images") for caller in (one, other, one)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["error"] == answers[-1].json()["detail"]


async def test_the_routes_can_be_turned_off(gateway_settings: GatewaySettings, bus: Bus) -> None:
    async with gateway_with(gateway_settings, enabled=False) as gateway, gateway.client() as ann:
        for method, path in REQUESTS + POLLED:
            assert (await ann.request(method, path)).json()["type"] == "/problems/unknown-route", path
        document = (await ann.get("/openapi.json")).json()
        assert not [
            path
            for path in document["paths"]
            if not path.startswith(("/v1/", "/problems", "/livez", "/readyz")) and path != "/"
        ]


async def test_the_document_calls_them_deprecated(ann: httpx2.AsyncClient) -> None:
    document = (await ann.get("/openapi.json")).json()
    for route in (route for router in ROUTERS for route in router.routes):
        for operation in document["paths"][route.path].values():  # type: ignore[attr-defined]
            assert operation["deprecated"] is True
            assert operation["tags"] == ["compat"]


async def test_a_list_that_breaks_off_has_no_end(ann: httpx2.AsyncClient, db: Database) -> None:
    """Better a broken answer than one that looks whole: what is left of it is no JSON."""
    await many(db, "ann", 20_000)
    received = b""
    async with ann.stream("GET", "/images") as answer:
        async with db.transaction() as connection:
            await connection.execute(text("ALTER TABLE images RENAME TO gone"))
        with contextlib.suppress(httpx2.RemoteProtocolError):
            async for chunk in answer.aiter_raw():
                received += chunk
    assert len(received) > 1000
    with pytest.raises(json.JSONDecodeError):
        json.loads(received)


async def test_two_uploads_of_one_file_at_once_are_one_image(ann: httpx2.AsyncClient, picture: Picture) -> None:
    answers = await asyncio.gather(*(upload_old(ann, picture()) for _ in range(4)))
    bodies = [answer.json() for answer in answers]

    assert len({body["data"]["id"] for body in bodies}) == 1
    assert sum("background_processing" in body for body in bodies) == 1
