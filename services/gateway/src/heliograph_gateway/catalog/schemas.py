"""The shape of an image, which several features answer. ``representation`` builds it; a test holds it to this."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field

from heliograph_gateway.http.schemas import Shape, linked
from heliograph_gateway.http.tags import Tag

IMAGE_ID = "01a1f92b-ba77-76a1-85bb-608671403cb6"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXIF: dict[str, Any] = {"Make": "Canon", "Model": "EOS R6", "ISO": 100}
"""Examples."""

IMAGES = Tag("images", "Upload, list, fetch, delete and retry images, and download their renditions.")

State = Literal["pending", "processing", "complete", "failed"]
PriorityName = Literal["high", "normal", "low"]

ImageId = Annotated[UUID, Path(description="Id of the image.", examples=[IMAGE_ID])]


class StagesShape(Shape):
    """State of each processing stage of an image."""

    stored: Annotated[State, Field(description="State of storing the original.", examples=["complete"])]
    thumbnails: Annotated[State, Field(description="State of rendering the thumbnails.", examples=["complete"])]
    variants: Annotated[State, Field(description="State of rendering the display variants.", examples=["processing"])]
    analysis: Annotated[
        State | None, Field(description="State of the analysis. Null if none was requested.", examples=[None])
    ]


class RenditionShape(Shape):
    """A rendered file of an image."""

    name: Annotated[str, Field(description="Name of the display size that the file was rendered in.", examples=["300"])]
    kind: Annotated[Literal["thumbnail", "variant"], Field(description="Kind of the display size.")]
    width: Annotated[int, Field(description="Width in pixels.", examples=[300])]
    height: Annotated[int, Field(description="Height in pixels.", examples=[225])]
    format: Annotated[str, Field(description="File format: `jpeg` or `webp`.", examples=["jpeg"])]
    bytes: Annotated[int, Field(description="File size in bytes.", examples=[14_210])]
    limited: Annotated[
        bool,
        Field(
            description="Whether the original is smaller than the display size. Images are never enlarged.",
            examples=[False],
        ),
    ]
    url: Annotated[
        str,
        Field(
            description="URL of the file, relative to the server. It redirects to a signed URL.",
            examples=[f"/v1/images/{IMAGE_ID}/renditions/300"],
        ),
    ]


class ImageError(Shape):
    """Why an image failed."""

    reason: Annotated[
        str,
        Field(
            description="Reason for the failure and, after the colon, what to do about it.",
            examples=["the JPEG ends before its last line: upload the whole file again"],
        ),
    ]
    retryable: Annotated[bool, Field(description="Whether a retry can succeed.")]
    attempts: Annotated[int, Field(description="Number of processing attempts so far.", examples=[1])]


class ImageShape(Shape):
    """An image with its processing state and renditions."""

    model_config = ConfigDict(json_schema_extra=linked("image_id", "/id"))

    id: Annotated[UUID, Field(description="Id of the image (UUIDv7).", examples=[IMAGE_ID])]
    revision: Annotated[
        int,
        Field(
            ge=1,
            description="Increases with every change of the image. Ignore an event whose `revision` is lower than this one.",
            examples=[3],
        ),
    ]
    name: Annotated[str, Field(description="File name given at the upload.", examples=["beach.jpg"])]
    source: Annotated[str, Field(description="Where the image came from.", examples=["upload"])]
    sha256: Annotated[
        str, Field(description="SHA-256 of the original file, in lower-case hexadecimal.", examples=[SHA256])
    ]
    bytes: Annotated[int, Field(description="Size of the original file in bytes.", examples=[2_411_724])]
    mime_type: Annotated[
        str, Field(description="Media type of the original, detected from its content.", examples=["image/jpeg"])
    ]
    width: Annotated[
        int, Field(description="Width of the original in pixels, after its orientation is applied.", examples=[4032])
    ]
    height: Annotated[
        int, Field(description="Height of the original in pixels, after its orientation is applied.", examples=[3024])
    ]
    frames: Annotated[int, Field(description="Number of frames. 1 unless the image is animated.", examples=[1])]
    taken_at: Annotated[
        datetime | None, Field(description="When the picture was taken, according to its EXIF data. Null if unknown.")
    ]
    created_at: Annotated[datetime, Field(description="When the image was uploaded.")]
    updated_at: Annotated[datetime, Field(description="When the image last changed.")]
    priority: Annotated[
        PriorityName, Field(description="Priority at which the image is rendered.", examples=["normal"])
    ]
    requested_priority: Annotated[
        PriorityName | None,
        Field(
            description="Priority requested at the upload, if `priority` was lowered because many images of the owner were "
            "waiting. Otherwise null.",
            examples=[None],
        ),
    ]
    notice: Annotated[
        str | None,
        Field(description="Why the priority was lowered, while the image is pending. Otherwise null.", examples=[None]),
    ]
    thumbhash: Annotated[
        str | None,
        Field(
            description="ThumbHash placeholder in Base64. Null until the thumbnails are rendered.",
            examples=["1QcSHQRnh493V4dIh4eXh1h4kJUI"],
        ),
    ]
    dominant_color: Annotated[
        str | None,
        Field(description="Dominant color as `#rrggbb`. Null until the thumbnails are rendered.", examples=["#6f8ea3"]),
    ]
    phash: Annotated[
        str | None,
        Field(
            description="64-bit perceptual hash in hexadecimal. Null until the thumbnails are rendered.",
            examples=["e0f0d8c8b8a89880"],
        ),
    ]
    exif: Annotated[
        dict[str, Any] | None,
        Field(description="EXIF data of the original. Null if it has none or has not been read yet.", examples=[EXIF]),
    ]
    caption: Annotated[
        str | None,
        Field(
            description="What the image shows, according to its analysis. Null until it has been analyzed.",
            examples=["A dog runs along a beach at sunset."],
        ),
    ]
    alt_text: Annotated[
        str | None,
        Field(
            description="Alternative text for readers who cannot see the image. Null until it has been analyzed.",
            examples=["A brown dog running on wet sand, the low sun behind it"],
        ),
    ]
    tags: Annotated[
        list[str] | None,
        Field(
            description="Tags of what the image shows. Null until it has been analyzed.", examples=[["beach", "dog"]]
        ),
    ]
    status: Annotated[State, Field(description="Overall processing state.", examples=["processing"])]
    progress: Annotated[int, Field(description="Processing progress in percent, from 0 to 100.", examples=[60])]
    stages: Annotated[StagesShape, Field(description="State of each processing stage.")]
    error: Annotated[
        ImageError | None,
        Field(description="Why processing failed. Null unless an attempt has failed.", examples=[None]),
    ]
    completed_at: Annotated[
        datetime | None, Field(description="When processing completed. Null until then.", examples=[None])
    ]
    renditions: Annotated[list[RenditionShape], Field(description="Files rendered so far.")]
    links: Annotated[
        dict[str, str],
        Field(
            description="URLs of the image (`self`) and of the original file (`original`), relative to the server.",
            examples=[{"self": f"/v1/images/{IMAGE_ID}", "original": f"/v1/images/{IMAGE_ID}/renditions/original"}],
        ),
    ]
