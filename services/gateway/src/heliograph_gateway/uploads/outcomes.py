"""Answers of routes that take pictures: the image that one became, or an entry for each of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from heliograph_common.db import statements
from heliograph_common.db.engine import Database
from heliograph_common.errors import HeliographError
from heliograph_common.http.problems import Problem
from heliograph_common.ingest.accept import Accepted
from heliograph_gateway.catalog import representation
from heliograph_gateway.http.problems import problem_of
from heliograph_gateway.http.responses import json_response, tagged


@dataclass(frozen=True)
class Entry:
    """One of several: its JSON, and the problem where it was refused."""

    body: dict[str, Any]
    problem: Problem | None = None


async def one(request: Request, database: Database, accepted: Accepted) -> Response:
    """201 with the image, 200 when it was there before."""
    image = await _image(database, accepted)
    return tagged(request, image, _status(accepted), {"Location": image["links"]["self"]})


async def entry(database: Database, name: str, result: Accepted | Problem) -> Entry:
    """The entry of one picture."""
    if isinstance(result, Problem):
        return refused(name, result)
    try:
        image = await _image(database, result)
    except HeliographError as error:
        return refused(name, problem_of(error))
    return Entry({"name": name, "status": _status(result), "image": image})


def refused(name: str, problem: Problem) -> Entry:
    """The entry of something that was not taken."""
    return Entry({"name": name, "status": problem.status, "problem": problem.body()}, problem)


def several(entries: Sequence[Entry], member: str, things: str) -> Response:
    """All entries under ``member``: 201 when one is new, 200 when all that were taken are known. Where none of the
    ``things`` was taken, the first one's problem with all entries beside it."""
    bodies = [each.body for each in entries]
    statuses = {body["status"] for body in bodies}
    if statuses & {200, 201}:
        return json_response({member: bodies}, 201 if 201 in statuses else 200)
    first = next(each.problem for each in entries if each.problem is not None)
    detail = f"None of the {len(entries)} {things} was accepted. First problem: {first.detail}"
    raise Problem(first.kind, detail, headers=first.headers, extra={member: bodies})


def _status(accepted: Accepted) -> int:
    return 201 if accepted.created else 200


async def _image(database: Database, accepted: Accepted) -> dict[str, Any]:
    if accepted.created:
        return representation.image(accepted.row, [])
    async with database.transaction() as connection:
        return representation.image(accepted.row, await statements.renditions_of(connection, accepted.row.id))
