"""The tags that are kept, time and place; damage never raises."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from tests.corpus import pictures

from heliograph_thumbnailer.imaging.exif import parse


def _ascii(tag: int, text: bytes, at: int) -> tuple[bytes, bytes]:
    return struct.pack("<HHII", tag, 2, len(text), at), text


def _block() -> bytes:
    """IFD0 (Make, pointers to Exif and GPS), an Exif directory with a date, a GPS directory."""
    make, taken, zone = b"Heliograph\0", b"2024:05:06 07:08:09\0", b"+02:00\0"
    head = b"II" + struct.pack("<HI", 42, 8)
    first_at, photo_at, gps_at, data_at = 8, 50, 92, 146
    make_at, taken_at = data_at, data_at + len(make)
    zone_at = taken_at + len(taken)
    rational_at = zone_at + len(zone)
    first = struct.pack("<H", 3) + struct.pack("<HHII", 0x010F, 2, len(make), make_at)
    first += struct.pack("<HHII", 0x8769, 4, 1, photo_at) + struct.pack("<HHII", 0x8825, 4, 1, gps_at) + bytes(4)
    photo = struct.pack("<H", 3) + struct.pack("<HHII", 0x9003, 2, len(taken), taken_at)
    photo += struct.pack("<HHII", 0x9011, 2, len(zone), zone_at)
    photo += struct.pack("<HHIHH", 0x8827, 3, 1, 400, 0) + bytes(4)
    gps = struct.pack("<H", 4) + struct.pack("<HHI4s", 1, 2, 2, b"S\0") + struct.pack("<HHII", 2, 5, 3, rational_at)
    gps += struct.pack("<HHI4s", 3, 2, 2, b"E\0") + struct.pack("<HHII", 4, 5, 3, rational_at + 24) + bytes(4)
    rationals = struct.pack("<12I", 33, 1, 30, 1, 0, 1, 151, 1, 12, 1, 36, 1)
    assert (first_at + len(first), photo_at + len(photo), gps_at + len(gps)) == (photo_at, gps_at, data_at)
    return head + first + photo + gps + make + taken + zone + rationals


def test_tags_time_and_place() -> None:
    found = parse(_block())
    assert found.tags == {
        "Make": "Heliograph",
        "DateTimeOriginal": "2024:05:06 07:08:09",
        "OffsetTimeOriginal": "+02:00",
        "ISO": 400,
    }
    assert found.taken_at == "2024-05-06T07:08:09+02:00"
    assert found.gps == {"latitude": -33.5, "longitude": 151.21}


def test_place_is_not_among_the_tags() -> None:
    assert not [name for name in parse(_block()).tags if "gps" in name.lower() or name.startswith(("lat", "lon"))]


def test_big_endian() -> None:
    assert parse(pictures.exif(6, big_endian=True)).tags == {"Orientation": 6}


def test_nothing() -> None:
    assert parse(None) == parse(b"") == parse(b"no tiff header")


@given(st.binary(max_size=400), st.integers(0, 220))
def test_damage_never_raises(noise: bytes, at: int) -> None:
    block = _block()
    found = parse(block[:at] + noise + block[at + len(noise) :])
    assert len(found.tags) <= 30


@given(st.binary(max_size=300))
def test_noise_never_raises(noise: bytes) -> None:
    parse(b"MM\0*\0\0\0\x08" + noise)
