"""Hashes and colours of small pictures against golden values and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from tests.corpus import pictures

from heliograph_thumbnailer.imaging import facts
from heliograph_thumbnailer.imaging.blocks import pixel_hash


@pytest.mark.parametrize(
    ("width", "height", "golden"),
    [(100, 75, "lzkKRZaDh4eAiId4eHh4h3BjGPh3"), (60, 100, "lzkKRBaDB4iIh4d3iIhwYxj4dw==")],
)
def test_thumbhash_is_that_of_the_reference(width: int, height: int, golden: str) -> None:
    """Golden values were made by the thumbhash package 0.1.2, a port of evanw/thumbhash."""
    assert facts.thumbhash(facts.rgba(pictures.scene(width, height), "RGB")) == golden


def test_thumbhash_with_alpha_says_so() -> None:
    assert facts.thumbhash(pictures.with_alpha(100, 60)) != facts.thumbhash(facts.rgba(pictures.scene(100, 60), "RGB"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (100, 1), (2, 3)])
def test_small_and_clear_pictures_have_facts(shape: tuple[int, int]) -> None:
    clear = np.zeros((*shape, 4), np.uint8)
    assert facts.thumbhash(clear)
    assert facts.dominant_color(clear) == "#ffffff"


def test_dominant_color() -> None:
    picture = np.full((10, 10, 3), (200, 30, 40), np.uint8)
    picture[:3] = (0, 0, 255)
    assert facts.dominant_color(facts.rgba(picture, "RGB")) == "#c81e28"


def test_dominant_color_leaves_out_what_is_clear() -> None:
    picture = np.full((10, 10, 4), (9, 200, 9, 0), np.uint8)
    picture[0] = (250, 0, 0, 255)
    assert facts.dominant_color(picture) == "#fa0000"


def _distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_phash_is_near_for_near_pictures_only() -> None:
    picture = facts.rgba(pictures.scene(32, 32), "RGB")
    brighter = np.clip(picture.astype(int) + 12, 0, 255).astype(np.uint8)
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    assert len(facts.phash(picture)) == 16
    assert _distance(facts.phash(picture), facts.phash(brighter)) <= 6
    assert _distance(facts.phash(picture), facts.phash(mirrored)) > 12


def test_phash_of_a_flat_picture_has_no_noise() -> None:
    flat = [facts.phash(np.full((32, 32, 4), level, np.uint8)) for level in (17, 18, 200)]
    assert len(set(flat)) == 1


def test_pixel_hash_leaves_metadata_out() -> None:
    plain = pictures.jpeg()
    noted = pictures.insert_segments(plain, pictures.jpeg_segment(0xFE, b"a comment"))
    assert pixel_hash(plain, "image/jpeg", 1) == pixel_hash(noted, "image/jpeg", 1)
    assert pixel_hash(plain, "image/jpeg", 1) != pixel_hash(plain, "image/jpeg", 6)
    assert pixel_hash(plain, "image/jpeg", 1) != pixel_hash(pictures.jpeg(quality=80), "image/jpeg", 1)
    png = pictures.save(".png")
    text = png[:33] + pictures.chunk(b"tEXt", b"a\0b") + png[33:]
    assert pixel_hash(png, "image/png", 1) == pixel_hash(text, "image/png", 1)


@pytest.mark.parametrize("mime_type", ["image/jpeg", "image/png", "image/webp", "image/gif"])
@pytest.mark.parametrize("size", [0, 1, 3, 5, 9, 40])
def test_pixel_hash_of_damage(mime_type: str, size: int) -> None:
    assert len(pixel_hash(b"\xff\xd8\xff\xe0" + b"\xff" * size, mime_type, 1)) == 64
