"""No header costs more than its budget, whatever repeats in it and however large the file is; sound ones pass."""

from __future__ import annotations

import contextlib
import io
import struct
import time

import pytest
from tests.corpus import pictures
from tests.corpus.repeats import HOSTILE, MEGABYTE, SOUND, Repeat

from heliograph_common.errors import BadImage, RejectedImage
from heliograph_common.ingest.reader import Budget, Reader
from heliograph_common.ingest.sniff import Limits, check, sniff, sniff_bytes, sniff_file
from heliograph_common.ingest.spool import limits_of
from heliograph_common.settings import LimitSettings

pytestmark = pytest.mark.unmeasured

AIM = 0.05
"""Seconds of CPU that a header may take; the tests allow ten times as many, for slow and busy machines."""


@pytest.mark.parametrize("megabytes", [1, 10, 45])
@pytest.mark.parametrize("repeat", HOSTILE, ids=lambda repeat: repeat.name)
def test_every_walk_is_bounded(repeat: Repeat, megabytes: int) -> None:
    file = io.BytesIO(repeat.make(megabytes * MEGABYTE))
    started = time.thread_time()
    with contextlib.suppress(RejectedImage):
        sniff_file(file)
    assert time.thread_time() - started < 10 * AIM


@pytest.mark.parametrize("megabytes", [1, 10, 50])
@pytest.mark.parametrize("repeat", SOUND, ids=lambda repeat: repeat.name)
def test_sound_files_pass_whatever_their_size(repeat: Repeat, megabytes: int) -> None:
    data = repeat.make(megabytes * MEGABYTE)
    started = time.thread_time()
    header = sniff_bytes(data)
    assert time.thread_time() - started < 10 * AIM
    check(header, len(data), Limits())


def test_fill_bytes_and_bare_markers_are_passed_over() -> None:
    data = pictures.jpeg()
    filled = data[:2] + b"\xff\x01" + b"\xff" * 200_000 + data[3:]
    assert sniff_bytes(filled) == sniff_bytes(data)


def test_one_budget_holds_for_a_walk_however_it_is_nested() -> None:
    budget = Budget(steps=100, size=1 << 20)
    outer = Reader(lambda _offset, size: bytes(size), budget)
    inner = Reader(lambda _offset, size: bytes(size), budget)
    for at in range(5):
        outer.read(at, 1)
    with pytest.raises(BadImage, match="too many parts"):
        list(map(inner.byte, range(5)))


def test_bytes_are_bounded_too() -> None:
    reader = Reader(lambda _offset, size: bytes(size), Budget(steps=10**9, size=1 << 20))
    with pytest.raises(BadImage, match="too many parts"):
        list(map(reader.byte, range(0, 1 << 30, 1 << 20)))


_AVIF = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"


@pytest.mark.parametrize(
    "data",
    [
        b"II+\0\x08\0\0\0" + b"\xff" * 8,
        b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63 - 1),
        b"MM\0+\0\x08\0\0" + struct.pack(">Q", 2**64 - 2),
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**64 - 1),
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\0\0\0\0" + bytes(40),
        _AVIF + struct.pack(">I4sQ", 1, b"free", 2**63),
        _AVIF + struct.pack(">I4sQ", 1, b"free", 2**64 - 1),
        _AVIF + struct.pack(">I4sQ", 1, b"meta", 2**63) + bytes(40),
        _AVIF + struct.pack(">I4sI", 40, b"meta", 0) + struct.pack(">I4sQ", 1, b"iprp", 2**63) + bytes(8),
        _AVIF + struct.pack(">I4s", 0, b"meta") + bytes(40),
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 2**32 - 1, b"IHDR"),
        pictures.png_header(1, 1) + struct.pack(">I4s", 2**32 - 1, b"eXIf"),
        b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 4,
        b"GIF89a",
    ],
)
def test_impossible_offsets_are_the_files_fault(data: bytes) -> None:
    for read in (sniff_bytes, lambda given: sniff_file(io.BytesIO(given))):
        with pytest.raises(BadImage, match=":"):
            read(data)


@pytest.mark.parametrize(
    "error",
    [struct.error("x"), IndexError(), KeyError(-1), OverflowError(), ValueError(), RecursionError(), MemoryError()],
)
def test_whatever_a_reader_trips_over_is_said_in_plain_words(error: Exception) -> None:
    def read_at(offset: int, size: int) -> bytes:
        if offset == 0 and size == 32:
            return b"GIF89a" + bytes(26)
        raise error

    with pytest.raises(BadImage, match="header is invalid: export"):
        sniff(read_at)


def test_the_limits_have_one_default() -> None:
    assert limits_of(LimitSettings()) == Limits()
