"""The double of Unsplash, with a clock that stands still unless a test moves it, and its client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.unit.local.doubles.unsplash.support import HEADERS

from heliograph_local.doubles.serving import served
from heliograph_local.doubles.unsplash import UnsplashDouble


@pytest.fixture
def now() -> list[float]:
    """The time of the double's clock."""
    return [1_000_000.0]


@pytest.fixture
def double(now: list[float]) -> UnsplashDouble:
    return UnsplashDouble(clock=lambda: now[0])


@pytest.fixture
async def anyone(double: UnsplashDouble) -> AsyncIterator[httpx2.AsyncClient]:
    """One without the key."""
    async with served(double.app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as made:
        yield made


@pytest.fixture
async def client(anyone: httpx2.AsyncClient) -> AsyncIterator[httpx2.AsyncClient]:
    """One that has the key."""
    async with httpx2.AsyncClient(base_url=anyone.base_url, headers=HEADERS, trust_env=False) as made:
        yield made
