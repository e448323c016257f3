"""Reads what there is of analyses: their rows, what was told of them, and what everybody says that they cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import psycopg
from tests.chaos.bills import ANALYZED, SIZE
from tests.chaos.evidence import AnalysisRow, Bill, CallRow, Charge, Evidence

from heliograph_local.connection import Connection
from heliograph_local.doubles.openai.calls import Call
from heliograph_local.doubles.records import recorded

_ANALYSES = """
    SELECT id::text, image_id::text, owner, status, result, source, calls, waiting_reason, error FROM analyses ORDER BY id
"""
_RESULT = 4
_CALLS = """
    SELECT pixel_hash, owner, outcome, charged, input_tokens + output_tokens, extract(epoch FROM began_at)::float,
           extract(epoch FROM ended_at)::float
    FROM analysis_calls ORDER BY id
"""
_BUDGETS = "SELECT scope, sum(tokens)::bigint FROM analysis_budgets GROUP BY scope"
_USAGE = "SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(cache_hits), 0)::bigint FROM analysis_usage"
_PIXELS = """
    SELECT r.key, images.pixel_hash FROM renditions r JOIN images ON images.id = image_id
    WHERE r.name = %s AND pixel_hash IS NOT NULL
"""


def results_of(events: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The analyses of events, by id, and the result that each tells."""
    return [
        (event["data"]["analysis_id"], _text(event["data"]["result"])) for event in events if event["type"] == ANALYZED
    ]


async def bill(connection: Connection, evidence: Evidence, model_calls: Path | None) -> Bill:
    """What all analyses cost. The rows of analyses go into ``evidence``, whose objects are there."""
    found = Bill()
    async with await psycopg.AsyncConnection.connect(connection.postgres, autocommit=True) as database:

        async def rows(statement: str, *values: str) -> list[tuple[Any, ...]]:
            return await (await database.execute(statement, values)).fetchall()

        if not (await rows("SELECT to_regclass('analyses') IS NOT NULL"))[0][0]:
            return found
        for row in await rows(_ANALYSES):
            values: list[Any] = [_text(value) if place == _RESULT else value for place, value in enumerate(row)]
            evidence.analyses.append(AnalysisRow(*values))
        found.calls = [CallRow(*row) for row in await rows(_CALLS)]
        found.budgets = {scope: tokens for scope, tokens in await rows(_BUDGETS) if tokens}
        [(found.usage_calls, found.usage_hits)] = await rows(_USAGE)
        for key, pixels in await rows(_PIXELS, SIZE.name):
            if key in evidence.objects:
                found.pixels[evidence.objects[key].sha256] = pixels
    if model_calls is not None:
        for call in await asyncio.to_thread(recorded, model_calls, Call):
            tokens = call.input_tokens + call.output_tokens
            found.charges.append(Charge(call.picture, tokens, call.finished))
    return found


async def analyses_through_the_api(connection: Connection, evidence: Evidence, owned: Iterable[str]) -> None:
    """Status and result of the analyses of the images that an owner has."""
    analyzed = await _analyzed_images(connection)
    headers = {"Authorization": f"Bearer {connection.token}"}
    async with httpx2.AsyncClient(base_url=connection.api or "", headers=headers, timeout=20, trust_env=False) as http:
        for image_id in analyzed.intersection(owned):
            answer = await http.get(f"/v1/images/{image_id}/analyses")
            for each in answer.raise_for_status().json()["analyses"]:
                evidence.answered[each["id"]] = (each["status"], _text(each["result"]))


async def _analyzed_images(connection: Connection) -> set[str]:
    async with await psycopg.AsyncConnection.connect(connection.postgres, autocommit=True) as database:
        known = await (await database.execute("SELECT to_regclass('analyses') IS NOT NULL")).fetchone()
        if known is None or not known[0]:
            return set()
        found = await database.execute("SELECT DISTINCT image_id::text FROM analyses")
        return {row[0] for row in await found.fetchall()}


def _text(result: Any) -> str:
    return "" if result is None else json.dumps(result, sort_keys=True)
