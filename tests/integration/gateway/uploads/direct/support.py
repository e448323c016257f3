"""Direct uploads as a client makes them: announced, sent to the object store, completed; and what is left of them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import func, select, update

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.db.engine import Database
from heliograph_common.db.upload_models import DirectUpload
from heliograph_gateway.uploads.direct.schemas import DirectUploadShape

PATH = "/v1/uploads"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def announce(client: httpx2.AsyncClient, data: bytes, **more: Any) -> dict[str, Any]:
    """A new upload for ``data``, with its hash unless ``sha256`` says otherwise."""
    body = {"name": "a.png", "bytes": len(data), "sha256": sha256(data), **more}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    DirectUploadShape.model_validate(made)
    assert answer.headers["location"] == made["links"]["self"] == f"{PATH}/{made['id']}"
    return made


async def send(made: dict[str, Any], data: bytes, **headers: str) -> None:
    """PUTs the file as the upload says."""
    async with httpx2.AsyncClient(trust_env=False) as s3:
        put = made["upload"]
        answer = await s3.request(put["method"], put["url"], content=data, headers={**put["headers"], **headers})
    assert answer.status_code == 200, answer.text


async def sent(client: httpx2.AsyncClient, data: bytes, **more: Any) -> dict[str, Any]:
    """An upload whose file is in the object store."""
    made = await announce(client, data, **more)
    await send(made, data)
    return made


async def complete(client: httpx2.AsyncClient, made: dict[str, Any]) -> httpx2.Response:
    return await client.post(f"{PATH}/{made['id']}/complete")


async def show(client: httpx2.AsyncClient, made: dict[str, Any]) -> dict[str, Any]:
    answer = await client.get(f"{PATH}/{made['id']}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    DirectUploadShape.model_validate(shown)
    return shown


async def age(db: Database, made: dict[str, Any], **by: float) -> None:
    """Lets the upload have expired some time ago."""
    async with db.transaction() as connection:
        aged = update(DirectUpload).where(DirectUpload.id == made["id"])
        await connection.execute(aged.values(expires_at=func.now() - timedelta(**by)))


async def rows(db: Database, table: Any) -> int:
    async with db.transaction() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def objects(blobs: MinioBlobs) -> list[str]:
    return [info.key async for info in blobs.list("uploads/")]
