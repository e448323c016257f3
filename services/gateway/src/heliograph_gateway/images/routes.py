"""``/v1/images``: take pictures in, list, show, delete and retry them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from heliograph_common.contracts.messages import ImageDeleted
from heliograph_common.db import statements
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Connection
from heliograph_common.db.statements import event_facts
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Reader, Writer
from heliograph_gateway.catalog import representation
from heliograph_gateway.catalog.queries import lock_image
from heliograph_gateway.catalog.refusals import no_such_image
from heliograph_gateway.catalog.retries import Retries
from heliograph_gateway.catalog.schemas import IMAGE_ID, IMAGES, ImageId, ImageShape
from heliograph_gateway.http import cursor as cursors
from heliograph_gateway.http.parameters import Cursor, Moment
from heliograph_gateway.http.problems import (
    BLOBS_UNAVAILABLE,
    CONFLICT,
    INVALID_CURSOR,
    INVALID_PARAMETER,
    NOT_FOUND,
    PRECONDITION_FAILED,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import check_match, json_response, next_link, problems, tagged
from heliograph_gateway.http.services import Db, Messages, provided
from heliograph_gateway.images import queries
from heliograph_gateway.images.queries import ImageFilter
from heliograph_gateway.images.schemas import ImagePage, NearPage
from heliograph_gateway.images.search.queries import page_of_matches, understood
from heliograph_gateway.images.similarity.queries import FARTHEST, Position, Similar, similar_page

router = APIRouter(tags=[IMAGES], dependencies=[Depends(known_parameters)])

_DISTANCE = 8


def _filter(
    *,
    status: Annotated[
        Literal["pending", "processing", "complete", "failed"] | None,
        Query(description="Only images in this processing state."),
    ] = None,
    source: Annotated[
        str | None, Query(max_length=64, description="Only images from this source.", examples=["upload"])
    ] = None,
    name: Annotated[
        str | None,
        Query(
            min_length=1, max_length=255, description="Only images whose name contains this text.", examples=["IMG_12"]
        ),
    ] = None,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=255,
            description="Only images with these words in the name, the caption, the alternative text or the tags, "
            'whatever their case and accents. `"red car"` searches for words that follow one another, `-beach` excludes a '
            "word, `cat or dog` searches for either. The last word also matches the beginning of a word. A text without "
            "letters and digits finds nothing.",
            examples=["beach sunset -people"],
        ),
    ] = None,
    created_after: Annotated[
        Moment | None, Query(description="Only images uploaded at this time or later (RFC 3339).")
    ] = None,
    created_before: Annotated[
        Moment | None, Query(description="Only images uploaded before this time (RFC 3339).")
    ] = None,
    taken_after: Annotated[
        Moment | None, Query(description="Only images taken at this time or later (RFC 3339).")
    ] = None,
    taken_before: Annotated[Moment | None, Query(description="Only images taken before this time (RFC 3339).")] = None,
) -> ImageFilter:
    return ImageFilter(
        status=status,
        source=source,
        name=name,
        q=q,
        created_after=created_after,
        created_before=created_before,
        taken_after=taken_after,
        taken_before=taken_before,
    )


@dataclass(frozen=True)
class SimilarTo:
    """What ``near`` and ``distance`` ask for."""

    image_id: UUID
    distance: int


def _near(
    near: Annotated[
        UUID | None,
        Query(
            description="Only images similar to the caller's image with this id, most similar first.",
            examples=[IMAGE_ID],
        ),
    ] = None,
    distance: Annotated[
        int | None,
        Query(
            ge=0,
            le=FARTHEST,
            description="Maximum number of bits, of 64, in which the perceptual hashes may differ. Only with `near`, "
            "where it "
            f"defaults to {_DISTANCE}.",
            examples=[_DISTANCE],
        ),
    ] = None,
) -> SimilarTo | None:
    if near is None and distance is not None:
        errors = [{"parameter": "distance", "detail": "Requires `near`"}]
        raise Problem(INVALID_PARAMETER, "`distance`: Requires `near`", extra={"errors": errors})
    return None if near is None else SimilarTo(near, _DISTANCE if distance is None else distance)


@router.get(
    "/v1/images",
    summary="List images",
    responses={200: {"model": ImagePage | NearPage}, **problems(INVALID_CURSOR, NOT_FOUND, CONFLICT)},
)
async def list_images(
    request: Request,
    database: Db,
    caller: Reader,
    wanted: Annotated[ImageFilter, Depends(_filter)],
    near: Annotated[SimilarTo | None, Depends(_near)],
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of images per page.")] = 50,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of the caller's images, newest first. Follow ``next`` until it is null: a page that is filtered
    or searched may have fewer images than ``limit``, or none, and still have a next page. With ``near``, returns
    the images whose perceptual hash differs from that image's in at most ``distance`` bits, most similar first, each
    with its ``distance``. The other filters apply as well."""
    if near is not None:
        return await _list_similar(request, database, caller.subject, wanted, near, limit, cursor)
    before = None if cursor is None else cursors.decode_id(cursor, wanted.as_query())
    async with database.transaction() as connection:
        page = await _page(connection, caller.subject, wanted, before, limit)
        renditions = await queries.renditions_by_image(connection, [row.id for row in page.rows])
    more = None if page.next is None else cursors.encode(str(page.next), wanted.as_query())
    url, headers = next_link(request, more)
    images = [representation.image(row, renditions[row.id]) for row in page.rows]
    return json_response({"images": images, "next": url}, headers=headers)


async def _page(
    connection: Connection, owner: str, wanted: ImageFilter, before: UUID | None, limit: int
) -> queries.PageOfImages:
    if wanted.q is None:
        return await queries.page_of_images(connection, owner, wanted, before=before, limit=limit)
    search = await understood(connection, wanted.q)
    return await page_of_matches(connection, owner, search, wanted, before=before, limit=limit)


async def _list_similar(
    request: Request,
    database: Database,
    owner: str,
    wanted: ImageFilter,
    near: SimilarTo,
    limit: int,
    cursor: str | None,
) -> Response:
    query = {**wanted.as_query(), "near": near.image_id, "distance": near.distance}
    after = None if cursor is None else _similar_position(cursors.decode(cursor, query))
    async with database.transaction() as connection:
        to = await _hashed(connection, owner, near)
        search = None if wanted.q is None else await understood(connection, wanted.q)
        rows = await similar_page(connection, owner, to, wanted, search, after=after, limit=limit + 1)
        page = rows[:limit]
        renditions = await queries.renditions_by_image(connection, [row.id for row in page])
    more = cursors.encode(f"{page[-1].distance} {page[-1].id}", query) if len(rows) > limit else None
    url, headers = next_link(request, more)
    images = [{**representation.image(row, renditions[row.id]), "distance": row.distance} for row in page]
    return json_response({"images": images, "next": url}, headers=headers)


async def _hashed(connection: Connection, owner: str, near: SimilarTo) -> Similar:
    row = await statements.find_image(connection, near.image_id, owner=owner)
    if row is None:
        raise no_such_image(near.image_id)
    if row.phash is None:
        state = row.processing_status
        detail = f"The image is {state} and has no perceptual hash yet. The hash is computed with its thumbnails."
        raise Problem(CONFLICT, detail, extra={"state": state})
    return Similar(of=row.id, phash=row.phash, distance=near.distance)


@router.get(
    "/v1/images/{image_id}",
    summary="Get an image",
    responses={
        200: {"model": ImageShape},
        304: {"description": "The representation has not changed."},
        **problems(NOT_FOUND),
    },
)
async def get_image(request: Request, database: Db, caller: Reader, image_id: ImageId) -> Response:
    """Returns the image with its renditions and a strong ETag. Supports ``If-None-Match``."""
    async with database.transaction() as connection:
        row = await statements.find_image(connection, image_id, owner=caller.subject)
        renditions = await statements.renditions_of(connection, image_id)
    if row is None:
        raise no_such_image(image_id)
    return tagged(request, representation.image(row, renditions))


@router.delete(
    "/v1/images/{image_id}",
    summary="Delete an image",
    status_code=204,
    response_class=Response,
    responses=problems(NOT_FOUND, PRECONDITION_FAILED),
)
async def delete_image(request: Request, messenger: Messages, caller: Writer, image_id: ImageId) -> Response:
    """Deletes the image at once, and its files after a grace period. Supports ``If-Match``."""
    async with messenger.transaction() as transaction:
        row = await lock_image(transaction.connection, image_id, caller.subject)
        if row is None:
            raise no_such_image(image_id)
        renditions = await statements.renditions_of(transaction.connection, image_id)
        check_match(request, representation.image(row, renditions))
        deleted = await queries.delete_image(transaction.connection, image_id)
        transaction.event(ImageDeleted(**event_facts(deleted)), owner=row.owner)
    return Response(status_code=204)


@router.post(
    "/v1/images/{image_id}/retry",
    summary="Retry an image",
    status_code=202,
    responses={202: {"model": ImageShape}, **problems(NOT_FOUND, CONFLICT, BLOBS_UNAVAILABLE)},
)
async def retry_image(
    request: Request, retries: Annotated[Retries, Depends(provided(Retries))], caller: Writer, image_id: ImageId
) -> Response:
    """Queues a failed image again. For a complete image, queues the renditions that are missing because their files are
    lost or their display size is newer than the image. Returns 409 if there is nothing to do. The image gets the
    priority requested at its upload, or ``low`` while many other images of the caller are waiting."""
    retried = await retries.retry(image_id, caller.subject)
    if retried is None:
        raise no_such_image(image_id)
    if not retried.queued:
        state = retried.row.processing_status
        why = "no rendition is missing" if state == "complete" else "only a failed or complete image can be retried"
        raise Problem(CONFLICT, f"The image is {state}, and {why}.", extra={"state": state})
    return tagged(request, representation.image(retried.row, retried.renditions), 202)


def _similar_position(text: str) -> Position:
    distance, _, image_id = text.partition(" ")
    if not distance.isdecimal():
        raise cursors.not_issued()
    return Position(int(distance), cursors.id_in(image_id))
