"""Analyses by the client: what it asks, and what it makes of the answers."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path

import pytest
from starlette.responses import Response
from tests.unit.client.fake import FakeServer, busy
from tests.unit.client.fake_analyses import MEAL, SCENE, USED
from tests.unit.client.fake_answers import problem
from tests.unit.client.support import UNKNOWN

from heliograph_client import Analysis, AsyncClient, Client, Connection, RetryPolicy
from heliograph_client.errors import AnalysisUnavailable, NotFound, Rejected, WaitTimeout

IMAGE = "01a1f930-91c4-7d0f-8a3b-5a7f2c60e1d4"


def unavailable() -> Response:
    """What the server answers those who wait where there are no credentials."""
    return problem(503, "analysis-unavailable", "missing credentials", {"Retry-After": "0"}, reason="missing")


async def test_an_image_is_analyzed(fake: FakeServer, client: AsyncClient) -> None:
    made = await client.analyze(IMAGE, profile="food")
    assert (str(made.image_id), made.profile, made.status, made.finished) == (IMAGE, "food", "queued", False)
    assert fake.analyses.requests == [{"image_id": IMAGE, "profile": "food", "prefer": None}]
    seen: list[Analysis] = []
    ended = await client.wait_for_analysis(made.id, 20, on_look=seen.append)
    assert [each.status for each in seen] == ["queued", "running", "completed"]
    assert (ended.result, ended.source, ended.usage.model_dump()) == (MEAL, "api", USED)
    assert await client.analyses(IMAGE) == [ended]


async def test_a_file_is_sent_in_a_form_with_its_name(fake: FakeServer, client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / 'a "quoted" name.jpg'
    path.write_bytes(b"\xff\xd8\xff picture")
    told: list[tuple[int, int | None]] = []
    await client.analyze(file=path, on_progress=lambda sent, total: told.append((sent, total)))
    sent = fake.analyses.requests[0]
    assert (sent["profile"], sent["prefer"]) == ("describe", None)
    assert b'name="file"; filename="a %22quoted%22 name.jpg"\r\n' in sent["form"]
    assert b"\r\n\r\n\xff\xd8\xff picture\r\n--" in sent["form"]
    assert told == [(0, 11), (11, 11)]
    request = fake.received("POST", "/v1/analyses")[0]
    assert int(request.headers["content-length"]) == len(request.body)


async def test_a_completed_one_is_asked_for_again(fake: FakeServer, client: AsyncClient) -> None:
    await client.analyze(IMAGE, refresh=True)
    await client.analyze(file=io.BytesIO(b"picture"), refresh=True)
    of_image, of_file = fake.received("POST", "/v1/analyses")
    assert json.loads(of_image.body) == {"image_id": IMAGE, "profile": "describe", "refresh": True}
    assert of_file.query == {"profile": "describe", "refresh": "true"}


async def test_a_file_is_sent_again_where_the_server_is_busy(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults["POST /v1/analyses"].append(busy())
    await client.analyze(file=io.BytesIO(b"picture"), name="p.jpg")
    assert b"picture" in fake.analyses.requests[0]["form"]


async def test_the_server_can_be_asked_to_wait(fake: FakeServer, client: AsyncClient) -> None:
    assert (await client.analyze(IMAGE, wait=19.2)).status == "completed"
    assert fake.analyses.requests[0]["prefer"] == "wait=20"


async def test_who_waits_hears_at_once_that_no_model_is_available(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults["POST /v1/analyses"].extend([unavailable(), unavailable()])
    with pytest.raises(AnalysisUnavailable, match="missing credentials"):
        await client.analyze(IMAGE, wait=20)
    assert len(fake.received("POST", "/v1/analyses")) == 1


async def test_what_is_refused(fake: FakeServer, client: AsyncClient) -> None:
    fake.analyses.missing.add(UNKNOWN)
    with pytest.raises(Rejected, match="one of describe, food"):
        await client.analyze(IMAGE, profile="unknown")
    for asked in (client.analyze(UNKNOWN), client.analyses(UNKNOWN), client.analysis(UNKNOWN)):
        with pytest.raises(NotFound):
            await asked
    for both_or_neither in (client.analyze(), client.analyze(IMAGE, file=b"picture")):
        with pytest.raises(ValueError, match="either"):
            await both_or_neither


async def test_a_wait_has_an_end_that_tells_what_is_waited_for(fake: FakeServer, client: AsyncClient) -> None:
    fake.analyses.begins = {"waiting": {"reason": "missing credentials", "until": None}}
    fake.analyses.moves = False
    made = await client.analyze(IMAGE)
    with pytest.raises(WaitTimeout, match=r"missing credentials.*it goes on"):
        await client.wait_for_analysis(made.id, 0.9)
    fake.analyses.moves = True
    fake.analyses.ends = {"status": "failed", "error": {"code": "refused", "reason": "it declined"}}
    failed = await client.wait_for_analysis(made.id, 20)
    assert failed.error is not None
    assert (failed.error.code, failed.error.reason) == ("refused", "it declined")


async def test_what_was_used(fake: FakeServer, client: AsyncClient) -> None:
    found = await client.analysis_usage(date(2026, 11, 1), date(2026, 11, 30), owner="*")
    assert fake.analyses.requests == [{"from": "2026-11-01", "to": "2026-11-30", "owner": "*"}]
    assert (found.total.calls, found.total.cache_hits, found.days[0].day) == (80, 120, date(2026, 11, 21))
    await client.analysis_usage()
    assert fake.analyses.requests[1] == {}


async def test_an_upload_says_what_it_is_to_be_analyzed_for(fake: FakeServer, client: AsyncClient) -> None:
    await client.upload(b"one", name="a", analyze="food")
    await client.upload(b"two", name="b")
    assert [each.query.get("analyze") for each in fake.received("POST")] == ["food", None]
    await client.upload_direct(b"three", analyze="food")
    assert b'"analyze":"food"' in fake.received("POST", "/v1/uploads")[0].body


def test_without_an_event_loop(fake: FakeServer, connection: Connection, policy: RetryPolicy) -> None:
    fake.analyses.ends["result"] = SCENE
    with Client(connection, policy=policy) as client:
        made = client.analyze(file=b"picture")
        assert client.wait_for_analysis(made.id, 20).result == SCENE
        assert client.analysis(made.id).finished
        assert [each.id for each in client.analyses(made.image_id)] == [made.id]
        assert client.analysis_usage().owner == "ann"
