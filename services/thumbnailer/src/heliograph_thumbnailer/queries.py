"""The thumbnailer's statements. Every write names the fence of its claim and fails with ``Stale`` when it is not the
newest any more: an ack is no fence, a slow worker may come back after another has taken over. It fails with ``Gone`` when
the image was deleted meanwhile: nothing is told of an image after its deletion."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.contracts.sizes import ANALYSIS_SIZE
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import ImageRow, display_sizes, find_image, renditions_of
from heliograph_common.errors import Stale, Temporary
from heliograph_common.ingest import incarnations
from heliograph_thumbnailer.imaging.model import ImageFacts
from heliograph_thumbnailer.imaging.model import Rendition as Rendered
from heliograph_thumbnailer.imaging.sizes import RenditionSpec
from heliograph_thumbnailer.plan import Plan, plan, rendition_key

log = structlog.get_logger(__name__)


class Gone(Stale):
    """The image was deleted while it was rendered: drop the result, and the message."""


@dataclass(frozen=True)
class Claim:
    """One attempt's hold on an image: its row, what is to be done, and the fence that its writes must name. ``aside``: the
    image is complete for people, and remains so whatever becomes of the rendition for a model."""

    image: ImageRow
    plan: Plan
    fence: int
    aside: bool = False


async def is_unfinished(connection: AsyncConnection, image_id: UUID) -> bool:
    """Whether something is still to be rendered for the image."""
    row = await find_image(connection, image_id)
    return row is not None and row.processing_status in {"pending", "processing"}


async def claim(connection: AsyncConnection, image_id: UUID, fence: int) -> Claim | None:
    """Takes the image for the attempt ``fence`` from whoever had it; ``None`` when there is nothing to do: it is deleted,
    complete, or failed with its circuit open."""
    locked = select(Image.__table__).where(Image.id == image_id, Image.deleted_at.is_(None)).with_for_update()
    row = (await connection.execute(locked)).one_or_none()
    if row is None or row.processing_status == "failed":
        return None
    sizes = _shown_to_people([_spec(size) for size in await display_sizes(connection)])
    if row.analysis_status is not None:
        sizes.append(_spec(ANALYSIS_SIZE))
    bases = {spec: rendition_key(row.sha256, spec) for spec in sizes}
    current = await incarnations.current_keys(connection, bases.values())
    wanted = {spec: current[base] for spec, base in bases.items()}
    existing = {rendition.name: rendition.key for rendition in await renditions_of(connection, image_id)}
    todo = plan(wanted, existing)
    if todo.empty and row.processing_status == "complete":
        return None
    if row.processing_status == "complete" and not _for_people(todo):
        return Claim(await _write(connection, image_id, row.render_fence, render_fence=fence), todo, fence, aside=True)
    row = await _write(
        connection,
        image_id,
        row.render_fence,
        render_fence=fence,
        processing_status="processing",
        thumbnail_status=_processing_if(_for_people(todo, variants=False), Image.thumbnail_status),
        variant_status=_processing_if(bool(todo.variants), Image.variant_status),
        last_processing_attempt=func.now(),
    )
    return Claim(row, todo, fence)


async def save_thumbnails(
    connection: AsyncConnection, held: Claim, rendered: Sequence[Rendered], facts: ImageFacts
) -> ImageRow:
    """Writes the thumbnails' rows and what was learnt about the picture.

    Raises:
        Stale: a newer attempt has the image, or it is deleted (``Gone``).
        Temporary: a key was given up since the claim; the next attempt has another.
    """
    await _keep_keys(connection, held, rendered)
    row = await _write(
        connection,
        held.image.id,
        held.fence,
        thumbnail_status="complete",
        width=facts.width,
        height=facts.height,
        thumbhash=facts.thumbhash,
        dominant_color=facts.dominant_color,
        phash=signed64(facts.phash),
        pixel_hash=facts.pixel_hash,
        exif=facts.exif or None,
        taken_at=_moment(facts.taken_at),
    )
    await _save_renditions(connection, held.image.id, held.plan.keys, rendered)
    return row


async def save_variants(connection: AsyncConnection, held: Claim, rendered: Sequence[Rendered]) -> ImageRow:
    """Writes the variants' rows and completes the image.

    Raises:
        Stale: a newer attempt has the image, or it is deleted (``Gone``).
        Temporary: a key was given up since the claim; the next attempt has another.
    """
    await _keep_keys(connection, held, rendered)
    if held.aside:
        return await _write(connection, held.image.id, held.fence, processing_attempts=0, processing_error=None)
    row = await _write(
        connection,
        held.image.id,
        held.fence,
        processing_status="complete",
        thumbnail_status="complete",
        variant_status="complete",
        processing_error=None,
        processing_retryable=None,
        processing_attempts=0,
        processing_completed_at=func.now(),
    )
    await _save_renditions(connection, held.image.id, held.plan.keys, rendered)
    return row


async def count_failed_attempt(connection: AsyncConnection, held: Claim, reason: str) -> int:
    """Notes a failed attempt and returns how many there were since the last success or retry.

    Raises:
        Stale: a newer attempt has the image, or it is deleted (``Gone``).
    """
    row = await _write(
        connection,
        held.image.id,
        held.fence,
        processing_attempts=Image.processing_attempts + 1,
        processing_error=reason,
    )
    return int(row.processing_attempts)


async def fail(connection: AsyncConnection, image_id: UUID, *, reason: str, retryable: bool) -> ImageRow | None:
    """Opens the image's circuit, unless it is complete; ``None`` when it is deleted. What is complete of it stays. That no
    newer attempt has the image is known by the end of the work, in the same transaction."""
    locked = select(Image.__table__).where(Image.id == image_id, Image.deleted_at.is_(None)).with_for_update()
    row = (await connection.execute(locked)).one_or_none()
    if row is None:
        return None
    if row.processing_status == "complete":
        return await _write(connection, image_id, row.render_fence, processing_attempts=0, processing_error=None)
    return await _write(
        connection,
        image_id,
        row.render_fence,
        processing_status="failed",
        thumbnail_status=_failed_unless_complete(Image.thumbnail_status),
        variant_status=_failed_unless_complete(Image.variant_status),
        processing_error=reason,
        processing_retryable=retryable,
        processing_attempts=func.greatest(Image.processing_attempts, 1),
    )


def signed64(hexadecimal: str) -> int:
    """16 hexadecimal digits as the signed integer with the same bits, as PostgreSQL's ``bigint`` keeps it."""
    return int.from_bytes(bytes.fromhex(hexadecimal), "big", signed=True)


async def _keep_keys(connection: AsyncConnection, held: Claim, rendered: Sequence[Rendered]) -> None:
    if not await incarnations.keep(connection, held.image.sha256, [held.plan.keys[one.name] for one in rendered]):
        raise Temporary("the key of a rendition was given up while it was rendered", delay=0.0)


async def _write(connection: AsyncConnection, image_id: UUID, fence: int, **values: Any) -> ImageRow:
    statement = (
        update(Image)
        .where(Image.id == image_id, Image.render_fence == fence, Image.deleted_at.is_(None))
        .values(updated_at=func.now(), **values)
        .returning(*Image.__table__.columns)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None and await find_image(connection, image_id) is None:
        raise Gone(f"image {image_id} was deleted")
    if row is None:
        raise Stale(f"image {image_id} is past fence {fence}")
    return row


async def _save_renditions(
    connection: AsyncConnection, image_id: UUID, keys: Mapping[str, str], rendered: Sequence[Rendered]
) -> None:
    if not rendered:
        return
    statement = insert(Rendition)
    replaced = {
        name: statement.excluded[name] for name in ("kind", "width", "height", "format", "bytes", "key", "limited")
    }
    statement = statement.on_conflict_do_update(
        index_elements=["image_id", "name"], set_=replaced | {"created_at": func.now()}
    )
    await connection.execute(
        statement.values(
            [
                {
                    "image_id": image_id,
                    "name": one.name,
                    "kind": one.kind,
                    "width": one.width,
                    "height": one.height,
                    "format": one.format,
                    "bytes": len(one.data),
                    "key": keys[one.name],
                    "limited": one.limited,
                }
                for one in rendered
            ]
        )
    )


def _spec(row: Any) -> RenditionSpec:
    return RenditionSpec(row.name, row.kind, row.width, row.height, row.fit, row.format, row.quality)


def _shown_to_people(sizes: Sequence[RenditionSpec]) -> list[RenditionSpec]:
    """Without one of the name that is the model's: only an older version let an administrator take it."""
    left = [spec for spec in sizes if spec.name != ANALYSIS_SIZE.name]
    if len(left) < len(sizes):
        _warn_of_reserved_name()
    return left


@functools.cache
def _warn_of_reserved_name() -> None:
    """Once."""
    log.warning(
        "display size left out, its name is reserved: rename it",
        name=ANALYSIS_SIZE.name,
        path="/v1/settings/display-sizes",
    )


def _for_people(todo: Plan, *, variants: bool = True) -> bool:
    """Whether there is something that people look at: an image does not lose its thumbnails because a model is shown it."""
    return any(spec.name != ANALYSIS_SIZE.name for spec in todo.thumbnails) or (variants and bool(todo.variants))


def _processing_if(todo: bool, column: Any) -> Any:
    return "processing" if todo else column


def _failed_unless_complete(column: Any) -> Any:
    return case((column == "complete", "complete"), else_="failed")


def _moment(text: str | None) -> datetime | None:
    """A camera's time; without a zone it is kept as if it were UTC, as nobody can know better."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
