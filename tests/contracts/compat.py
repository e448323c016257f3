"""Golden answers of the routes and sockets of the systems that Heliograph replaces: ``golden/compat/<name>.json``.

Every key and value counts; only what differs from run to run (ids, hashes, times, versions) is masked by what it is, so
that its type and form count too. Where a golden file is missing, the failure shows what to put there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden" / "compat"

_MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[457][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"\b\d+\.\d+\.\d+\b"), "<version>"),
)


def masked(value: Any) -> Any:
    """``value`` with ids, hashes, times and versions replaced, wherever they stand in a string. The trace's id is null in a
    process that traces nothing, as one of a single test is."""
    if isinstance(value, dict):
        return {key: "<trace>" if key == "trace_id" else masked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, str):
        for pattern, name in _MASKS:
            value = pattern.sub(name, value)
    return value


def check(name: str, answer: Any) -> None:
    """Fails unless ``answer`` is the golden one, key by key and type by type."""
    path = FOLDER / f"{name}.json"
    told = json.dumps(masked(answer), indent=2, ensure_ascii=False)
    assert path.exists(), f"put this into {path.name} if it is the old shape:\n{told}"
    # Compared as text: to Python True == 1 == 1.0, to a client it is another type.
    assert told == json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=2, ensure_ascii=False), name
