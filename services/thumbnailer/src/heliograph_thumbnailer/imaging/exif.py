"""Reads the tags worth keeping from an Exif block (CIPA DC-008). Pure; effort and size of the result are bounded.

Never raises: what is damaged is left out.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

_MAIN = {
    0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0112: "Orientation", 0x0131: "Software",
    0x0132: "DateTime", 0x013B: "Artist", 0x8298: "Copyright",
}  # fmt: skip
_PHOTO = {
    0x829A: "ExposureTime", 0x829D: "FNumber", 0x8822: "ExposureProgram", 0x8827: "ISO", 0x9003: "DateTimeOriginal",
    0x9004: "DateTimeDigitized", 0x9010: "OffsetTime", 0x9011: "OffsetTimeOriginal", 0x9204: "ExposureBias",
    0x9207: "MeteringMode", 0x9209: "Flash", 0x920A: "FocalLength", 0x9291: "SubSecTimeOriginal", 0xA001: "ColorSpace",
    0xA403: "WhiteBalance", 0xA405: "FocalLengthIn35mm", 0xA433: "LensMake", 0xA434: "LensModel",
}  # fmt: skip
_GPS = {1: "lat_ref", 2: "lat", 3: "lon_ref", 4: "lon", 5: "alt_ref", 6: "alt"}
_FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8}
_ENTRIES = 512
_TEXT = 500
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")


class Exif(NamedTuple):
    """Tags by name (text and numbers only), the time of taking in RFC 3339, and the place apart."""

    tags: dict[str, Any]
    taken_at: str | None
    gps: dict[str, float] | None


def parse(block: bytes | None) -> Exif:
    """The tags of ``block``, which begins at its TIFF header; empty where there is none or it is damaged."""
    if not block:
        return Exif({}, None, None)
    block = block.removeprefix(b"Exif\0\0")
    endian = {b"II": "<", b"MM": ">"}.get(block[:2])
    if endian is None or len(block) < 8:
        return Exif({}, None, None)
    first = dict(_entries(block, struct.unpack_from(endian + "I", block, 4)[0], endian))
    photo = dict(_entries(block, _pointer(first, 0x8769), endian))
    place = dict(_entries(block, _pointer(first, 0x8825), endian))
    tags = {name: first[tag] for tag, name in _MAIN.items() if tag in first}
    tags |= {name: photo[tag] for tag, name in _PHOTO.items() if tag in photo}
    return Exif(tags, _taken_at(tags), _gps({name: place[tag] for tag, name in _GPS.items() if tag in place}))


def _pointer(tags: dict[int, Any], tag: int) -> int:
    value = tags.get(tag)
    return value if isinstance(value, int) and value > 0 else 0


def _entries(block: bytes, at: int, endian: str) -> Iterator[tuple[int, Any]]:
    if not 8 <= at <= len(block) - 2:
        return
    (count,) = struct.unpack_from(endian + "H", block, at)
    for entry in range(at + 2, min(at + 2 + 12 * min(count, _ENTRIES), len(block) - 11), 12):
        tag, kind, number = struct.unpack_from(endian + "HHI", block, entry)
        size = _SIZES.get(kind, 0) * number
        if not 0 < size <= 65_535:
            continue
        start = entry + 8 if size <= 4 else struct.unpack_from(endian + "I", block, entry + 8)[0]
        if start + size <= len(block):
            value = _value(block, start, endian, kind, number)
            if value is not None:
                yield tag, value


def _value(block: bytes, start: int, endian: str, kind: int, number: int) -> Any:
    """Text, a number, or a list of up to eight numbers; ``None`` for what has no meaning (division by zero)."""
    if kind == 2:
        text = block[start : start + number].split(b"\0", 1)[0].decode("utf-8", "replace")
        return "".join(c for c in text if c.isprintable()).strip()[:_TEXT] or None
    form, size = _FORMATS[kind], _SIZES[kind]
    values: list[float] = []
    for at in range(start, start + min(number, 8) * size, size):
        parts = struct.unpack_from(endian + form, block, at)
        if len(parts) == 1:
            values.append(parts[0])
        elif parts[1]:
            values.append(round(parts[0] / parts[1], 8))
        else:
            return None
    return values[0] if len(values) == 1 else values


def _taken_at(tags: dict[str, Any]) -> str | None:
    for date, offset in (
        ("DateTimeOriginal", "OffsetTimeOriginal"),
        ("DateTimeDigitized", ""),
        ("DateTime", "OffsetTime"),
    ):
        match = _DATE.fullmatch(str(tags.get(date, "")))
        if match is None:
            continue
        year, month, day, hour, minute, second = match.groups()
        if year == "0000" or not ("01" <= month <= "12" and "01" <= day <= "31" and hour < "24" and minute < "60"):
            continue
        zone = str(tags.get(offset, ""))
        suffix = zone if _OFFSET.fullmatch(zone) else ""
        return f"{year}-{month}-{day}T{hour}:{minute}:{min(second, '59')}{suffix}"
    return None


def _gps(place: dict[str, Any]) -> dict[str, float] | None:
    """Degrees (north and east positive) and metres above sea level; ``None`` without a sound position."""
    latitude, longitude = _degrees(place, "lat", "S", 90), _degrees(place, "lon", "W", 180)
    if latitude is None or longitude is None:
        return None
    gps = {"latitude": latitude, "longitude": longitude}
    if isinstance(place.get("alt"), int | float):
        gps["altitude"] = -place["alt"] if place.get("alt_ref") == 1 else place["alt"]
    return gps


def _degrees(place: dict[str, Any], name: str, negative: str, bound: int) -> float | None:
    parts = place.get(name)
    if not isinstance(parts, list) or len(parts) != 3:
        return None
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not 0 <= degrees <= bound:
        return None
    return round(-float(degrees) if place.get(f"{name}_ref") == negative else float(degrees), 7)
