"""The routes of the older word system: key by key, over words as all others."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.contracts import compat
from tests.integration.gateway.support import Gateway, running
from tests.integration.gateway.words.support import choose, miss, photo, put, queued, word

from heliograph_common.bus.connection import Bus
from heliograph_common.db import provider_states
from heliograph_common.db.engine import Database
from heliograph_gateway.compat import word_schemas
from heliograph_gateway.settings import GatewayCompatSettings, GatewaySettings

ROUTES = (
    ("POST", "/api/images/populate-queue"),
    ("GET", "/api/words/4711/image"),
    ("POST", "/api/images/search"),
    ("POST", "/api/images/cache/clear"),
    ("GET", "/api/images/cache/stats"),
    ("GET", "/api/images/background/status"),
)


async def test_populating_the_queue(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, *(word(str(number)) for number in range(3)), word("4711"))
    await choose(db, "4711", photo())
    first = await ann.post("/api/images/populate-queue")
    again = await ann.post("/api/images/populate-queue", json={"type": "recent", "days": 7, "force": True})

    assert (first.status_code, again.status_code) == (200, 200)
    compat.check("words_populated", first.json())
    compat.check("words_populated_again", again.json())
    word_schemas.OldPopulated.model_validate_json(first.content)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_a_population_may_have_any_body_that_says_the_same(ann: httpx2.AsyncClient, content_type: str) -> None:
    await put(ann, word("1", rank=1), word("2"))
    headers = {"Content-Type": content_type}
    for content, added in ((b'{"type": "vocabulary"}', 0), (b'{"type": "top100"}', 1), (b"", 1), (b"{}", 0)):
        answer = await ann.post("/api/images/populate-queue", content=content, headers=headers)
        assert (answer.status_code, answer.json()["added_count"]) == (200, added), content


async def test_bad_populations(ann: httpx2.AsyncClient) -> None:
    for content, status in ((b'{"type": "some"}', 422), (b'{"days": "x"}', 422), (b"[]", 422), (b"{", 400)):
        answer = await ann.post("/api/images/populate-queue", content=content)
        assert answer.status_code == status, content
        assert answer.json()["error"] == answer.json()["detail"]


async def test_the_image_of_a_word(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("4711"), word("other", "Lighthouse", rank=7))
    await choose(db, "4711", photo())
    found = await ann.get("/api/words/4711/image")
    waiting = await ann.get("/api/words/other/image")
    await miss(db, "other")
    missed = await ann.get("/api/words/other/image")

    assert (found.status_code, waiting.status_code, missed.status_code) == (200, 202, 404)
    compat.check("words_image", found.json())
    compat.check("words_image_queued", waiting.json())
    for answer in (found, waiting):
        word_schemas.OldWordImage.model_validate_json(answer.content)
    assert waiting.headers["retry-after"].isdecimal()
    assert missed.json()["error"] == missed.json()["detail"]
    assert (await ann.get("/api/words/none%00/image")).status_code == 404


async def test_searches_are_by_word(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("4711", "café"), word("12", "CAFÉ", rank=7), word("13", "tea"))
    await choose(db, "12", photo())
    bodies: tuple[dict[str, Any], ...] = (
        {"word": " Cafe\u0301 "}, {"query": "café", "page": 1}, {"word_id": "12"}, {"word_id": 12},
    )  # fmt: skip
    for body in bodies:
        answer = await ann.post("/api/images/search", json=body)
        assert (answer.status_code, answer.json()["word_id"]) == (200, "12"), body
    assert (await ann.post("/api/images/search", json={"word": "tea"})).status_code == 202
    row = await queued(db, "13")
    assert row is not None
    assert row.asked_by == "ann"
    for body, status in (({"word": "none"}, 404), ({}, 422), ({"word": "\0"}, 422), ({"word_id": 99}, 404)):
        answer = await ann.post("/api/images/search", json=body)
        assert (answer.status_code, answer.json()["error"]) == (status, answer.json()["detail"]), body


async def test_clearing_the_cache_forgets_one_word(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, word("4711"), word("12", "tea"))
    await choose(db, "4711", photo())
    await choose(db, "12", photo())
    cleared = await ann.post("/api/images/cache/clear", json={"word_id": 4711})
    again = await ann.post("/api/images/cache/clear", json={"word": "lighthouse"})

    compat.check("words_cleared", cleared.json())
    compat.check("words_cleared_nothing", again.json())
    word_schemas.OldCleared.model_validate_json(again.content)
    assert (await ann.get("/api/words/12/image")).status_code == 200
    assert (await ann.post("/api/images/cache/clear")).status_code == 422, "not that of all words"


async def test_numbers(ann: httpx2.AsyncClient, db: Database) -> None:
    await put(ann, *(word(str(number)) for number in range(5)))
    await choose(db, "0", photo())
    await miss(db, "1")
    stats, idle = await ann.get("/api/images/cache/stats"), await ann.get("/api/images/background/status")
    await ann.post("/api/images/populate-queue")
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE word_schedule SET populated_at = now()"))
    running_ = await ann.get("/api/images/background/status")
    async with db.transaction() as connection:
        await provider_states.pause(connection, "unsplash", reason="the access key was refused", seconds=3600)
    paused = await ann.get("/api/images/background/status")

    compat.check("words_stats", stats.json())
    word_schemas.OldCacheStats.model_validate_json(stats.content)
    for name, answer in (("idle", idle), ("running", running_), ("paused", paused)):
        compat.check(f"words_background_{name}", answer.json())
        word_schemas.OldBackground.model_validate_json(answer.content)


async def test_a_missing_token_is_told_as_the_old_system_did(gateway: Gateway) -> None:
    async with gateway.client(token="") as anyone, gateway.client(token="not.a.token") as bad:
        for method, path in ROUTES:
            missing, wrong = await anyone.request(method, path), await bad.request(method, path)
            assert (missing.status_code, missing.json()["msg"]) == (401, "Missing Authorization Header"), path
            assert (wrong.status_code, wrong.json()["msg"]) == (401, wrong.json()["detail"]), path
        compat.check("words_unauthorized", missing.json())
        assert "msg" not in (await anyone.get("/images")).json()


async def test_metrics_are_public_only_where_a_setting_says_so(gateway_settings: GatewaySettings, bus: Bus) -> None:
    for chosen, status in (
        ({}, 404),
        ({"metrics": True}, 200),
        ({"metrics": True, "enabled": False}, 404),
    ):
        settings = gateway_settings.model_copy(update={"compat": GatewayCompatSettings(**chosen)})
        async with running(settings) as gateway, gateway.client(token="") as anyone:
            answer = await anyone.get("/metrics")
            assert answer.status_code == status, chosen
            if status == 200:
                assert answer.headers["content-type"].startswith("text/plain")
                assert "heliograph_" in answer.text
