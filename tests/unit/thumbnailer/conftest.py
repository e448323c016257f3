"""The repository's root on the path, so that tests can import ``tests.corpus``, and the real photos where present."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

PHOTOS = ROOT.parent / "shared" / "photos"


@pytest.fixture
def photos() -> Path:
    """The folder of real pictures; skips where it is absent."""
    if not PHOTOS.is_dir():
        pytest.skip("no ../shared/photos here")
    return PHOTOS
