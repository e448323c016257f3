"""The estimate of the time that an import still takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from heliograph_common.db.import_waits import remaining_of


def row(**values: Any) -> Any:
    counts = dict.fromkeys(("fetching", "imported", "unchanged", "skipped", "failed", "canceled"), 0)
    return SimpleNamespace(
        **{**counts, "found": 100, "status": "running", "listed": True, "files_per_second": 4.0, **values}
    )


def test_it_is_what_is_left_by_the_rate() -> None:
    assert remaining_of(row(imported=50, skipped=10, fetching=8)) == 10.0
    assert remaining_of(row(imported=100)) == 0.0


@pytest.mark.parametrize(
    "unknown", [{"listed": False}, {"files_per_second": None}, {"files_per_second": 0.0}, {"status": "completed"}]
)
def test_it_may_be_unknown(unknown: dict[str, Any]) -> None:
    assert remaining_of(row(**unknown)) is None
