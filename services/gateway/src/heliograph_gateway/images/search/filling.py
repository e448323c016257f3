"""Gives older images the words that they are searched by, a second in every five, until all have them."""

from __future__ import annotations

import time

import structlog

from heliograph_common.db import search
from heliograph_common.db.engine import Database

log = structlog.get_logger(__name__)

_BATCH = 200
_SLICE = 1.0


class SearchFilling:
    """``batch``: images in one transaction; ``slice_seconds``: how long one ``advance`` goes on for."""

    def __init__(self, database: Database, *, batch: int = _BATCH, slice_seconds: float = _SLICE) -> None:
        self._database = database
        self._batch = batch
        self._slice = slice_seconds
        self._done = False

    async def advance(self) -> bool:
        """Fills some more; whether there is more to fill for whoever comes next. Once all are filled it asks no more."""
        if self._done:
            return False
        until = time.monotonic() + self._slice
        images = 0
        while time.monotonic() < until:
            async with self._database.transaction() as connection:
                filled = await search.fill(connection, batch=self._batch)
            if filled is not search.Filled.SOME:
                self._done = filled is search.Filled.ALL
                if self._done and images:
                    log.info("all images can be searched")
                return not self._done
            images += self._batch
        return True
