"""What is forgotten when it is old, and what is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.integration.analyzer.support import Analyses

from heliograph_analyzer.spending import queries as spending

_KEEP = timedelta(days=30)
_RESULT = "INSERT INTO analysis_results (pixel_hash, profile, profile_version, model, detail, {0}) VALUES ({1})"


def result(name: str, columns: str, values: str) -> str:
    """The statement for a row of the cache."""
    return _RESULT.format(columns, f"'{name}', 'food', 1, 'm', 'high', {values}")


@pytest.mark.parametrize(
    ("table", "column", "rows"),
    [
        (
            "analysis_budgets",
            "scope",
            [
                "INSERT INTO analysis_budgets (day, scope) VALUES (current_date - 40, 'old')",
                "INSERT INTO analysis_budgets (day, scope) VALUES (current_date, 'new')",
            ],
        ),
        (
            "analysis_usage",
            "owner",
            [
                "INSERT INTO analysis_usage (day, owner, profile, model) VALUES (current_date - 40, 'old', 'food', 'm')",
                "INSERT INTO analysis_usage (day, owner, profile, model) VALUES (current_date, 'new', 'food', 'm')",
            ],
        ),
        (
            "analysis_results",
            "pixel_hash",
            [
                result("old", "created_at", "now() - interval '40 days'"),
                result(
                    "old and left",
                    "created_at, holder, leased_until",
                    "now() - interval '40 days', gen_random_uuid(), now() - interval '1 day'",
                ),
                result("old and answered", "answered_at", "now() - interval '40 days'"),
                result("new", "created_at", "now()"),
                result(
                    "new: asked now",
                    "created_at, holder, leased_until",
                    "now() - interval '40 days', gen_random_uuid(), now() + interval '1 minute'",
                ),
                result("new: answered", "created_at, answered_at", "now() - interval '40 days', now()"),
            ],
        ),
    ],
)
async def test_what_is_old_is_forgotten(world: Analyses, table: str, column: str, rows: list[str]) -> None:
    async with world.backbone.database.transaction() as connection:
        for row in rows:
            await connection.execute(text(row.replace("new: ", "new, ")))
        forgotten = await spending.forget(connection, keep=_KEEP, limit=100)
        kept = (await connection.execute(text(f"SELECT {column} FROM {table}"))).scalars().all()  # noqa: S608
    assert len(kept) == len(rows) - forgotten > 0
    assert all(name.startswith("new") for name in kept)
    assert forgotten == sum("'old" in row for row in rows)
