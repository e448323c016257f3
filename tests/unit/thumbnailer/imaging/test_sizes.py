"""What a rendition shows and how large it is, for any picture and any box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.contracts.sizes import DEFAULT_SIZES
from heliograph_thumbnailer.imaging.sizes import THUMBNAILS, VARIANTS, RenditionSpec, lay_out, thumbnail, variant

SIDES = st.integers(1, 30_000)
BOXES = st.integers(1, 4_000)


@given(SIDES, SIDES, BOXES, BOXES)
def test_contain_fits_and_touches(width: int, height: int, box_width: int, box_height: int) -> None:
    layout = lay_out(width, height, RenditionSpec("x", "thumbnail", box_width, box_height, "contain"))
    assert 1 <= layout.width <= box_width
    assert 1 <= layout.height <= box_height
    if layout.limited:
        assert (layout.width, layout.height) == (width, height)
    else:
        assert layout.width == box_width or layout.height == box_height


@given(SIDES, SIDES, BOXES, BOXES)
def test_contain_keeps_the_aspect(width: int, height: int, box_width: int, box_height: int) -> None:
    layout = lay_out(width, height, RenditionSpec("x", "thumbnail", box_width, box_height, "contain"))
    # One pixel of rounding on each side, and never less than a pixel.
    assert abs(layout.width * height - layout.height * width) <= max(width, height)


@given(SIDES, SIDES, BOXES, BOXES)
def test_cover_fills_exactly_or_is_limited(width: int, height: int, box_width: int, box_height: int) -> None:
    layout = lay_out(width, height, RenditionSpec("x", "variant", box_width, box_height, "cover"))
    region = layout.region
    assert region.left >= 0
    assert region.top >= 0
    assert region.right <= width + 1e-6
    assert region.bottom <= height + 1e-6
    if not layout.limited:
        assert (layout.width, layout.height) == (box_width, box_height)
    else:
        assert (layout.width, layout.height) == (region.right - region.left, region.bottom - region.top)


@given(SIDES, SIDES, BOXES, BOXES, st.sampled_from(["contain", "cover"]))
def test_never_enlarges_unless_asked(width: int, height: int, box_width: int, box_height: int, fit: str) -> None:
    spec = RenditionSpec("x", "variant", box_width, box_height, fit)  # type: ignore[arg-type]
    layout = lay_out(width, height, spec)
    assert layout.width <= width
    assert layout.height <= height
    assert layout.limited == (width < layout.width or height < layout.height) or layout.limited


@given(SIDES, SIDES, BOXES, BOXES)
def test_cover_crops_around_the_centre(width: int, height: int, box_width: int, box_height: int) -> None:
    region = lay_out(width, height, variant(box_width, box_height)).region
    assert abs(region.left - (width - region.right)) <= 1
    assert abs(region.top - (height - region.bottom)) <= 1


@given(SIDES, SIDES, BOXES, BOXES)
def test_a_turned_spec_on_a_turned_picture_is_the_same(
    width: int, height: int, box_width: int, box_height: int
) -> None:
    spec = variant(box_width, box_height)
    upright, lying = lay_out(width, height, spec), lay_out(height, width, spec.turned())
    assert (upright.width, upright.height) == (lying.height, lying.width)


def test_upscale() -> None:
    spec = RenditionSpec("x", "variant", 400, 400, "cover", upscale=True)
    layout = lay_out(100, 50, spec)
    assert (layout.width, layout.height, layout.limited) == (400, 400, False)


def test_defaults() -> None:
    assert {spec.name for spec in (*THUMBNAILS, *VARIANTS)} == {size.name for size in DEFAULT_SIZES}
    assert {spec.fit for spec in THUMBNAILS} == {"contain"}
    assert {spec.fit for spec in VARIANTS} == {"cover"}


@pytest.mark.parametrize("side", [0, 16_384])
def test_impossible_sizes_are_refused(side: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.16383"):
        thumbnail(side)


def test_impossible_quality_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.\.100"):
        thumbnail(100, quality=0)
