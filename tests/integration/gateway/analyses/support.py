"""Stands in for the analyzer and the thumbnailer: their rows, as they write them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import func, insert, select, text, update

from heliograph_common.contracts.sizes import ANALYSIS_SIZE
from heliograph_common.db import analyses, provider_states
from heliograph_common.db.analysis_models import Analysis
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image, Rendition

DESCRIBED: dict[str, Any] = {
    "caption": "A grey square.",
    "altText": "A square in one shade of grey.",
    "tags": ["square"],
}
MEAL: dict[str, Any] = {
    "isFood": True,
    "name": "Spaghetti",
    "calories": 520.0,
    "protein": 18.0,
    "carbs": 80.0,
    "fat": 12.5,
    "servingSize": "1 plate (350 g)",
    "ingredients": ["spaghetti", "tomato"],
    "confidence": 0.92,
    "mealSuggestions": ["Add a salad"],
}
NO_MEAL: dict[str, Any] = MEAL | {
    "isFood": False, "name": "", "calories": 0.0, "protein": 0.0, "carbs": 0.0, "fat": 0.0, "servingSize": "",
    "ingredients": [], "confidence": 0.0, "mealSuggestions": [],
}  # fmt: skip


async def configure(db: Database, *, configured: bool = True, reason: str | None = None) -> None:
    """Says that an analyzer runs."""
    async with db.transaction() as connection:
        await analyses.report(connection, configured=configured, reason=reason)


async def forget_credentials(db: Database) -> None:
    """Has the last analyzer with credentials be gone for an hour, and one without run."""
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE analyzer_state SET configured_at = now() - interval '1 hour'"))
    await configure(db, configured=False)


async def pause(db: Database, budget: str, reason: str, seconds: float) -> None:
    """Has the model not be asked for some time."""
    async with db.transaction() as connection:
        await provider_states.pause(connection, budget, reason=reason, seconds=seconds)


async def show(db: Database, image_id: str) -> None:
    """Has the image be rendered for a model, and nothing else."""
    size = ANALYSIS_SIZE
    async with db.transaction() as connection:
        row = {
            "image_id": UUID(image_id), "name": size.name, "kind": size.kind, "width": 1, "height": 1,
            "format": size.format, "bytes": 1, "key": f"renditions/{image_id}/analysis",
        }  # fmt: skip
        await connection.execute(insert(Rendition).values(row))


async def conclude(db: Database, analysis_id: str, **values: Any) -> None:
    """Ends an analysis, as the analyzer does: it completes unless ``values`` say otherwise."""
    found = select(Analysis.image_id).where(Analysis.id == UUID(analysis_id)).scalar_subquery()
    async with db.transaction() as connection:
        image_id = (await connection.execute(select(Image.id).where(Image.id == found).with_for_update())).scalar_one()
        ended = {
            "status": "completed", "result": DESCRIBED, "source": "api", "model": "made-up", "detail": "high",
            "profile_version": 1, "calls": 1, "input_tokens": 1400, "output_tokens": 200, "cost_micros": 1750,
            "started_at": func.now(), "completed_at": func.now(),
        } | values  # fmt: skip
        await connection.execute(update(Analysis).where(Analysis.id == UUID(analysis_id)).values(ended))
        await analyses.summarize(connection, image_id)


async def analysis_rows(db: Database) -> list[Any]:
    """All analyses, oldest first."""
    async with db.transaction() as connection:
        return list((await connection.execute(select(Analysis.__table__).order_by(Analysis.id))).all())


@asynccontextmanager
async def analyzer(db: Database, results: Mapping[str, Mapping[str, Any]]) -> AsyncIterator[None]:
    """An analyzer that has credentials and ends whatever is queued at once: with the values of the profile."""
    await configure(db)
    task = asyncio.create_task(_work(db, results))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _work(db: Database, results: Mapping[str, Mapping[str, Any]]) -> None:
    while True:
        for row in await analysis_rows(db):
            if row.status == "queued":
                await conclude(db, str(row.id), **results[row.profile])
        await asyncio.sleep(0.05)  # stands for a service that is told; nothing is measured by it


async def analyze(
    client: httpx2.AsyncClient, image_id: str, profile: str | None = None, wait: int = 0
) -> httpx2.Response:
    body = {"image_id": image_id} | ({} if profile is None else {"profile": profile})
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    return await client.post("/v1/analyses", json=body, headers=headers)
