"""Direct uploads without servers: what is refused before one is needed, kept problems, and how the document shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.openapi import DOCUMENT, validator
from tests.unit.gateway.support import Connect

from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import IMAGE_TOO_LARGE, UPLOAD_MISMATCH, problem_of_body

NOBODYS = "01890000-0000-7000-8000-000000000000"
ROUTES = [
    ("POST", "/v1/uploads", {"name": "a", "bytes": 1}),
    ("POST", "/v1/uploads/batch", {"files": [{"name": "a", "bytes": 1}]}),
    ("POST", "/v1/uploads/batch/complete", {"ids": [NOBODYS]}),
    ("POST", f"/v1/uploads/{NOBODYS}/complete", None),
    ("GET", f"/v1/uploads/{NOBODYS}", None),
    ("DELETE", f"/v1/uploads/{NOBODYS}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_without_postgresql_it_is_refused_for_now(connect: Connect, method: str, path: str, body: Any) -> None:
    async with connect(DatabaseUnavailable("no database: the test says so")) as client:
        answer = await client.request(method, path, json=body)

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/database-unavailable"
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_writing_is_needed(connect: Connect, method: str, path: str, body: Any) -> None:
    async with connect(caller="ann|images:read") as client:
        assert (await client.request(method, path, json=body)).status_code == 403
    async with connect(caller="") as client:
        assert (await client.request(method, path, json=body)).status_code == 401


async def test_the_routes_of_batches_take_their_own_methods(connect: Connect) -> None:
    """None is taken for the id of an upload."""
    async with connect() as client:
        for path in (
            "/v1/uploads",
            "/v1/uploads/batch",
            "/v1/uploads/batch/complete",
            f"/v1/uploads/{NOBODYS}/complete",
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), path
        wrong = await client.put(f"/v1/uploads/{NOBODYS}")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, HEAD")
        assert (await client.get("/v1/uploads/none")).json()["type"] == "/problems/unknown-route"


async def test_a_batch_is_bounded(connect: Connect) -> None:
    async with connect() as client:
        answer = await client.post("/v1/uploads/batch", json={"files": [{}] * 4})
        long = await client.post("/v1/uploads/batch", json={"files": ["x" * 1_100_000]})

    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-many-files")
    assert (long.status_code, long.json()["type"]) == (413, "/problems/body-too-large")


def test_a_problem_that_was_kept_is_the_same_again() -> None:
    for problem in (
        Problem(UPLOAD_MISMATCH, "The upload announced 7 bytes, but the file has 8."),
        Problem(IMAGE_TOO_LARGE, "too wide", extra={"remedy": "Scale it.", "limit_bytes": 7}),
    ):
        again = problem_of_body(json.loads(json.dumps(problem.body())))
        assert again.kind is problem.kind
        assert again.status == problem.status
        assert again.body() == problem.body()


def test_the_document_tells_what_may_be_sent() -> None:
    body = DOCUMENT["paths"]["/v1/uploads"]["post"]["requestBody"]["content"]["application/json"]
    check = validator(body["schema"])
    good = {"name": "a", "bytes": 1}
    for valid in (body["example"], good, good | {"sha256": "aF" * 32}, good | {"sha256": None}, good | {"analyze": ""}):
        assert check.is_valid(valid), valid
    for wrong in (
        {"name": "a"},
        good | {"bytes": 0},
        good | {"size": 1},
        good | {"sha256": "a"},
        good | {"priority": 1},
    ):
        assert not check.is_valid(wrong), wrong
    batch = DOCUMENT["paths"]["/v1/uploads/batch"]["post"]["requestBody"]["content"]["application/json"]
    assert validator(batch["schema"]).is_valid({"files": [good]})
    assert not validator(batch["schema"]).is_valid({"files": [{"name": "a"}]})
