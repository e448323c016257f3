"""Compares two sides that are in one order, page by page: what only one has, and what both have. Pure.

Each side gives a page of what comes after a position. Of two pages only what lies up to the nearer end is compared, because
beyond it one side has not been read; there the next pages begin. So nothing is kept from page to page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


@dataclass(frozen=True)
class Joined(Generic[Left, Right]):
    """The part of two pages that could be compared; the next ones begin after the key ``after``, ``None`` at the end."""

    only_left: dict[str, Left]
    only_right: dict[str, Right]
    both: dict[str, tuple[Left, Right]]
    after: str | None


def join(
    left: Mapping[str, Left], right: Mapping[str, Right], *, left_full: bool, right_full: bool
) -> Joined[Left, Right]:
    """Joins two pages, each in the order of its keys (by code points, as S3 has them). ``…_full``: more may follow on that
    side, whose page is not empty then."""
    ends = [max(side) for side, full in ((left, left_full), (right, right_full)) if full]
    end = min(ends, default=None)

    def within(key: str) -> bool:
        return end is None or key <= end

    return Joined(
        only_left={key: value for key, value in left.items() if within(key) and key not in right},
        only_right={key: value for key, value in right.items() if within(key) and key not in left},
        both={key: (value, right[key]) for key, value in left.items() if within(key) and key in right},
        after=end,
    )
