"""A tus client of an owner."""

from __future__ import annotations

import httpx2
import pytest
from tests.integration.gateway.uploads.tus.support import Tus


@pytest.fixture
def tus(ann: httpx2.AsyncClient) -> Tus:
    """Ann's tus client."""
    return Tus(ann)
