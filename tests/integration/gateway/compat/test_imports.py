"""The routes with which the system that Heliograph replaces imported folders: key by key, over imports as all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from tests.contracts import compat
from tests.integration.gateway.imports.support import add_files, row_of
from tests.integration.gateway.imports.support import change as change_import
from tests.integration.gateway.support import change, upload

from heliograph_common.db.engine import Database
from heliograph_gateway.compat import schemas as compat_schemas

DRIVE = "https://drive.google.com/drive/folders/1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g"
DROPBOX = "https://www.dropbox.com/sh/0b9x2ql8v3p5r1t/AAB2cdef?dl=0"


@pytest.mark.parametrize(
    ("path", "link", "source"),
    [("/import/google-drive", DRIVE, "google_drive"), ("/import/dropbox", DROPBOX, "dropbox")],
)
async def test_an_import_of_old_is_an_import(
    ann: httpx2.AsyncClient, db: Database, path: str, link: str, source: str
) -> None:
    answer = await ann.post(path, json={"folder_url": link, "anything": "else"})
    compat_schemas.OldImport.model_validate_json(answer.content)
    row = await row_of(db, answer.json()["task_id"])
    shown = (await ann.get(f"/v1/imports/{answer.json()['task_id']}")).json()

    assert answer.status_code == 202
    compat.check("import", answer.json())
    assert (row.owner, row.source, row.url, row.budget) == ("ann", source, link, f"{source}:default")
    assert (shown["status"], shown["recursive"], shown["listing"]["pages"]) == ("queued", True, 1)


async def test_a_task_is_an_import(ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database) -> None:
    task_id = (await ann.post("/import/google-drive", json={"folder_url": DRIVE})).json()["task_id"]
    await add_files(db, task_id, {"imported": 7, "skipped": 2, "failed": 1})
    states: list[tuple[str, str, dict[str, Any]]] = [
        ("queued", "pending", {}),
        ("running", "started", {}),
        ("completed", "success", {}),
        ("failed", "failure", {"error": "the folder is private: share it by link"}),
        ("canceled", "canceled", {"error": None}),
    ]
    for status, name, values in states:
        await change_import(db, task_id, status=status, **values)
        answer = await ann.get(f"/task/{task_id}")
        compat.check(f"task_import_{name}", answer.json())
        compat_schemas.OldTask.model_validate_json(answer.content)
        assert (await bob.get(f"/task/{task_id}")).json() == {"task_id": task_id, "status": "PENDING", "result": None}


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"folder_url": ""}, 422), ({"folder_url": "https://example.com/x"}, 422), ({"folder_url": 7}, 422)],
)
async def test_refused_imports(ann: httpx2.AsyncClient, body: dict[str, Any], status: int) -> None:
    for path in ("/import/google-drive", "/import/dropbox"):
        answer = await ann.post(path, json=body)
        told = answer.json()
        assert (answer.status_code, told["type"], told["error"]) == (status, "/problems/invalid-body", told["detail"])
        assert told["errors"][0]["pointer"] == "/folder_url"
    assert (await ann.get("/v1/imports")).json()["imports"] == []


async def test_images_are_listed_by_their_source(
    ann: httpx2.AsyncClient, db: Database, picture: Callable[..., bytes]
) -> None:
    for seed, source in enumerate(("google_drive", "dropbox", "urls", "upload")):
        image = await upload(ann, picture(seed=seed), name=f"{source}.png")
        await change(db, image["id"], source=source)
    for source in ("google_drive", "dropbox"):
        listed = (await ann.get("/images", params={"source": source})).json()
        assert [(image["name"], image["source"]) for image in listed["images"]] == [(f"{source}.png", source)]
        assert listed["count"] == 1
        assert listed["images"][0].keys() == {"id", "name", "size", "mime_type", "source", "created_at"}
