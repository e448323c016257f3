"""How many processes tests run in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.workers import processors, workers

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, ALLOWED),
        ({"cpu.max": "max 100000\n"}, ALLOWED),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "199000 100000\n"}, 1),
        ({"cpu.max": f"{(ALLOWED + 2) * 100000} 100000\n"}, ALLOWED),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALLOWED),
    ],
)
def test_a_containers_limit_counts(tmp_path: Path, limits: dict[str, str], expected: int) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in limits.items():
        (tmp_path / name).write_text(text)
    assert processors(tmp_path) == expected


def test_a_single_test_needs_no_other_process() -> None:
    assert workers(["tests/unit/test_workers.py::test_a_containers_limit_counts"]) == 0
    assert workers(["a.py::one", "b.py::two"]) == min(2, processors())
    assert workers(["tests/unit", "b.py::two"]) == workers([]) == processors()
