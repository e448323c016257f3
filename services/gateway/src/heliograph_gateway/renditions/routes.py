"""``/v1/images/{id}/renditions/{name}``: to the file itself, by a signed URL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import RedirectResponse, Response

from heliograph_common.blobs import keys
from heliograph_common.clock import rfc3339, utc_now
from heliograph_common.db import statements
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import ImageRow
from heliograph_common.errors import NotFound
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Reader
from heliograph_gateway.catalog.refusals import no_such_image
from heliograph_gateway.catalog.representation import ORIGINAL
from heliograph_gateway.catalog.schemas import IMAGES, ImageId
from heliograph_gateway.catalog.signing import File, rendition_file
from heliograph_gateway.http.problems import BLOBS_UNAVAILABLE, NOT_FOUND, NOT_RENDERED
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, problems
from heliograph_gateway.http.services import Db, Objects, Settings
from heliograph_gateway.renditions.schemas import SignedUrl

router = APIRouter(tags=[IMAGES], dependencies=[Depends(known_parameters)])

_COME_BACK = 2
_PRIVATE = {"Cache-Control": "private, no-store"}  # the address expires


@router.get(
    "/v1/images/{image_id}/renditions/{name}",
    summary="Download a rendition or the original",
    responses={
        200: {"model": SignedUrl, "description": "The signed URL, if `url` is true."},
        302: {"description": "Redirect to the signed URL."},
        **problems(NOT_FOUND, NOT_RENDERED, BLOBS_UNAVAILABLE),
    },
)
async def get_rendition(
    database: Db,
    blobs: Objects,
    settings: Settings,
    caller: Reader,
    image_id: ImageId,
    name: Annotated[
        str, Path(description="Name of the rendition, or `original` for the uploaded file.", examples=["300"])
    ],
    url: Annotated[bool, Query(description="Return the signed URL as JSON instead of a redirect.")] = False,
) -> Response:
    """Redirects to a signed URL of the file, after checking that the file exists. The URL needs no token and expires."""
    async with database.transaction() as connection:
        image = await statements.find_image(connection, image_id, owner=caller.subject)
        if image is None:
            raise no_such_image(image_id)
        renditions = await statements.renditions_of(connection, image_id)
        sizes = await statements.display_sizes(connection)
    file = _target(image, name, renditions, [size.name for size in sizes])
    expires_at = utc_now() + timedelta(seconds=settings.s3.signed_url_seconds)
    try:
        signed = await file.sign(blobs, settings.s3.signed_url_seconds)
    except NotFound:
        remedy = (
            "Upload the image again" if name == ORIGINAL else f"Render it again with `POST /v1/images/{image_id}/retry`"
        )
        raise Problem(NOT_FOUND, f"The file of `{name}` is missing from the object store. {remedy}.") from None
    if url:
        return json_response({"url": signed, "expires_at": rfc3339(expires_at)}, headers=_PRIVATE)
    return RedirectResponse(signed, 302, _PRIVATE)


def _target(image: ImageRow, name: str, renditions: Sequence[Row[Any]], configured: list[str]) -> File:
    """The file of a rendition."""
    if name == ORIGINAL:
        return File(keys.original(image.sha256, image.incarnation), image.mime_type, image.name)
    found = next((each for each in renditions if each.name == name), None)
    if found is not None:
        return rendition_file(image, found)
    state = image.processing_status
    if name in configured and state in {"pending", "processing"}:
        raise Problem(
            NOT_RENDERED,
            f"The image is {state} and `{name}` is not rendered yet. Try again in {_COME_BACK} seconds.",
            headers={"Retry-After": str(_COME_BACK)},
            extra={"state": state},
        )
    if name in configured and state == "failed":
        detail = (
            f"`{name}` could not be rendered: {image.processing_error}. Retry with `POST /v1/images/{image.id}/retry`."
        )
        raise Problem(NOT_RENDERED, detail, extra={"state": state})
    there = ", ".join([ORIGINAL, *(each.name for each in renditions)])
    raise Problem(
        NOT_FOUND, f"The image has no rendition `{name[:100]}`. Available renditions: {there}.", extra={"state": state}
    )
