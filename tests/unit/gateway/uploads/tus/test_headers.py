"""What clients say in tus headers is read as tus 1.0 has it, or refused; nothing else can come of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import INVALID_PARAMETER
from heliograph_gateway.uploads.tus import headers as tus_headers
from heliograph_gateway.uploads.tus.headers import ALGORITHMS, LONGEST_METADATA, ROOT

keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20)
anything = st.text(st.characters(max_codepoint=0xFF), max_size=60)  # headers are Latin-1


def encoded(pairs: dict[str, bytes]) -> str:
    return ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in pairs.items())


@given(st.dictionaries(keys, st.binary(max_size=60), max_size=8))
def test_metadata_comes_back(pairs: dict[str, bytes]) -> None:
    assert tus_headers.metadata(encoded(pairs)) == pairs
    assert tus_headers.metadata(encoded(pairs).replace(",", " , ")) == pairs
    assert tus_headers.metadata(encoded(pairs).replace(" ,", ",").rstrip(" ")) == pairs


def test_a_key_needs_no_value() -> None:
    assert tus_headers.metadata("name YQ==,is_confidential") == {"name": b"a", "is_confidential": b""}
    assert tus_headers.metadata("") == {}


@pytest.mark.parametrize(
    "value",
    [
        "a YQ==,a YQ==",
        "a YQ==,",
        ",",
        " YQ==,, ",
        "a YQ",
        "a Y!==",
        "a YQ== YQ==",
        "name é",
        "a\tYQ==",
        "a " + "YWFh" * 1024,
    ],
)
def test_other_metadata_is_refused(value: str) -> None:
    with pytest.raises(Problem) as refused:
        tus_headers.metadata(value)
    assert refused.value.kind is INVALID_PARAMETER
    assert refused.value.extra["errors"][0]["parameter"] == "Upload-Metadata"


@given(st.sampled_from(ALGORITHMS), st.binary(max_size=100))
def test_a_checksum_comes_back(algorithm: str, content: bytes) -> None:
    digest = hashlib.new(algorithm, content, usedforsecurity=False).digest()
    read = tus_headers.checksum(f"{algorithm} {base64.b64encode(digest).decode()}")
    running = read.hash()
    running.update(content)
    assert running.digest() == read.digest == digest


@pytest.mark.parametrize(
    "value", ["", "sha1", "sha1 ", "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "crc32 AAAAAA==", "sha1 AAAA", "sha1 !"]
)
def test_other_checksums_are_refused(value: str) -> None:
    with pytest.raises(Problem, match="Upload-Checksum"):
        tus_headers.checksum(value)


@given(
    st.lists(st.uuids(), min_size=1, max_size=8), st.sampled_from(["", "https://pictures.example", "http://[::1]:80"])
)
def test_a_final_upload_names_others(ids: list[UUID], origin: str) -> None:
    read = tus_headers.concat(f"final;{' '.join(f'{origin}{ROOT}/{each}' for each in ids)}")
    assert not read.partial
    assert [tus_headers.upload_id(url) for url in read.urls] == ids


def test_a_partial_upload_names_none() -> None:
    assert tus_headers.concat("partial") == tus_headers.Concat(partial=True)


@pytest.mark.parametrize("value", ["", "Partial", "partial;", "final", "final;", "final; ", "whole;/a"])
def test_other_concatenations_are_refused(value: str) -> None:
    with pytest.raises(Problem, match="Upload-Concat"):
        tus_headers.concat(value)


@given(anything)
@example("http://[")
@example(f"{ROOT}/..")
@example(f"{ROOT}/00000000-0000-0000-0000-00000000000G")
@example(f"/elsewhere{ROOT}/00000000-0000-0000-0000-000000000000")
def test_no_other_address_is_an_uploads(url: str) -> None:
    assert tus_headers.upload_id(url) is None


@given(anything)
@example("a " * LONGEST_METADATA)
@example("sha1 é")
def test_whatever_is_sent_is_read_or_refused(value: str) -> None:
    for read in (tus_headers.metadata, tus_headers.checksum, tus_headers.concat):
        with contextlib.suppress(Problem):
            read(value)


def test_which_paths_speak_tus() -> None:
    assert tus_headers.is_tus(ROOT)
    assert tus_headers.is_tus(f"{ROOT}/1")
    assert not tus_headers.is_tus(f"{ROOT}x")
    assert not tus_headers.is_tus("/v1/uploads")
