"""The shapes of pages of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from heliograph_gateway.catalog.schemas import ImageShape
from heliograph_gateway.http.schemas import NextPage, Shape, linked

_CURSOR = "WzEsIjAxYTFmOTJiIiwiM2Y1YSJd"


class ImagePage(Shape):
    """A page of images, newest first."""

    model_config = ConfigDict(json_schema_extra=linked("image_id", "/images/0/id"))

    images: Annotated[list[ImageShape], Field(description="Images of this page.")]
    next: Annotated[NextPage, Field(examples=[f"/v1/images?limit=50&cursor={_CURSOR}"])]


class NearImage(ImageShape):
    """An image that is similar to another one."""

    distance: Annotated[
        int,
        Field(
            description="Number of bits, from 0 to 64, in which the perceptual hashes of the two images differ.",
            examples=[8],
        ),
    ]


class NearPage(Shape):
    """A page of similar images, most similar first."""

    images: Annotated[list[NearImage], Field(description="Images of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]
