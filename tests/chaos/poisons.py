"""Files that must harm nobody but themselves: the corpus of bad input, sound pictures that were cut or damaged in ways
that only decoding finds, and pictures that keep a decoder busy for minutes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pyvips
import simplejpeg
from tests.chaos.history import Picture
from tests.chaos.pictures import named
from tests.corpus.cases import EMPTY, RENDER, cases

_END = b"\xff\xd9"
_SCAN = 0xDA


_SLOW_TO_MAKE = {"png bomb", "png text bomb", "png with too much data", "apng bomb"}


def poisons(count: int, rng: random.Random, *, stalling: int, all_cases: bool) -> list[Picture]:
    """``count`` files in random order, ``stalling`` of which outlast any wall limit. ``all_cases``: also those of the
    corpus that take seconds to make."""
    corpus = list(_corpus(set() if all_cases else _SLOW_TO_MAKE))
    made = [scan_bomb(1000 + index) for index in range(stalling)]
    made += rng.sample(corpus, min(len(corpus), count // 2))
    makers = (_cut_jpeg, _damaged_png, _cut_png, _damaged_jpeg)
    made += [makers[index % len(makers)](index, rng) for index in range(count - len(made))]
    rng.shuffle(made)
    return made


def scan_bomb(scans: int) -> Picture:
    """A progressive JPEG of 24 megapixels whose last scan comes again and again: some 40 bytes and 35 ms each."""
    plain = pyvips.Image.black(6000, 4000, bands=3).copy(interpretation="srgb")
    data = bytes(plain.jpegsave_buffer(Q=80, interlace=True))
    last = data.rindex(bytes((0xFF, _SCAN)))
    scan = data[last : data.rindex(_END)]
    return named(f"poison-scans-{scans}.jpg", data[:last] + scan * scans + _END, may_fail=True, must_fail=True)


def _corpus(without: set[str]) -> Iterator[Picture]:
    for case in cases():
        if case.outcome == EMPTY or case.name in without:
            continue
        sound = case.outcome == RENDER
        yield named(f"poison-{case.name}", case.data(), may_fail=not sound, must_fail=not sound)


def _cut_jpeg(index: int, rng: random.Random) -> Picture:
    data = _jpeg(rng)
    return named(f"poison-cut-{index}.jpg", data[: rng.randrange(700, len(data) - 200)], may_fail=True, must_fail=True)


def _damaged_jpeg(index: int, rng: random.Random) -> Picture:
    """Decoders make something of most of these: complete and failed are both right, anything between is not."""
    data = bytearray(_jpeg(rng))
    for _ in range(20):
        data[rng.randrange(700, len(data))] = rng.randrange(256)
    return named(f"poison-damaged-{index}.jpg", bytes(data), may_fail=True)


def _cut_png(index: int, rng: random.Random) -> Picture:
    data = _png(rng)
    return named(
        f"poison-cut-{index}.png", data[: rng.randrange(100, len(data) * 9 // 10)], may_fail=True, must_fail=True
    )


def _damaged_png(index: int, rng: random.Random) -> Picture:
    data = bytearray(_png(rng))
    for _ in range(20):
        data[rng.randrange(60, len(data) // 2)] ^= rng.randrange(1, 256)
    return named(f"poison-damaged-{index}.png", bytes(data), may_fail=True, must_fail=True)


def _noise(rng: random.Random) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(rng.getrandbits(64)).integers(0, 256, (120, 160, 3), np.uint8)


def _jpeg(rng: random.Random) -> bytes:
    return bytes(simplejpeg.encode_jpeg(_noise(rng), 85, "RGB", "420"))


def _png(rng: random.Random) -> bytes:
    return bytes(pyvips.Image.new_from_array(_noise(rng)).copy(interpretation="srgb").pngsave_buffer())
