"""An upload is counted, hashed and judged while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus import pictures

from heliograph_common.errors import EmptyImage, ImageTooLarge, UnsupportedImage
from heliograph_common.ingest.accept import safe_name
from heliograph_common.ingest.sniff import Limits
from heliograph_common.ingest.spool import Spool, spool


async def _pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.parametrize("piece", [1, 1000, 1 << 20])
async def test_size_hash_and_header_are_those_of_the_whole(piece: int) -> None:
    data = pictures.jpeg(64, 48) if piece == 1 else pictures.jpeg(1500, 1100, quality=99)
    async with spool(_pieces(data, piece), Limits()) as spooled:
        assert (spooled.size, spooled.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert spooled.header.mime_type == "image/jpeg"
        assert spooled.file.read() == data


async def test_reading_stops_at_the_cap() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1000
            yield bytes(1000)

    with pytest.raises(ImageTooLarge, match="10,000 bytes"):
        async with spool(endless(), Limits(max_bytes=10_000)):
            pass
    assert taken == 11_000


async def test_nothing_and_no_picture_are_told_apart() -> None:
    with Spool(Limits()) as empty, pytest.raises(EmptyImage):
        await empty.finish()
    with Spool(Limits()) as text:
        text.write(b"%PDF-1.7 and so on")
        with pytest.raises(UnsupportedImage):
            await text.finish()


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("a.jpg", "a.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\a.jpg", "a.jpg"),
        ("a\x00b\r\nSet-Cookie: x.jpg", "abSet-Cookie: x.jpg"),
        ("\u202egpj.exe", "gpj.exe"),
        ("  . ", "unnamed"),
        ("", "unnamed"),
        ("x" * 300, "x" * 255),
    ],
)
def test_names_are_made_harmless(raw: str, kept: str) -> None:
    assert safe_name(raw) == kept


@given(st.text(max_size=400))
def test_no_name_is_dangerous(raw: str) -> None:
    name = safe_name(raw)
    assert 0 < len(name) <= 255
    assert not set(name) & set("/\\\r\n\0")
    assert safe_name(name) == name
