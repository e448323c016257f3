"""Parts come out whatever the chunks are that the body comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.multipart import MultipartReader, boundary_of

BOUNDARY = b"xyz"


def body(*parts: tuple[bytes, bytes], end: bytes = b"--xyz--\r\n") -> bytes:
    return (
        b"".join(b"--xyz\r\nContent-Disposition: " + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + end
    )


async def in_chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(data: bytes, size: int = 7) -> list[tuple[str, str | None, bytes]]:
    reader = MultipartReader(in_chunks(data, size), BOUNDARY)
    return [
        (part.name, part.filename, b"".join([chunk async for chunk in part.chunks])) async for part in reader.parts()
    ]


FILE = b'form-data; name="file"; filename="a.png"'


@given(st.lists(st.binary(max_size=80), max_size=4), st.integers(1, 100))
async def test_contents_survive_any_chunking(contents: list[bytes], size: int) -> None:
    contents = [content for content in contents if b"--xyz" not in content]
    data = body(*((FILE, content) for content in contents))

    assert await read(data, size) == [("file", "a.png", content) for content in contents]


@given(st.integers(0, 60), st.integers(1, 40))
async def test_near_boundaries_are_content(cut: int, size: int) -> None:
    content = (b"\r\n--xy" * 10)[:cut] + b"\r\n--xy\r\n--xy-"

    assert await read(body((FILE, content)), size) == [("file", "a.png", content)]


async def test_what_is_not_read_of_a_part_is_skipped() -> None:
    reader = MultipartReader(in_chunks(body((FILE, bytes(1000)), (b'form-data; name="b"', b"2")), 10), BOUNDARY)
    names = []
    async for part in reader.parts():
        names.append(part.name)
        async for _ in part.chunks:
            break

    assert names == ["file", "b"]


@pytest.mark.parametrize("lost", range(1, 60))
async def test_a_body_that_ends_early_is_broken(lost: int) -> None:
    whole = body((FILE, b"0123456789")).removesuffix(b"\r\n")

    with pytest.raises(Problem, match="ends"):
        await read(whole[:-lost])


async def test_parts_before_a_break_in_the_same_chunk_come_out() -> None:
    seen = []
    reader = MultipartReader(in_chunks(body((FILE, b"good"), end=b"--xyz\r\n(broken)\r\n"), 10_000), BOUNDARY)
    with pytest.raises(Problem, match="boundary"):  # noqa: PT012 - what came before counts
        async for part in reader.parts():
            seen.append(b"".join([chunk async for chunk in part.chunks]))  # noqa: PERF401

    assert seen == [b"good"]


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        (b'form-data; name="file"', "file", None),
        (b'form-data; name="file"; filename=""', "file", ""),
        ('form-data; name="file"; filename="über.png"'.encode(), "file", "über.png"),
        (b'form-data; name="file"; filename="\xff.png"', "file", "\ufffd.png"),
        (b'form-data; name="file"; filename="a;b\\"c.png"', "file", 'a;b"c.png'),
        (b"form-data; name=file; filename=a.png", "file", "a.png"),
    ],
)
async def test_names(disposition: bytes, name: str, filename: str | None) -> None:
    assert await read(body((disposition, b""))) == [(name, filename, b"")]


@pytest.mark.parametrize("disposition", [b"attachment; name=a", b"form-data", b"", b'form-data; filename="a"'])
async def test_parts_without_a_name_are_refused(disposition: bytes) -> None:
    with pytest.raises(Problem, match="Content-Disposition"):
        await read(body((disposition, b"")))


def test_the_boundary_is_that_of_the_header() -> None:
    assert boundary_of('multipart/form-data; charset=utf-8; boundary="a b"') == b"a b"
    for missing in ("multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'):
        with pytest.raises(Problem, match="no boundary"):
            boundary_of(missing)
