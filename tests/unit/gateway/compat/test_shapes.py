"""The old shapes, without servers; ``tests/integration/gateway/compat/test_compat.py`` has the routes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from tests.contracts import compat

from heliograph_common.runtime.health import CheckResult, Report
from heliograph_gateway.compat import schemas as compat_schemas
from heliograph_gateway.compat import shapes as compat_shapes

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
UNKNOWN = {"waiting": None, "active": None, "delayed": None, "completed": 7, "failed": 1}


def row(**values: Any) -> Any:
    """An image's row."""
    of_all = {
        "id": UUID("01a1f92b-ba77-76a1-85bb-608671403cb6"), "name": "a.jpg", "source": "upload", "sha256": "0" * 64,
        "incarnation": 0,
        "bytes": 7, "mime_type": "image/svg+xml", "width": 4, "height": 3, "exif": None, "dominant_color": None,
        "created_at": NOW, "processing_status": "pending", "thumbnail_status": "pending", "variant_status": "pending",
        "processing_error": None, "processing_attempts": 0, "last_processing_attempt": None,
        "processing_completed_at": None,
    }  # fmt: skip
    return SimpleNamespace(**of_all | values)


def size(name: str, width: int, kind: str = "thumbnail") -> Any:
    return SimpleNamespace(name=name, width=width, kind=kind)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], "original"),
        ([size("big", 9, "variant")], "original"),
        ([size("600", 600), size("150", 150), size("300", 300), size("big", 9, "variant")], "300"),
        ([size("150", 150)], "150"),
    ],
)
def test_the_thumbnail_is_the_middle_one(sizes: list[Any], expected: str) -> None:
    data = compat_shapes.uploaded(row(), sizes, created=True)["data"]
    assert data["thumbnail_url"].endswith(f"/renditions/{expected}")
    compat_schemas.OldImage.model_validate(data)


def test_a_failed_task_says_why() -> None:
    told = compat_shapes.task("x", row(processing_status="failed", processing_error="broken"))
    assert told == {"task_id": "x", "status": "FAILURE", "result": "broken"}
    assert compat_shapes.task("x", None) == {"task_id": "x", "status": "PENDING", "result": None}


def test_what_waits_for_its_next_attempt_waits() -> None:
    state = {"waiting": 2, "active": 1, "delayed": 3, "completed": 7, "failed": 1}
    assert compat_shapes.queue(state) == {"waiting": 5, "active": 1, "completed": 7, "failed": 1, "total": 14}


@pytest.mark.parametrize("state", [None, UNKNOWN])
def test_health_without_a_queue(state: dict[str, Any] | None) -> None:
    report = Report("degraded", {"nats": CheckResult("failed", "at 10.0.0.1")})
    told = compat_shapes.system_health(report, state, now=NOW, version="1.2.3")
    compat.check("system_health_without_nats", told)
    compat_schemas.OldSystemHealth.model_validate(told)


@pytest.mark.parametrize(
    "changed",
    [
        {"message": "Processing retry queued successfully", "image_id": "x", "status": "pending"},
        {"message": "Processing retry queued successfully", "image_id": None, "status": "pending"},
        {"message": "Processing retry queued successfully", "status": "pending"},
        {"message": "Processing retry queued successfully", "image_id": str(row().id), "status": "pending", "x": 1},
    ],
)
def test_a_shape_that_changes_is_noticed(changed: dict[str, Any]) -> None:
    compat.check("retry", compat_shapes.retried(row(), queued=True))
    with pytest.raises(AssertionError):
        compat.check("retry", changed)


def test_another_type_of_the_same_value_is_noticed() -> None:
    golden = json.loads((compat.FOLDER / "queue.json").read_text(encoding="utf-8"))
    compat.check("queue", golden)
    for other in (float, str, bool):
        with pytest.raises(AssertionError):
            compat.check("queue", golden | {"active": other(golden["active"])})
