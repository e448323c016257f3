"""The shapes of direct uploads, beside those of ``schemas``: what clients send and what they get."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from heliograph_gateway.catalog.schemas import SHA256, ImageShape, PriorityName
from heliograph_gateway.http.parameters import WHOLE
from heliograph_gateway.http.schemas import ProblemDocument, Shape, linked
from heliograph_gateway.uploads.schemas import FileOutcome

UPLOAD_ID = "01a1f92c-04d1-7b1e-9c55-2f0f3c1ab0de"
"""An example."""


class DirectUploadRequest(Shape):
    """A file to upload directly to the object store."""

    name: Annotated[str, Field(max_length=4096, description="File name.", examples=["beach.jpg"])]
    bytes: Annotated[int, Field(ge=1, description="Exact size of the file in bytes.", examples=[2_411_724]), WHOLE]
    sha256: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-fA-F]{64}$",
            description="SHA-256 of the file in hexadecimal. With it the uploaded file is verified, and a file that "
            "the caller "
            "has already uploaded need not be sent again. Null to skip both.",
            examples=[SHA256],
        ),
    ] = None
    priority: Annotated[PriorityName, Field(description="Priority at which to render the image.")] = "normal"
    analyze: Annotated[
        str, Field(max_length=64, description="Analysis profile. Empty for no analysis.", examples=[""])
    ] = ""


class DirectUploadBatch(Shape):
    """Several files to upload directly to the object store."""

    files: Annotated[
        list[DirectUploadRequest],
        Field(min_length=1, description="The files. Each installation limits their number, to 100 by default."),
    ]


class CompletionBatch(Shape):
    """Several direct uploads to complete."""

    ids: Annotated[
        list[UUID],
        Field(
            min_length=1,
            description="Ids of the uploads. The limit is the same as for creating uploads.",
            examples=[[UPLOAD_ID]],
        ),
    ]


class PresignedPut(Shape):
    """The request that uploads the file to the object store. It needs no token."""

    method: Annotated[Literal["PUT"], Field(description="HTTP method.")]
    url: Annotated[
        str,
        Field(
            description="Signed URL to send the file to.",
            examples=[f"https://s3.pictures.example/heliograph/uploads/{UPLOAD_ID}/file?X-Amz-Signature=1d5f"],
        ),
    ]
    headers: Annotated[
        dict[str, str],
        Field(
            description="Headers to send. Another `Content-Type`, or none, works as well.",
            examples=[{"Content-Type": "application/octet-stream"}],
        ),
    ]
    expires_at: Annotated[datetime, Field(description="When the URL expires.")]


class DirectUploadShape(Shape):
    """A direct upload. Send the file as `upload` describes, then POST to `links.complete`."""

    model_config = ConfigDict(json_schema_extra=linked("upload_id", "/id"))

    id: Annotated[UUID, Field(description="Id of the upload.", examples=[UPLOAD_ID])]
    state: Annotated[
        Literal["open", "complete", "refused"],
        Field(
            description="`open` until the upload is completed; `complete` once it is an image, which is also the "
            "initial state if "
            "the caller already has an image with this `sha256`; `refused` if the file was rejected, which is final.",
            examples=["open"],
        ),
    ]
    name: Annotated[str, Field(description="File name.", examples=["beach.jpg"])]
    bytes: Annotated[int, Field(description="Announced size of the file in bytes.", examples=[2_411_724])]
    sha256: Annotated[
        str | None,
        Field(
            description="Announced SHA-256 of the file in lower-case hexadecimal. Null if none was announced.",
            examples=[SHA256],
        ),
    ]
    priority: Annotated[
        PriorityName, Field(description="Priority at which the image is rendered.", examples=["normal"])
    ]
    analyze: Annotated[
        str | None, Field(description="Analysis profile. Null if no analysis was requested.", examples=[None])
    ]
    created_at: Annotated[datetime, Field(description="When the upload was created.")]
    expires_at: Annotated[datetime, Field(description="When the upload expires and is deleted, whatever its state.")]
    upload: Annotated[
        PresignedPut | None, Field(description="The request that uploads the file. Null unless the upload is open.")
    ]
    image: Annotated[
        ImageShape | None,
        Field(
            description="The image. Null until the upload is complete, and after the image is deleted.", examples=[None]
        ),
    ]
    problem: Annotated[
        ProblemDocument | None, Field(description="Why the file was rejected. Null unless it was.", examples=[None])
    ]
    links: Annotated[
        dict[str, str],
        Field(
            description="URLs of the upload (`self`) and, while it is open, of its completion (`complete`), relative to the "
            "server.",
            examples=[{"self": f"/v1/uploads/{UPLOAD_ID}", "complete": f"/v1/uploads/{UPLOAD_ID}/complete"}],
        ),
    ]


class DirectUploadOutcome(Shape):
    """Result for one of several files."""

    name: Annotated[str, Field(description="File name. Empty if the entry has none.", examples=["beach.jpg"])]
    status: Annotated[
        int,
        Field(
            description="HTTP status for this file: 201 for an open upload, 200 if the file need not be sent, or the "
            "status of "
            "`problem`.",
            examples=[201],
        ),
    ]
    upload: Annotated[DirectUploadShape | None, Field(description="The upload. Missing if the entry was rejected.")] = (
        None
    )
    problem: Annotated[
        ProblemDocument | None,
        Field(description="Why the entry was rejected. Missing if it was accepted.", examples=[None]),
    ] = None


class DirectUploadOutcomes(Shape):
    """Results of creating several direct uploads."""

    uploads: Annotated[list[DirectUploadOutcome], Field(description="One entry per file, in the order of the request.")]


class CompletionOutcome(FileOutcome):
    """Result for one of several direct uploads. `name` is empty if the caller has no such upload."""

    id: Annotated[str, Field(description="Id of the upload, as sent.", examples=[UPLOAD_ID])]


class CompletionOutcomes(Shape):
    """Results of completing several direct uploads."""

    images: Annotated[list[CompletionOutcome], Field(description="One entry per upload, in the order of the request.")]
