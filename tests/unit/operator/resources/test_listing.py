"""What a list corrects, and what its failures mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import pytest
from tests.unit.operator.support import parse

from heliograph_common.errors import Unavailable
from heliograph_operator.cluster.port import ClusterError, ClusterUnavailable, NotFound
from heliograph_operator.resources.listing import Listing
from heliograph_operator.resources.store import Store

FOUND = {"metadata": {"name": "a", "uid": "1", "generation": 1}, "spec": {}}


class Lists:
    """Says ``found``, or raises ``error``."""

    def __init__(self) -> None:
        self.found: Sequence[Mapping[str, Any]] = [FOUND]
        self.error: ClusterError | None = None

    async def scalers(self) -> Sequence[Mapping[str, Any]]:
        if self.error is not None:
            raise self.error
        return self.found


def later() -> Callable[[], float]:
    """A clock that is a second later each time."""
    seconds = count(1.0)
    return lambda: next(seconds)


async def test_where_the_definition_is_deleted_nothing_is_scaled_until_it_is_back() -> None:
    clock, lists = later(), Lists()
    store, missed = Store(parse, clock=clock), list[int]()
    listing = Listing(lists, store, lambda: missed.append(1), clock=clock)
    await listing.correct()
    assert [scaler.name for scaler in store.scalers()] == ["a"]
    lists.error = NotFound("streamscalers")
    await listing.correct()
    assert not store.scalers()
    with pytest.raises(Unavailable, match="not installed"):
        await listing.check()
    lists.error = None
    await listing.correct()
    assert [scaler.name for scaler in store.scalers()] == ["a"]
    assert len(missed) == 2
    await listing.check()


async def test_a_list_that_fails_changes_nothing() -> None:
    clock, lists = later(), Lists()
    store = Store(parse, clock=clock)
    listing = Listing(lists, store, lambda: None, clock=clock)
    await listing.correct()
    lists.error = ClusterUnavailable("no")
    await listing.correct()
    assert [scaler.name for scaler in store.scalers()] == ["a"]
