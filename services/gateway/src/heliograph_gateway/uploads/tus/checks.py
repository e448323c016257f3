"""What may be done with a resumable upload, by its row. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import (
    BODY_TOO_LARGE,
    CONFLICT,
    NOT_FOUND,
    OFFSET_MISMATCH,
    TOO_MANY_PARTS,
    UPLOAD_EXPIRED,
    UPLOAD_FINAL,
    UPLOAD_REFUSED,
)
from heliograph_gateway.uploads.tus.headers import upload_id, wrong
from heliograph_gateway.uploads.tus.queries import TusRow

MAX_PARTS = 1000
"""Of one upload. Each is a request to the object store when the upload is finished, while its client waits."""


def known(wanted: UUID, found: Mapping[UUID, TusRow]) -> TusRow:
    """The row that the caller may see.

    Raises:
        Problem: there is none.
    """
    if wanted not in found:
        raise Problem(NOT_FOUND, f"Upload {wanted} does not exist.")
    return found[wanted]


def alive(wanted: UUID, found: Mapping[UUID, TusRow]) -> TusRow:
    """The row of an upload that is not over without an image.

    Raises:
        Problem: there is none, it has expired, or its picture was refused.
    """
    row = known(wanted, found)
    if row.expired:
        raise Problem(UPLOAD_EXPIRED, f"Upload {wanted} has expired and its bytes were deleted.")
    if row.state == "refused":
        extra = {"refusal": row.problem}
        raise Problem(UPLOAD_REFUSED, f"The upload was rejected: {row.problem['detail']}", extra=extra)
    return row


def finished_partial(wanted: UUID, found: Mapping[UUID, TusRow]) -> TusRow:
    """The row of a partial upload all of which is there.

    Raises:
        Problem: it is none, or something is missing.
    """
    row = alive(wanted, found)
    if not row.partial:
        raise wrong("Upload-Concat", f"Names {wanted}, which is not a partial upload")
    if row.position != row.length:
        missing = "an unknown number of" if row.length is None else f"{row.length - row.position:,}"
        remedy = "Finish each partial upload, then concatenate them."
        raise Problem(CONFLICT, f"Upload {wanted} still lacks {missing} bytes.", extra={"remedy": remedy})
    return row


def ids(urls: Sequence[str]) -> list[UUID]:
    """The ids of the uploads at ``urls``.

    Raises:
        Problem: one is no upload's.
    """
    found = [upload_id(url) for url in urls]
    if None in found:
        raise wrong("Upload-Concat", f"Names {urls[found.index(None)][:200]}, which is not the URL of an upload")
    return [each for each in found if each is not None]


def length(size: int, max_size: int) -> None:
    """Refuses a length that is over the limit.

    Raises:
        Problem: it is.
    """
    if size > max_size:
        detail = f"Limit exceeded: {size:,} bytes, the limit is {max_size:,}."
        raise Problem(BODY_TOO_LARGE, detail, extra={"limit_bytes": max_size})


def may_append(row: TusRow, offset: int, announced: int | None, body: int | None, max_size: int) -> int | None:
    """The upload's length, if ``body`` bytes (``None``: nobody knows how many) may be added at ``offset``.
    ``announced``: the length that this request names.

    Raises:
        Problem: they may not.
    """
    if row.concatenates is not None:
        raise Problem(UPLOAD_FINAL, "The upload was concatenated from partial uploads.")
    if row.position != offset:
        raise offset_mismatch(row.position, offset)
    whole: int | None = row.length
    if announced is not None:
        if whole not in {None, announced}:
            raise wrong("Upload-Length", f"Is already {whole} and cannot change")
        if announced < offset:
            raise wrong("Upload-Length", f"Must be at least {offset}, the number of bytes stored")
        length(announced, max_size)
        whole = announced
    if body:
        room_for_part(row, offset + body, whole)
    return whole


def room_for_part(row: TusRow, end: int, whole: int | None) -> None:
    """Refuses a part that would leave an upload of very many parts unfinished.

    Raises:
        Problem: it would.
    """
    if end != whole:
        count(row.parts + 1)


def count(parts: int) -> None:
    """Refuses more parts than an upload may have.

    Raises:
        Problem: there are.
    """
    if parts > MAX_PARTS:
        raise Problem(
            TOO_MANY_PARTS, f"Limit exceeded: an upload may have {MAX_PARTS:,} parts.", extra={"limit_parts": MAX_PARTS}
        )


def offset_mismatch(position: int, offset: int) -> Problem:
    """A request for another offset than the one where the upload stands."""
    detail = f"The offset of the upload is {position}, not {offset}."
    return Problem(OFFSET_MISMATCH, detail, headers={"Upload-Offset": str(position)})


def changed(position: int) -> Problem:
    """A request that lost to another one while it was carried out."""
    detail = f"Another request changed the upload first. Its offset is now {position}."
    return Problem(OFFSET_MISMATCH, detail, headers={"Upload-Offset": str(position)})
