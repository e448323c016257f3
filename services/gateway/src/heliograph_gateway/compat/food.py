"""``POST /analyze-food`` of the older food service, over the profile ``food``.

Its clients know three refusals: 400 for what they sent, 401, and 500 for whatever failed here. Which of ours is which is
said in ``_refused``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import Response

from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.errors import HeliographError
from heliograph_common.http.problems import Kind, Problem, sentence
from heliograph_gateway.access.scopes import OldWriter
from heliograph_gateway.analyses.routes import AnalysisService
from heliograph_gateway.analyses.service import Analyses, Asked
from heliograph_gateway.compat import shapes
from heliograph_gateway.compat.schemas import OldFood
from heliograph_gateway.food.diary import Diary
from heliograph_gateway.food.port import EntryRefused, UserServiceFailed
from heliograph_gateway.http.multipart import boundary_of
from heliograph_gateway.http.problems import (
    ANALYSIS_FAILED,
    ANALYSIS_UNAVAILABLE,
    BAD_IMAGE,
    BLOBS_UNAVAILABLE,
    BODY_TOO_LARGE,
    EMPTY_IMAGE,
    IMAGE_TOO_LARGE,
    INVALID_MULTIPART,
    MISSING_FILE,
    TOO_MANY_FILES,
    UNSUPPORTED_IMAGE,
    USER_SERVICE_FAILED,
    problem_of,
)
from heliograph_gateway.http.responses import add_problem, json_response, problems
from heliograph_gateway.http.services import Settings, provided

PROFILE = "food"
PARTS = ("image",)

_SENT_WRONG = (
    INVALID_MULTIPART,
    MISSING_FILE,
    IMAGE_TOO_LARGE,
    BODY_TOO_LARGE,
    TOO_MANY_FILES,
    UNSUPPORTED_IMAGE,
    BAD_IMAGE,
    EMPTY_IMAGE,
)
_FAILED = (ANALYSIS_FAILED, ANALYSIS_UNAVAILABLE, USER_SERVICE_FAILED, BLOBS_UNAVAILABLE)
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One image, as a part named `image`. Other parts are ignored.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary", "description": "The image."}},
                }
            }
        },
    }
}


def _responses() -> dict[int | str, dict[str, Any]]:
    told: dict[int | str, dict[str, Any]] = {200: {"model": OldFood}, **problems()}
    del told[503]
    for status, kinds in ((400, _SENT_WRONG), (500, _FAILED)):
        for kind in kinds:
            add_problem(told, status, kind)
    return told


RESPONSES = _responses()


async def analyze_food_old(
    request: Request,
    service: AnalysisService,
    diary: Annotated[Diary, Depends(provided(Diary))],
    settings: Settings,
    caller: OldWriter,
    save: Annotated[bool, Query(description="Whether to add the meal to the food diary of the caller.")] = False,
) -> Response:
    """Uploads an image of a meal and returns what it is made of. Use ``POST /v1/analyses`` with the profile ``food``
    instead."""
    with _older():
        asked = await _asked(request, service, caller.subject, settings.food.wait_seconds)
        row, _ = await service.until_over(asked.row, settings.food.wait_seconds, request.is_disconnected)
        result = _result(row)
        entry_id = await diary.record(row, result) if save and result["isFood"] else None
    source = "cache" if asked.known else row.source
    return json_response(shapes.food(result, source or "api", None if entry_id is None else str(entry_id)))


async def _asked(request: Request, service: Analyses, owner: str, wait: float) -> Asked:
    uploads = service.uploads
    boundary = boundary_of(request.headers.get("content-type", ""))
    if PROFILE not in uploads.profiles:
        raise Problem(ANALYSIS_UNAVAILABLE, f"This installation has no analysis profile `{PROFILE}`.")
    uploads.check_length(int(request.headers.get("content-length", 0)), multipart=True)
    async with uploads.received(request.stream(), boundary, names=PARTS, others=True) as received:
        return await service.of_picture(received, owner, PROFILE, wait=wait)


def _result(row: AnalysisRow) -> Mapping[str, Any]:
    if row.status == "failed":
        raise Problem(ANALYSIS_FAILED, sentence(f"the image could not be analyzed: {row.error or row.error_code}"))
    if row.status != "completed" or row.result is None:
        detail = "The analysis takes longer than this request waits. Send the request again: it goes on meanwhile."
        raise Problem(ANALYSIS_FAILED, detail)
    found: Mapping[str, Any] = row.result
    return found


@contextmanager
def _older() -> Iterator[None]:
    """Refuses as that service did."""
    try:
        yield
    except Problem as problem:
        raise _refused(problem) from None
    except (EntryRefused, UserServiceFailed) as error:
        raise Problem(USER_SERVICE_FAILED, sentence(str(error))) from error
    except HeliographError as error:
        raise _refused(problem_of(error)) from error


def _refused(problem: Problem) -> Problem:
    if _has(problem, _SENT_WRONG):
        problem.status = 400
    elif problem.status >= 500 or _has(problem, _FAILED):
        problem.status = 500
    elif problem.status == 404:  # the image was deleted since
        problem = Problem(ANALYSIS_FAILED, problem.detail)
    return problem


def _has(problem: Problem, kinds: tuple[Kind, ...]) -> bool:
    return any(problem.kind is kind for kind in kinds)
