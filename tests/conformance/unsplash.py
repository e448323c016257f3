"""The schema of the double of Unsplash before the vendor's own npm package, of a version and hash that are pinned."""

from __future__ import annotations

from scripts import unsplash_schema
from tests.conformance.table import Row, row


def run() -> list[Row]:
    """One row: whether the committed schema is what the script makes."""
    case, same = f"Unsplash: schema.json of {unsplash_schema.PACKAGE} {unsplash_schema.VERSION}", "as its types say"
    try:
        made = unsplash_schema.text(unsplash_schema.package())
    except unsplash_schema.Unreachable as error:
        return [Row(case, same, str(error), "not run")]
    except ValueError as error:
        return [Row(case, same, str(error), "FAILED")]
    committed = unsplash_schema.FILE.read_text(encoding="utf-8")
    return [row(case, same, same if committed == made else "other: run python -m scripts.unsplash_schema")]
