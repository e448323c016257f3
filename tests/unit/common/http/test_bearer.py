from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from heliograph_common.http.bearer import bearer_token
from heliograph_common.http.problems import Problem

CHALLENGE = 'Bearer realm="test"'


def headers(*authorizations: str) -> Headers:
    return Headers(raw=[(b"authorization", value.encode("latin-1")) for value in authorizations])


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "BEARER   abc  "])
def test_the_token(value: str) -> None:
    assert bearer_token(headers(value), challenge=CHALLENGE) == "abc"


def test_no_header_is_no_token() -> None:
    assert bearer_token(headers(), challenge=CHALLENGE) is None


@pytest.mark.parametrize(
    "values", [[""], ["Bearer"], ["Bearer "], ["Basic YTpi"], ["Bearer\tabc"], ["abc"], ["Bearer abc"] * 2]
)
def test_anything_else_is_refused_with_a_challenge(values: list[str]) -> None:
    with pytest.raises(Problem) as refused:
        bearer_token(headers(*values), challenge=CHALLENGE)
    assert refused.value.status == 401
    assert refused.value.response().headers["www-authenticate"] == CHALLENGE
