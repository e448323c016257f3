"""Renditions of every kind of picture: upright, of the right size and colour, without metadata. In-process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from tests.corpus import pictures

from heliograph_common.errors import ImageTooLarge
from heliograph_thumbnailer.imaging.model import RenderEvent, RenderJob, Rendition, ThumbnailsDone, VariantsDone
from heliograph_thumbnailer.imaging.render import render
from heliograph_thumbnailer.imaging.sizes import RenditionSpec, lay_out, thumbnail, variant

THUMBNAILS_ONLY = RenderJob(variants=())


def rendered(data: bytes, job: RenderJob = THUMBNAILS_ONLY) -> tuple[ThumbnailsDone, VariantsDone]:
    events: list[RenderEvent] = []
    render(data, job, events.append)
    first, second = events
    assert isinstance(first, ThumbnailsDone)
    assert isinstance(second, VariantsDone)
    return first, second


def loaded(rendition: Rendition) -> pyvips.Image:
    image = pyvips.Image.new_from_buffer(rendition.data, "")
    assert (image.width, image.height) == (rendition.width, rendition.height)
    return image


def pixels(rendition: Rendition) -> np.ndarray[Any, np.dtype[np.float64]]:
    image = loaded(rendition).colourspace("srgb")
    samples = np.frombuffer(image.write_to_memory(), np.uint8)
    return samples.reshape(image.height, image.width, image.bands).astype(np.float64)


def distance(one: Rendition, other: Rendition) -> float:
    """Mean difference of samples, 0..255."""
    return float(np.abs(pixels(one) - pixels(other)).mean())


def similarity(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any], side: int = 7) -> float:
    """SSIM of the luma over uniform windows (Wang et al., 2004)."""

    def mean(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        sums = np.cumsum(np.cumsum(np.pad(values, ((1, 0), (1, 0))), 0), 1)
        return (
            np.asarray(sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / side**2
        )

    weights = np.array([0.299, 0.587, 0.114])
    x, y = one[:, :, :3] @ weights, other[:, :, :3] @ weights
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 6.5025, 58.5225
    return float((((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


def test_sizes_order_and_limits() -> None:
    thumbnails = tuple(thumbnail(edge) for edge in (150, 300, 600))
    variants = tuple(variant(*pixels) for pixels in ((1080, 1920), (2160, 3840), (1038, 1278)))
    first, second = rendered(pictures.jpeg(1600, 1200), RenderJob(thumbnails, variants))
    assert [(r.name, r.width, r.height, r.limited) for r in first.renditions] == [
        ("150", 150, 112, False),
        ("300", 300, 225, False),
        ("600", 600, 450, False),
    ]
    assert [(r.name, r.width, r.height, r.limited) for r in second.renditions] == [
        ("1080x1920", 675, 1200, True),
        ("2160x3840", 675, 1200, True),
        ("1038x1278", 975, 1200, True),
    ]
    assert {r.kind for r in first.renditions} == {"thumbnail"}
    for rendition in (*first.renditions, *second.renditions):
        loaded(rendition)


def test_steps_tell_start_and_length() -> None:
    first, second = rendered(pictures.jpeg(), RenderJob())
    steps = [*first.steps, *second.steps]
    assert [step.name for step in first.steps][:2] == ["header", "decode"]
    assert {"resample 600", "encode 600", "facts"} <= {step.name for step in first.steps}
    assert {"resample 1080x1920", "encode 1080x1920"} <= {step.name for step in second.steps}
    assert [step.start for step in steps] == sorted(step.start for step in steps)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientations_look_alike(orientation: int) -> None:
    job = RenderJob((thumbnail(150),), (variant(90, 160),))
    want = rendered(pictures.jpeg_turned(1), job)
    got = rendered(pictures.jpeg_turned(orientation), job)
    assert (got[0].facts.width, got[0].facts.height) == (320, 240)
    assert distance(got[0].renditions[0], want[0].renditions[0]) < 2
    assert distance(got[1].renditions[0], want[1].renditions[0]) < 2
    bits = int(got[0].facts.phash, 16) ^ int(want[0].facts.phash, 16)
    assert bits.bit_count() <= 8


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif", ".gif"])
def test_formats_look_alike(suffix: str) -> None:
    want = rendered(pictures.jpeg(quality=95))[0].renditions[1]
    assert distance(rendered(pictures.save(suffix))[0].renditions[1], want) < 6


@pytest.mark.parametrize(
    "data",
    [
        pictures.image(pictures.scene(320, 240)).colourspace("b-w").jpegsave_buffer(),
        pictures.image(pictures.scene(320, 240)).colourspace("b-w").pngsave_buffer(),
        pictures.image(pictures.scene(320, 240)).colourspace("grey16").pngsave_buffer(bitdepth=16),
    ],
    ids=["jpeg", "png", "deep png"],
)
def test_grey(data: bytes) -> None:
    grey = pixels(rendered(bytes(data))[0].renditions[1])
    want = pixels(rendered(pictures.jpeg())[0].renditions[1]) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[:, :, 0] - want).mean() < 12


def test_sixteen_bits_and_palette() -> None:
    want = rendered(pictures.save(".png"))[0].renditions[1]
    deep = pictures.image(pictures.scene(320, 240)).colourspace("rgb16").pngsave_buffer(bitdepth=16)
    assert distance(rendered(bytes(deep))[0].renditions[1], want) < 2
    palette = pictures.save(".png", palette=True)
    assert distance(rendered(palette)[0].renditions[1], want) < 4


def test_cmyk_looks_like_its_source() -> None:
    cmyk = pictures.image(pictures.scene(320, 240)).icc_transform("cmyk", input_profile="srgb")
    data = bytes(cmyk.jpegsave_buffer(Q=95, keep="all"))
    want = rendered(pictures.jpeg(quality=95))[0].renditions[1]
    assert distance(rendered(data)[0].renditions[1], want) < 25  # CMYK holds fewer colours than sRGB


def test_wide_gamut_is_converted() -> None:
    p3 = pictures.image(pictures.scene(320, 240)).icc_transform("p3", input_profile="srgb")
    data = bytes(p3.jpegsave_buffer(Q=95, keep="all"))
    rendition = rendered(data)[0].renditions[1]
    assert distance(rendition, rendered(pictures.jpeg(quality=95))[0].renditions[1]) < 4


def test_alpha_lies_on_white_in_jpeg_and_stays_in_webp() -> None:
    job = RenderJob((thumbnail(100), RenditionSpec("w", "thumbnail", 100, 100, "contain", "webp")), ())
    jpeg, webp = rendered(pictures.save(".png", alpha=True), job)[0].renditions
    assert pixels(jpeg)[:, -3:].min() > 240
    assert loaded(webp).hasalpha()
    alpha = pixels(webp)[:, :, 3]
    assert alpha[:, 0].min() > 245
    assert alpha[:, -1].max() < 10


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animation_gives_its_first_frame(suffix: str) -> None:
    first = rendered(pictures.animation(suffix, 5))[0]
    assert (first.facts.width, first.facts.height) == (64, 64)
    still = rendered(pictures.save(".png", 64, 64))[0].renditions[0]
    assert distance(first.renditions[0], still) < 20


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_no_metadata_is_left(form: str) -> None:
    marks = pictures.jpeg_segment(0xFE, b"SECRET comment") + pictures.jpeg_segment(0xED, b"SECRET iptc")
    xmp = pictures.jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>SECRET</x>")
    data = pictures.insert_segments(pictures.jpeg_turned(6), marks, xmp)
    job = RenderJob((RenditionSpec("x", "thumbnail", 100, 100, "contain", form),), ())  # type: ignore[arg-type]
    (rendition,) = rendered(data, job)[0].renditions
    assert b"SECRET" not in rendition.data
    fields = set(loaded(rendition).get_fields())
    assert not {"exif-data", "icc-profile-data", "xmp-data", "iptc-data", "jpeg-comment", "orientation"} & fields


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_slivers(size: tuple[int, int]) -> None:
    first, second = rendered(pictures.save(".png", *size), RenderJob())
    assert all(r.data for r in (*first.renditions, *second.renditions))


def test_upscale_where_asked() -> None:
    spec = RenditionSpec("x", "variant", 640, 640, "cover", upscale=True)
    (rendition,) = rendered(pictures.jpeg(), RenderJob((), (spec,)))[1].renditions
    assert (rendition.width, rendition.height, rendition.limited) == (640, 640, False)


def test_quality_against_full_size_lanczos() -> None:
    """Scaled decoding and the cascade lose next to nothing: SSIM of at least 0.98 on a detailed scene."""
    source = pictures.scene(2400, 1800)
    full = pictures.image(source)
    job = RenderJob(tuple(thumbnail(side, quality=100) for side in (150, 300, 600)), ())
    for data in (bytes(full.jpegsave_buffer(Q=95)), bytes(full.webpsave_buffer(Q=95)), bytes(full.pngsave_buffer())):
        for rendition, spec in zip(rendered(data, job)[0].renditions, job.thumbnails, strict=True):
            layout = lay_out(2400, 1800, spec)
            reference = full.resize(layout.width / 2400, vscale=layout.height / 1800, kernel="lanczos3", gap=0)
            want = np.frombuffer(reference.write_to_memory(), np.uint8).reshape(layout.height, layout.width, 3)
            assert similarity(pixels(rendition), want.astype(np.float64)) >= 0.98


def test_limits_hold_before_decoding() -> None:
    from tests.corpus.cases import giant_jpeg

    with pytest.raises(ImageTooLarge, match="280"):
        rendered(giant_jpeg())


def test_photos(photos: Path) -> None:
    for path in sorted(photos.iterdir()):
        if path.suffix == ".md":
            continue
        if path.name == "giant.jpg":
            with pytest.raises(ImageTooLarge):
                rendered(path.read_bytes())
            continue
        first = rendered(path.read_bytes())[0]
        assert first.facts.thumbhash
        for rendition in first.renditions:
            loaded(rendition)


@pytest.mark.parametrize("shape", ["landscape", "portrait"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_photos_are_upright(photos: Path, shape: str, orientation: int) -> None:
    job = RenderJob((thumbnail(300),), ())
    want = rendered((photos / f"{shape}_orientation_1.jpg").read_bytes(), job)[0].renditions[0]
    got = rendered((photos / f"{shape}_orientation_{orientation}.jpg").read_bytes(), job)[0].renditions[0]
    assert (got.width, got.height) == (want.width, want.height)
    assert distance(got, want) < 6
