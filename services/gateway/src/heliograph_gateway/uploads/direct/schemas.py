"""The shapes of direct uploads, beside those of ``schemas``: what clients send and what they get."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from heliograph_gateway.catalog.schemas import ImageShape, PriorityName
from heliograph_gateway.http.parameters import WHOLE
from heliograph_gateway.http.schemas import ProblemDocument, Shape
from heliograph_gateway.uploads.schemas import FileOutcome

_UPLOAD = "01a1f92c-04d1-7b1e-9c55-2f0f3c1ab0de"


class DirectUploadRequest(Shape):
    """A file that is going to be sent to the object store. With ``sha256`` (hexadecimal) the very bytes are checked, and a
    file that the caller has sent before needs not be sent again. ``analyze``: a profile, what a vision model is to tell."""

    name: Annotated[str, Field(max_length=4096)]
    bytes: Annotated[int, Field(ge=1, description="The file's size; exactly so many are taken."), WHOLE]
    sha256: Annotated[str | None, Field(pattern="^[0-9a-fA-F]{64}$")] = None
    priority: PriorityName = "normal"
    analyze: Annotated[str, Field(max_length=64, examples=[""])] = ""


class DirectUploadBatch(Shape):
    """Several files. How many one request may name is a limit of the installation, 100 by default."""

    files: Annotated[list[DirectUploadRequest], Field(min_length=1)]


class CompletionBatch(Shape):
    """Uploads by their ids, as many as one request may create."""

    ids: Annotated[list[UUID], Field(min_length=1, examples=[[_UPLOAD]])]


class PresignedPut(Shape):
    """The request that sends the file: ``method`` to ``url`` with ``headers``, no token, before ``expires_at``. Another
    ``Content-Type`` does as well, and none."""

    method: Literal["PUT"]
    url: Annotated[
        str, Field(examples=[f"https://s3.pictures.example/heliograph/uploads/{_UPLOAD}/file?X-Amz-Signature=1d5f"])
    ]
    headers: Annotated[dict[str, str], Field(examples=[{"Content-Type": "application/octet-stream"}])]
    expires_at: datetime


class DirectUploadShape(Shape):
    """A direct upload. ``open``: ``upload`` tells how to send the file, and a POST to ``links.complete`` ends it.
    ``complete``: it is ``image`` (null once that is deleted), nothing is to be sent, and to complete it again answers the
    same image; so an upload begins where the caller has these bytes already. ``refused``: ``problem`` says why, for good.
    After ``expires_at`` it is forgotten, whatever it was."""

    id: Annotated[UUID, Field(examples=[_UPLOAD])]
    state: Annotated[Literal["open", "complete", "refused"], Field(examples=["open"])]
    name: str
    bytes: int
    sha256: str | None
    priority: Annotated[PriorityName, Field(examples=["normal"])]
    analyze: Annotated[str | None, Field(examples=[None])]
    created_at: datetime
    expires_at: datetime
    upload: PresignedPut | None
    image: Annotated[ImageShape | None, Field(examples=[None])]
    problem: Annotated[ProblemDocument | None, Field(examples=[None])]
    links: Annotated[
        dict[str, str],
        Field(examples=[{"self": f"/v1/uploads/{_UPLOAD}", "complete": f"/v1/uploads/{_UPLOAD}/complete"}]),
    ]


class DirectUploadOutcome(Shape):
    """What became of one of several files: ``status`` is 201, 200 where nothing needs to be sent, or a problem's."""

    name: str
    status: Annotated[int, Field(examples=[201])]
    upload: DirectUploadShape | None = None
    problem: Annotated[ProblemDocument | None, Field(examples=[None])] = None


class DirectUploadOutcomes(Shape):
    """One entry a file, in the order of the request."""

    uploads: list[DirectUploadOutcome]


class CompletionOutcome(FileOutcome):
    """What became of one of several uploads: as a file of several, with the upload's ``id``. ``name`` is empty where the
    caller has no such upload."""

    id: Annotated[str, Field(examples=[_UPLOAD])]


class CompletionOutcomes(Shape):
    """One entry an upload, in the order of the request."""

    images: list[CompletionOutcome]
