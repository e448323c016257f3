"""What a complete image should have and has not: renditions whose objects are lost, and sizes that it was never rendered in.
A rendition that is missing loses its row, and with that a renderer finds it to be made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heliograph_common.blobs.port import Blobs
from heliograph_common.db.rows import Row


@dataclass(frozen=True)
class Missing:
    """``objects``: the keys that rows name in vain, by rendition; ``kinds``: of all that is missing."""

    objects: Mapping[str, str]
    kinds: frozenset[str]


async def find(blobs: Blobs, renditions: Sequence[Row[Any]], sizes: Sequence[Row[Any]]) -> Missing | None:
    """What is missing of an image with these ``renditions``, in an installation with these display ``sizes``; ``None``:
    nothing. An object of another length than its row says is as good as none.

    Raises:
        BlobsUnavailable, BlobUnreadable: nobody can tell.
    """
    found = await asyncio.gather(*(blobs.head(each.key) for each in renditions))
    lost = [each for each, info in zip(renditions, found, strict=True) if info is None or info.size != each.bytes]
    there = {each.name for each in renditions}
    kinds = {each.kind for each in lost} | {size.kind for size in sizes if size.name not in there}
    return Missing({each.name: each.key for each in lost}, frozenset(kinds)) if kinds else None
