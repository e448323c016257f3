"""Keys as clients write them, and fingerprints of what they send."""

from __future__ import annotations

import re
from typing import Any

import pytest

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import INVALID_IDEMPOTENCY_KEY
from heliograph_gateway.idempotency.fingerprint import BodyDigest, fingerprint
from heliograph_gateway.idempotency.middleware import document, parse_key


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("8e03978e-40d5-43e8", "8e03978e-40d5-43e8"),
        ('"8e03978e-40d5-43e8"', "8e03978e-40d5-43e8"),
        (r'"a \" b \\ c"', r'a " b \ c'),
        ("k" * 255, "k" * 255),
    ],
)
def test_quoted_and_bare_keys(header: str, key: str) -> None:
    assert parse_key([header]) == key


@pytest.mark.parametrize(
    "header", ["", '""', "k" * 256, '"' + "k" * 256 + '"', "a b", "ü", '"a', '"a"b"', "a,b", "\x00"]
)
def test_what_is_no_key(header: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_key([header])
    assert refused.value.kind is INVALID_IDEMPOTENCY_KEY


def test_two_keys_are_none() -> None:
    with pytest.raises(Problem):
        parse_key(["a", "a"])


def _digest(content_type: str, *chunks: bytes) -> str:
    digest = BodyDigest(content_type)
    for chunk in chunks:
        digest.write(chunk)
    return digest.hexdigest()


def _multipart(boundary: str, *parts: tuple[str, bytes]) -> tuple[str, bytes]:
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def test_another_boundary_is_the_same_body() -> None:
    parts = (("file", b"\x00\r\n--x" * 50), ("priority", b"high"))
    one, other = _multipart("first", *parts), _multipart("another-one", *parts)
    in_pieces = [other[1][at : at + 7] for at in range(0, len(other[1]), 7)]

    assert _digest(*one) == _digest(other[0], *in_pieces)


def test_other_parts_are_another_body() -> None:
    bodies = [
        _multipart("b", ("file", b"1"), ("file", b"2")),
        _multipart("b", ("file", b"12")),
        _multipart("b", ("file", b"2"), ("file", b"1")),
        _multipart("b", ("file", b"1"), ("filf", b"2")),
        _multipart("b", ("file", b"1")),
        ("application/octet-stream", _multipart("b", ("file", b"1"))[1]),
    ]

    assert len({_digest(*body) for body in bodies}) == len(bodies)


def test_broken_multipart_is_told_by_its_bytes() -> None:
    kind = "multipart/form-data; boundary=b"

    assert _digest(kind, b"garbage 1") != _digest(kind, b"garbage 2")
    assert _digest(kind, b"--b\r\ngarbage") == _digest(kind, b"--b\r\ngarbage")


def test_all_of_a_request_counts() -> None:
    requests = [
        ("POST", "/v1/images", b"", "00"),
        ("POST", "/v1/images", b"name=a", "00"),
        ("POST", "/v1/imports", b"", "00"),
        ("PUT", "/v1/images", b"", "00"),
        ("POST", "/v1/images", b"", "01"),
    ]

    assert len({fingerprint(*request) for request in requests}) == len(requests)


@pytest.mark.parametrize(
    "key",
    [
        "k",
        "a b",
        '"',
        '"a b"',
        '"a\\"b"',
        '"a\\b"',
        "a" * 255,
        "a" * 256,
        '"' + "a" * 255 + '"',
        "a,b",
        "a\\b",
        "",
        '""',
        "-~!",
    ],
)
def test_the_documented_pattern_says_what_is_taken(key: str) -> None:
    operation: dict[str, Any] = {"responses": {}}
    document(operation)
    pattern = operation["parameters"][0]["schema"]["pattern"]
    try:
        parse_key([key])
    except Problem:
        taken = False
    else:
        taken = True

    assert bool(re.search(pattern, key)) == taken
