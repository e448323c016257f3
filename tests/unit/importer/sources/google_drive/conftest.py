"""A double with an empty tree for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.importer.sources.google_drive.support import Served, serving

from heliograph_local.doubles.google_drive import DriveDouble


@pytest.fixture
async def drive() -> AsyncIterator[Served]:
    """Serves pages of three."""
    async with serving(DriveDouble(largest_page=3)) as running:
        yield running
