"""The shapes of pages of images."""

from __future__ import annotations

from heliograph_gateway.catalog.schemas import ImageShape
from heliograph_gateway.http.schemas import Shape


class ImagePage(Shape):
    """Images, newest first; ``next`` is the address of the next page, null on the last."""

    images: list[ImageShape]
    next: str | None


class NearImage(ImageShape):
    """An image and in how many of 64 bits its perceptual hash differs."""

    distance: int


class NearPage(Shape):
    """Images near another, nearest first; ``next`` as in other pages."""

    images: list[NearImage]
    next: str | None
