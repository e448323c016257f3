"""Types, sizes and orientations by header; hostile headers are refused fast and by the right name."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from tests.corpus import pictures
from tests.corpus.cases import Case, cases, exif_flood, gif_comments

from heliograph_common import errors
from heliograph_common.errors import ImageTooLarge, RejectedImage
from heliograph_common.ingest.sniff import Header, Limits, check, sniff, sniff_bytes, sniff_file

PHOTOS = Path(__file__).parents[5] / "shared" / "photos"


@pytest.mark.parametrize(
    ("suffix", "mime_type", "options"),
    [
        (".jpg", "image/jpeg", {}),
        (".png", "image/png", {}),
        (".gif", "image/gif", {}),
        (".tif", "image/tiff", {}),
        (".tif", "image/tiff", {"bigtiff": True}),
        (".webp", "image/webp", {}),
        (".webp", "image/webp", {"lossless": True}),
        (".avif", "image/avif", {}),
    ],
)
def test_type_and_size(suffix: str, mime_type: str, options: dict[str, bool]) -> None:
    header = sniff_bytes(pictures.save(suffix, 320, 200, **options))
    assert (header.mime_type, header.width, header.height, header.frames) == (mime_type, 320, 200, 1)
    assert header.orientation == 1


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha(suffix: str) -> None:
    assert sniff_bytes(pictures.save(suffix, alpha=True)).alpha
    assert not sniff_bytes(pictures.save(suffix)).alpha


def test_progressive() -> None:
    assert sniff_bytes(pictures.jpeg(interlace=True)).progressive
    assert not sniff_bytes(pictures.jpeg()).progressive


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames(suffix: str) -> None:
    header = sniff_bytes(pictures.animation(suffix, 7))
    assert (header.width, header.height, header.frames) == (64, 64, 7)
    assert header.pixels == 64 * 64 * 7


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int) -> None:
    header = sniff_bytes(pictures.jpeg_turned(orientation))
    assert header.orientation == orientation
    assert header.upright == (320, 240)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_impossible_orientation_is_upright(value: int) -> None:
    block = pictures.jpeg_segment(0xE1, b"Exif\0\0" + pictures.exif(value, big_endian=True))
    assert sniff_bytes(pictures.insert_segments(pictures.jpeg(), block)).orientation == 1


def test_orientation_of_png_and_big_endian() -> None:
    data = pictures.save(".png")
    turned = data[:33] + pictures.chunk(b"eXIf", pictures.exif(6, big_endian=True)) + data[33:]
    assert sniff_bytes(turned).orientation == 6


def test_file_and_bytes_agree() -> None:
    data = pictures.animation(".gif", 3)
    assert sniff_file(io.BytesIO(data)) == sniff_bytes(data)


def test_reads_little_of_a_large_file() -> None:
    data = pictures.jpeg() + bytes(20_000_000)
    read = 0

    def read_at(offset: int, size: int) -> bytes:
        nonlocal read
        read += size
        return data[offset : offset + size]

    assert sniff(read_at).width == 320
    assert read < 200_000


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_corpus(case: Case) -> None:
    data, started = case.data(), time.monotonic()
    refusal = _refusal(data)
    assert time.monotonic() - started < 5
    if refusal is None:
        assert not case.by_header, "its header is enough to refuse it"
    else:
        assert case.outcome in {type(refusal).__name__, "refused"}
        assert ":" in str(refusal), "a refusal names its remedy after a colon"


def _refusal(data: bytes) -> RejectedImage | None:
    try:
        check(sniff_bytes(data), len(data), Limits())
    except RejectedImage as refusal:
        return refusal
    return None


@pytest.mark.parametrize("make", [exif_flood, gif_comments])
def test_long_walks_end_with_the_picture(make: object) -> None:
    assert callable(make)
    assert sniff_bytes(make()).frames == 1


@pytest.mark.parametrize(
    ("header", "size", "words"),
    [
        (Header("image/png", 10, 10), 60 << 20, "bytes and exceeds"),
        (Header("image/png", 10_000, 6_000), 10, "megapixels"),
        (Header("image/gif", 1_000, 1_000, frames=51), 10, "51 frames"),
        (Header("image/gif", 1, 1, frames=1001), 10, "frames and exceeds"),
        (Header("image/png", 40_000, 1), 10, "per side"),
    ],
)
def test_limits(header: Header, size: int, words: str) -> None:
    with pytest.raises(ImageTooLarge, match=words):
        check(header, size, Limits())


def test_within_limits() -> None:
    check(Header("image/jpeg", 8_000, 6_000), 50 << 20, Limits())


def test_errors_are_permanent() -> None:
    assert issubclass(RejectedImage, errors.Permanent)


def test_photos() -> None:
    if not PHOTOS.is_dir():
        pytest.skip("the real pictures are not on this machine")
    found = {path.name: sniff_file(io.BytesIO(path.read_bytes())) for path in PHOTOS.iterdir() if path.suffix != ".md"}
    assert (found["giant.jpg"].width, found["giant.jpg"].height) == (20_000, 14_000)
    assert found["hd_film.avif"].upright == (2048, 858)
    for name, header in found.items():
        if "orientation" in name:
            assert header.orientation == int(name.split("_")[2].removesuffix(".jpg"))
            assert header.upright == ((1800, 1200) if name.startswith("landscape") else (1200, 1800))
