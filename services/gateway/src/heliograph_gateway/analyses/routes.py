"""``/v1/analyses``: what a vision model tells about images, and what that used."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from heliograph_common.auth.principal import ADMIN
from heliograph_common.clock import utc_now
from heliograph_common.db import analyses, statements
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Reader, Writer
from heliograph_gateway.analyses import queries, representation
from heliograph_gateway.analyses.schemas import (
    DEFAULT_PROFILE,
    LONGEST_PROFILE,
    REFRESH,
    AnalysisId,
    AnalysisList,
    AnalysisRequest,
    AnalysisShape,
    AnalysisUsageReport,
)
from heliograph_gateway.analyses.service import LONGEST_WAIT, OVER, Analyses, Asked, no_such_analysis
from heliograph_gateway.catalog.refusals import no_such_image
from heliograph_gateway.catalog.schemas import ImageId
from heliograph_gateway.http import bodies, prefer
from heliograph_gateway.http.multipart import boundary_of
from heliograph_gateway.http.problems import (
    ANALYSIS_UNAVAILABLE,
    BAD_IMAGE,
    BLOBS_UNAVAILABLE,
    BODY_TOO_LARGE,
    CONFLICT,
    EMPTY_IMAGE,
    IMAGE_TOO_LARGE,
    INVALID_BODY,
    INVALID_JSON,
    INVALID_MULTIPART,
    INVALID_PARAMETER,
    MISSING_FILE,
    NOT_FOUND,
    TOO_MANY_FILES,
    UNKNOWN_PART,
    UNSUPPORTED_IMAGE,
    UNSUPPORTED_MEDIA_TYPE,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import header, json_response, problems, tagged
from heliograph_gateway.http.services import Db, provided
from heliograph_gateway.http.tags import Tag

ANALYSES = Tag("analyses", "Have a vision model describe images, and see what that used.")

router = APIRouter(tags=[ANALYSES], dependencies=[Depends(known_parameters)])

AnalysisService = Annotated[Analyses, Depends(provided(Analyses))]

_JSON = "application/json"
_RAW_TYPES = ("application/octet-stream", "binary/octet-stream")
_ACCEPTED = f"{_JSON}, multipart/form-data, image/*, application/octet-stream"
_PROFILE = "profile"
_EVERYONE = "*"
_DAYS = 30
_LONGEST = 366
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_FORM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": {"type": "string", "format": "binary", "description": "The image."},
            "profile": {"type": "string", "description": "Analysis profile. Overrides the query parameter."},
        },
    }
}


class _Body(bodies.Documented):
    """An image by its id, or the image itself."""

    def __init__(self) -> None:
        super().__init__(AnalysisRequest)
        body = self["requestBody"]
        body["description"] = (
            "The id of an image; or an image, as the raw body or as a multipart part named `file`. An image that is sent "
            "is uploaded as by `POST /v1/images`."
        )
        body["content"] |= {"multipart/form-data": _FORM, "image/*": _IMAGE, "application/octet-stream": _IMAGE}


def _day(value: Any) -> Any:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("must be a day such as `2026-11-20`")
    return value


Day = Annotated[date, BeforeValidator(_day)]
"""A day. Pydantic alone would take a bare number for seconds, and guess."""


@router.post(
    "/v1/analyses",
    summary="Analyze an image",
    responses={
        200: {
            "model": AnalysisShape,
            "description": "The analysis is complete or, if the request waited for it, has failed.",
            "headers": header(prefer.APPLIED),
        },
        202: {
            "model": AnalysisShape,
            "description": "The analysis is queued or running.",
            "headers": header("Location") | header("Retry-After") | header(prefer.APPLIED),
        },
        **problems(
            NOT_FOUND,
            CONFLICT,
            INVALID_JSON,
            INVALID_BODY,
            INVALID_MULTIPART,
            MISSING_FILE,
            UNKNOWN_PART,
            IMAGE_TOO_LARGE,
            BODY_TOO_LARGE,
            TOO_MANY_FILES,
            UNSUPPORTED_IMAGE,
            UNSUPPORTED_MEDIA_TYPE,
            BAD_IMAGE,
            EMPTY_IMAGE,
            BLOBS_UNAVAILABLE,
            ANALYSIS_UNAVAILABLE,
        ),
    },
    openapi_extra=_Body(),
)
async def analyze_image(
    request: Request,
    service: AnalysisService,
    caller: Writer,
    profile: Annotated[
        str,
        Query(
            max_length=LONGEST_PROFILE,
            description="Analysis profile: what a vision model reports about the image. A profile in the body overrides it.",
            examples=[DEFAULT_PROFILE],
        ),
    ] = DEFAULT_PROFILE,
    refresh: Annotated[bool, Query(description=f"{REFRESH} The body overrides it.", examples=[False])] = False,
    _prefer: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description=f"`wait=20` waits up to 20 seconds for the end of the analysis, `wait={LONGEST_WAIT}` at most "
            "(RFC 7240). Other preferences are ignored.",
            examples=["wait=20"],
        ),
    ] = None,
) -> Response:
    """Has a vision model analyze an image. Returns 200 with the analysis if it is complete, otherwise 202: fetch it at
    ``Location``, or wait for its event. A failed analysis is queued again, with ``refresh`` a completed one too. With
    ``Prefer: wait=20``, waits for the end of the analysis first, before analyses for which no request waits, and returns
    503 before anything is stored if no model is available in that time. Without it, the analysis waits for its turn and for
    the model, and ``waiting`` says so."""
    seconds = prefer.wait_seconds(request.headers.getlist("prefer"), most=LONGEST_WAIT)
    asked = await _asked(request, service, caller.subject, profile, wait=seconds, refresh=refresh)
    row, headers = asked.row, {}
    if seconds > 0:
        row, waited = await service.until_over(row, seconds, request.is_disconnected)
        headers = {prefer.APPLIED: f"wait={seconds}"} if waited else {}
    shown = await service.shown(row)
    if row.status in OVER:
        return tagged(request, shown, 200, headers)
    return json_response(shown, 202, headers | {"Location": representation.path_of(row.id), "Retry-After": "1"})


async def _asked(request: Request, service: Analyses, owner: str, profile: str, *, wait: float, refresh: bool) -> Asked:
    uploads = service.uploads
    content_type = request.headers.get("content-type", "")
    essence = content_type.partition(";")[0].strip().lower()
    if essence == _JSON:
        body = await bodies.read(request, AnalysisRequest)
        wanted = body.profile if _PROFILE in body.model_fields_set else profile
        if wanted not in uploads.profiles:
            raise bodies.invalid([(f"/{_PROFILE}", _known(uploads.profiles))])
        refresh = body.refresh if "refresh" in body.model_fields_set else refresh
        return await service.of_image(body.image_id, owner, wanted, wait=wait, refresh=refresh)
    multipart = essence == "multipart/form-data"
    if not multipart and essence and not essence.startswith("image/") and essence not in _RAW_TYPES:
        detail = f"`{essence[:100]}` is not supported. Supported media types: {_ACCEPTED}."
        raise Problem(UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": _ACCEPTED})
    boundary = boundary_of(content_type) if multipart else None
    if not multipart:
        _check_profile(profile, uploads.profiles)
    uploads.check_length(int(request.headers.get("content-length", 0)), multipart=multipart)
    async with uploads.received(request.stream(), boundary, fields=[_PROFILE]) as received:
        wanted = received.fields.get(_PROFILE, profile)
        _check_profile(wanted, uploads.profiles)
        return await service.of_picture(received, owner, wanted, wait=wait, refresh=refresh)


@router.get(
    "/v1/analyses/usage",
    summary="Get the usage of analyses",
    responses={
        200: {"model": AnalysisUsageReport},
        304: {"description": "The representation has not changed."},
        **problems(),
    },
)
async def get_analysis_usage(
    request: Request,
    database: Db,
    caller: Reader,
    first: Annotated[
        Day | None,
        Query(
            alias="from",
            description=f"First day, in UTC. {_DAYS} days up to `to` by default.",
            examples=["2026-11-01"],
        ),
    ] = None,
    last: Annotated[
        Day | None,
        Query(
            alias="to",
            description=f"Last day, in UTC. Today by default. At most {_LONGEST} days.",
            examples=["2026-11-30"],
        ),
    ] = None,
    owner: Annotated[
        str | None,
        Query(
            max_length=255,
            description="Another owner, or `*` for all together. Only administrators. The caller by default.",
            examples=["ann"],
        ),
    ] = None,
) -> Response:
    """Returns what analyses used of models: calls, tokens and cost, by day, profile and model."""
    if owner is not None and owner != caller.subject:
        caller.require(ADMIN)
    last = last or utc_now().date()
    first = first or date.fromordinal(max(1, last.toordinal() - _DAYS + 1))
    if not 0 <= (last - first).days < _LONGEST:
        detail = f"Must be at most {_LONGEST - 1} days before `to`, and not after it"
        errors = [{"parameter": "from", "detail": detail}]
        raise Problem(INVALID_PARAMETER, f"`from`: {detail}", extra={"errors": errors})
    whose = owner or caller.subject
    async with database.transaction() as connection:
        rows = await queries.usage(connection, None if whose == _EVERYONE and owner else whose, first, last)
    return tagged(request, representation.usage(rows, whose, first, last))


@router.get(
    "/v1/analyses/{analysis_id}",
    summary="Get an analysis",
    responses={
        200: {"model": AnalysisShape},
        304: {"description": "The representation has not changed."},
        **problems(NOT_FOUND),
    },
)
async def get_analysis(request: Request, database: Db, caller: Reader, analysis_id: AnalysisId) -> Response:
    """Returns the analysis with a strong ETag. Supports ``If-None-Match``."""
    async with database.transaction() as connection:
        row = await analyses.find_analysis(connection, analysis_id, owner=caller.subject)
        if row is None:
            raise no_such_analysis(analysis_id)
        shown = representation.analysis(row, await analyses.waiting_of(connection, row))
    return tagged(request, shown)


@router.get(
    "/v1/images/{image_id}/analyses",
    summary="List the analyses of an image",
    responses={
        200: {"model": AnalysisList},
        304: {"description": "The representation has not changed."},
        **problems(NOT_FOUND),
    },
)
async def list_analyses(request: Request, database: Db, caller: Reader, image_id: ImageId) -> Response:
    """Returns all analyses of the image, one per profile, newest last, with a strong ETag."""
    async with database.transaction() as connection:
        if await statements.find_image(connection, image_id, owner=caller.subject) is None:
            raise no_such_image(image_id)
        rows = await analyses.analyses_of(connection, image_id)
        shown = [representation.analysis(row, await analyses.waiting_of(connection, row)) for row in rows]
    return tagged(request, {"analyses": shown})


def _check_profile(profile: str, known: Any) -> None:
    if profile not in known:
        detail = _known(known)
        errors = [{"parameter": _PROFILE, "detail": detail}]
        raise Problem(INVALID_PARAMETER, f"`{_PROFILE}`: {detail}", extra={"errors": errors})


def _known(profiles: Any) -> str:
    if not profiles:
        return "Not supported: this installation has no analysis profiles"
    return f"Must be one of {', '.join(profiles)}"
