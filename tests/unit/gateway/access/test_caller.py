"""One request, one check of its token, whoever asks."""

from __future__ import annotations

from typing import Any, cast

import pytest

from heliograph_common.auth.principal import Principal
from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.clock import utc_now
from heliograph_common.errors import Unauthenticated
from heliograph_common.http.problems import UNAUTHENTICATED, Problem
from heliograph_gateway.access.caller import Callers


class Counting:
    """Takes every token but ``bad``; counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def verify(self, token: str) -> Principal:
        self.asked.append(token)
        if token == "bad":
            raise Unauthenticated("the token is malformed")
        return Principal(token, frozenset(), utc_now())


def _request(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/v1/images", "headers": list(headers)}


@pytest.fixture
def verifier() -> Counting:
    return Counting()


@pytest.fixture
def callers(verifier: Counting) -> Callers:
    return Callers(cast("TokenVerifier", verifier))


@pytest.mark.parametrize("value", [b"Bearer ann", b"bearer  ann "])
async def test_a_good_token_is_verified_once(callers: Callers, verifier: Counting, value: bytes) -> None:
    scope = _request((b"authorization", value))
    known = await callers.known(scope)

    assert known is not None
    assert known.subject == "ann"
    assert await callers.identify(scope) is known
    assert verifier.asked == ["ann"]


async def test_a_bad_token_is_verified_once(callers: Callers, verifier: Counting) -> None:
    scope = _request((b"authorization", b"Bearer bad"))

    assert await callers.known(scope) is None
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="malformed"):
            await callers.identify(scope)
    assert verifier.asked == ["bad"]


@pytest.mark.parametrize("value", [b"", b"Bearer", b"Bearer ", b"Basic YTpi"])
async def test_what_is_no_bearer_token(callers: Callers, verifier: Counting, value: bytes) -> None:
    scope = _request((b"authorization", value)) if value else _request()

    assert await callers.known(scope) is None
    with pytest.raises(Problem) as refused:
        await callers.identify(scope)
    assert (refused.value.kind, refused.value.headers) == (
        UNAUTHENTICATED,
        {"WWW-Authenticate": 'Bearer realm="heliograph"'},
    )
    assert verifier.asked == []


async def test_requests_are_told_apart(callers: Callers) -> None:
    subjects = [
        (await callers.identify(_request((b"authorization", b"Bearer " + name)))).subject for name in (b"a", b"b")
    ]

    assert subjects == ["a", "b"]
