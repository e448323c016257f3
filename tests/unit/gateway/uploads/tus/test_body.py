"""A tus body is kept as it comes: in a file, up to its room, and what broke it off is no loss."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Sequence

import pytest
from starlette.requests import ClientDisconnect

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import BODY_TIMEOUT, BODY_TOO_LARGE, CONFLICT, TUS_CHECKSUM_MISMATCH
from heliograph_gateway.uploads.tus.body import Body
from heliograph_gateway.uploads.tus.headers import Checksum

CUTS = [ClientDisconnect(), Problem(BODY_TIMEOUT, "nothing came")]


async def sent(pieces: Sequence[bytes], end: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if end is not None:
        raise end


def sha1(content: bytes) -> Checksum:
    return Checksum("sha1", hashlib.sha1(content, usedforsecurity=False).digest())


@pytest.mark.parametrize("cut", [None, *CUTS])
async def test_what_came_counts(cut: Exception | None) -> None:
    with Body(sent([b"ab", b"", b"c"], cut), announced=None, checksum=None) as body:
        await body.receive(3)
        body.file.seek(0)
        assert (body.size, body.file.read(), body.cut) == (3, b"abc", cut)


async def test_who_is_still_there_is_answered() -> None:
    for cut, pieces, lost in ((CUTS[0], [b"a"], True), (CUTS[1], [b"a"], False), (CUTS[1], [], True)):
        with Body(sent(pieces, cut), announced=None, checksum=None) as body:
            await body.receive(3)
            if lost:
                with pytest.raises(type(cut)):
                    body.raise_if_lost()
            else:
                body.raise_if_lost()


@pytest.mark.parametrize(("announced", "pieces"), [(4, []), (None, [b"ab", b"cd"])])
async def test_more_than_there_is_room_for_is_refused(announced: int | None, pieces: list[bytes]) -> None:
    with Body(sent(pieces), announced=announced, checksum=None) as body:
        with pytest.raises(Problem) as refused:
            await body.receive(3)
        assert refused.value.kind is BODY_TOO_LARGE
        assert body.size <= 3


async def test_a_checksum_is_of_the_whole() -> None:
    with Body(sent([b"ab", b"c"]), announced=3, checksum=sha1(b"abc")) as body:
        await body.receive(3)
    with Body(sent([b"ab", b"d"]), announced=3, checksum=sha1(b"abc")) as body:
        with pytest.raises(Problem) as refused:
            await body.receive(3)
        assert refused.value.kind is TUS_CHECKSUM_MISMATCH
    for cut in CUTS:
        with Body(sent([b"ab"], cut), announced=3, checksum=sha1(b"ab")) as body, pytest.raises(type(cut)):
            await body.receive(3)


async def test_other_problems_are_not_taken_for_the_end() -> None:
    with Body(sent([b"ab"], Problem(CONFLICT, "else")), announced=3, checksum=None) as body, pytest.raises(Problem):
        await body.receive(3)


async def test_memory_does_not_grow_with_the_body() -> None:
    piece = bytes(64 * 1024)
    tracemalloc.start()
    try:
        with Body(sent([piece] * 640), announced=None, checksum=sha1(b"")) as body:
            with pytest.raises(Problem):  # the checksum is another one
                await body.receive(1 << 30)
            assert body.size == 640 * len(piece)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
