"""The pigeonhole that near-duplicate search stands on."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.db.image_models import PHASH_BANDS
from heliograph_gateway.images.similarity.queries import neighbours


@pytest.mark.parametrize(("bits", "radius"), [(1, 0), (4, 2), (8, 8), (21, 3), (22, 2)])
def test_neighbours_are_all_within_the_radius(bits: int, radius: int) -> None:
    value = 0b1011001110001111000011 & ((1 << bits) - 1)
    found = neighbours(value, bits, radius)

    assert len(found) == len(set(found)) == sum(comb(bits, count) for count in range(radius + 1))
    assert all((value ^ each).bit_count() <= radius and each < 1 << bits for each in found)


def test_the_bands_are_the_whole_hash() -> None:
    covered = [bit for _, shift, bits in PHASH_BANDS for bit in range(shift, shift + bits)]

    assert covered == list(range(64))


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.sets(st.integers(0, 63), max_size=11))
def test_near_hashes_share_a_band_nearly(phash: int, flipped: set[int]) -> None:
    other = phash ^ sum(1 << bit for bit in flipped)

    def differing(shift: int, bits: int) -> int:
        return (((phash ^ other) >> shift) & ((1 << bits) - 1)).bit_count()

    assert min(differing(shift, bits) for _, shift, bits in PHASH_BANDS) <= len(flipped) // 3
