"""How long a client prefers to wait, in whatever words it says so."""

from __future__ import annotations

import pytest

from heliograph_gateway.http.prefer import wait_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 0),
        (["wait=20"], 20),
        (["Wait = 20"], 20),
        (['wait="20"'], 20),
        (["wait=20; foo=bar"], 20),
        (["respond-async, wait=20"], 20),
        (["respond-async", "wait=20"], 20),
        (["wait=5, wait=20"], 5),  # the first counts
        (["wait=60"], 60),
        (["wait=61"], 60),
        (["wait=" + "9" * 5000], 60),
        (["wait=007"], 7),
        (['note="a, wait=20"'], 0),
        (['note="\\", wait=20"'], 0),
        (['note="a", wait=20'], 20),
        (["foo; wait=20"], 0),
        (["waits=20"], 0),
        (["wait"], 0),
        (["wait="], 0),
        (["wait=abc"], 0),
        (["wait=-20"], 0),
        (["wait=2.5"], 0),
        (["wait=²"], 0),
        (["wait=0"], 0),
        (["," * 10_000], 0),
        (['"' * 9_999], 0),
    ],
)
def test_how_long_it_waits(headers: list[str], seconds: int) -> None:
    assert wait_seconds(headers, most=60) == seconds
