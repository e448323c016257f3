"""The join of two ordered sides finds exactly the difference, whatever the sizes of the pages."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from heliograph_gateway.checks.findings import KINDS
from heliograph_gateway.checks.merge import join
from heliograph_gateway.checks.objects import fraction, parse

KEYS = st.sets(st.text(alphabet="ab./é", min_size=1, max_size=4), max_size=30)


def _page(side: list[str], after: str, size: int) -> dict[str, str]:
    start = bisect_right(side, after)
    return {key: key for key in side[start : start + size]}


@given(left=KEYS, right=KEYS, left_size=st.integers(1, 7), right_size=st.integers(1, 7))
def test_it_finds_exactly_the_difference(left: set[str], right: set[str], left_size: int, right_size: int) -> None:
    only_left: list[str] = []
    only_right: list[str] = []
    both: list[str] = []
    after: str | None = ""
    while after is not None:
        lefts, rights = _page(sorted(left), after, left_size), _page(sorted(right), after, right_size)
        joined = join(lefts, rights, left_full=len(lefts) == left_size, right_full=len(rights) == right_size)
        assert joined.after is None or joined.after > after
        only_left += joined.only_left
        only_right += joined.only_right
        both += joined.both
        after = joined.after
    assert (only_left, only_right) == (sorted(left - right), sorted(right - left))
    assert both == sorted(left & right)


def test_keys_have_their_parts() -> None:
    sha = "0f" * 32
    for key, incarnation in (
        (f"originals/{sha}", 0),
        (f"originals/{sha}.12", 12),
        (f"renditions/{sha}/4/300-1a2b3c4d.jpg", 0),
        (f"renditions/{sha}/4/300-1a2b3c4d.jpg.3", 3),
    ):
        found = parse(key)
        assert found is not None
        assert (found.key, found.sha256, found.incarnation) == (key, sha, incarnation)
    for key in ("originals/x", f"originals/{sha}/a", f"originals/{sha}.x", f"renditions/{sha}", f"uploads/{sha}"):
        assert parse(key) is None


def test_the_fraction_of_a_walk_by_content() -> None:
    assert fraction(None) == 1.0
    assert fraction("originals/" + "8" + "0" * 63) == 0.5
    assert fraction("renditions/" + "4" * 64 + "/3/x.jpg") < fraction("renditions/" + "5" * 64)
    assert 0 <= fraction("originals/zz") <= 1


def test_every_kind_is_in_the_runbook() -> None:
    page = (Path(__file__).parents[4] / "docs/runbooks/check.md").read_text(encoding="utf-8")
    told = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(told) == sorted(KINDS)


def test_no_repairable_kind_says_that_it_cannot_be_mended() -> None:
    for kind in KINDS.values():
        assert kind.repairable == ("Repair " in kind.remedy), kind
