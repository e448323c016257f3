"""Tags of the OpenAPI document: each feature makes its own, beside its router."""

from __future__ import annotations

from typing import Self


class Tag(str):
    """The name of a tag, which routers take, with its ``description``."""

    __slots__ = ("description",)
    description: str

    def __new__(cls, name: str, description: str) -> Self:
        """``Tag(name, description)``"""
        tag = super().__new__(cls, name)
        tag.description = description
        return tag
