"""What clients were given stays: no operation, path or status of the HTTP API disappears or is renamed.

``golden/api/operations.json`` is what was released. ``python -m tests.contracts.test_operations`` writes an addition down;
whatever else changes there breaks clients, and must be meant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.openapi import DOCUMENT

from heliograph_gateway.openapi import document as openapi

GOLDEN = Path(__file__).parent / "golden" / "api" / "operations.json"


def offered() -> dict[str, dict[str, Any]]:
    """The operations of the document by their ids: method, path, statuses, parameters."""
    return {
        operation["operationId"]: {
            "request": f"{method.upper()} {path}",
            "statuses": sorted(operation["responses"]),
            "parameters": sorted(each["name"] for each in operation.get("parameters", ())),
            "required": sorted(each["name"] for each in operation.get("parameters", ()) if each["required"]),
            "bodies": sorted(operation.get("requestBody", {}).get("content", {})),
        }
        for path, method, operation in openapi.operations(DOCUMENT)
    }


OFFERED = offered()
RELEASED: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_what_was_released_is_still_there(name: str) -> None:
    assert name in OFFERED, "a released operation was removed or renamed"
    released, now = RELEASED[name], OFFERED[name]
    assert now["request"] == released["request"]
    for kind in ("statuses", "parameters", "bodies"):
        assert set(released[kind]) <= set(now[kind]), f"{kind} of a released operation were removed"
    assert set(now["required"]) <= set(released["required"]), "a parameter that clients do not send has become required"


def test_what_is_offered_is_written_down() -> None:
    assert OFFERED == RELEASED, "an addition? python -m tests.contracts.test_operations"


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(OFFERED, indent=1, sort_keys=True) + "\n", encoding="utf-8")
