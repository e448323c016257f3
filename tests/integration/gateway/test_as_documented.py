"""What ``make conformance`` found in the gateway, one test each: the document and the server say the same."""

from __future__ import annotations

from typing import Any

import httpx2

SIZE = {"name": "a", "kind": "thumbnail", "width": 300, "height": 300, "fit": "cover", "format": "jpeg", "quality": 80}


async def test_a_time_that_would_have_to_be_guessed_is_refused(ann: httpx2.AsyncClient) -> None:
    for name in ("created_after", "created_before", "taken_after", "taken_before"):
        for value in ("0", "1795166400", "2026-11-20", "2026-11-20T09:30:00"):
            answer = await ann.get("/v1/images", params={name: value})
            assert answer.status_code == 400, (name, value)
            assert answer.json()["errors"][0]["parameter"] == name
            assert "RFC 3339" in answer.json()["detail"]


async def test_an_integer_may_be_written_as_a_float(admin: httpx2.AsyncClient) -> None:
    for width, status in ((300.5, 422), ("300", 422), (0.0, 422), (16_385.0, 422), (300.0, 200)):
        answer = await admin.put("/v1/settings/display-sizes", json={"sizes": [SIZE | {"width": width}]})
        assert answer.status_code == status, answer.text
    assert answer.json()["sizes"][0]["width"] == 300


async def test_so_may_the_bytes_of_a_direct_upload(ann: httpx2.AsyncClient) -> None:
    answer = await ann.post("/v1/uploads", json={"name": "a.jpg", "bytes": 300.0})
    assert answer.status_code == 201, answer.text
    assert answer.json()["bytes"] == 300


async def test_what_an_upload_is_refused_for_is_documented(ann: httpx2.AsyncClient) -> None:
    document = (await ann.get("/openapi.json")).json()
    documented = document["paths"]["/v1/images"]["post"]["responses"]["400"]["content"]["application/problem+json"]
    for part, kind in (("priority", "missing-file"), ("picture", "unknown-part")):
        answer = await ann.post("/v1/images", files={part: (None, "high")})
        assert (answer.status_code, answer.json()["type"]) == (400, f"/problems/{kind}")
        assert kind in documented["examples"]


async def test_keys_are_as_long_as_the_document_says(ann: httpx2.AsyncClient, picture: Any) -> None:
    image = (await ann.post("/v1/images", content=picture(seed=91))).json()["id"]
    for length, status in ((255, 409), (256, 400)):  # 409: it has not failed
        answer = await ann.post(f"/v1/images/{image}/retry", headers={"Idempotency-Key": "k" * length})
        assert answer.status_code == status
