"""Migrations hold nobody up: a table that has rows gets its indexes by ``concurrent_index``, before all else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from heliograph_common.db import migrations

SCRIPTS = sorted((Path(migrations.__file__).parent / "versions").glob("0*.py"))
LOCKING = {"create_index", "create_unique_constraint", "create_primary_key", "create_exclude_constraint"}
CONCURRENT = "concurrent_index"
_STATEMENT = re.compile(r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)[^;]*?\bON\s+(?:ONLY\s+)?(\w+)", re.IGNORECASE)


_RETYPED = re.compile(r"ALTER\s+COLUMN\s+\S+\s+(?:SET\s+DATA\s+)?TYPE\b", re.IGNORECASE)


def faults(source: str) -> list[str]:
    """What a script does that would lock a table that existed before it, or break the prepared statements of services that
    read it: a column whose type or collation changes fails them."""
    tree = ast.parse(source)
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    calls = [(_called(node), node) for node in ast.walk(upgrade) if isinstance(node, ast.Call)]
    created = {_literal(node, 0) for name, node in calls if name == "create_table"}
    found = [
        f"{name} on {_literal(node, 1)}" for name, node in calls if name in LOCKING and _literal(node, 1) not in created
    ]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found += [f"statement on {table}" for each in texts for table in _STATEMENT.findall(each) if table not in created]
    found += ["a column's type" for each in texts if _RETYPED.search(each)]
    found += ["a column's type" for name, node in calls if name == "alter_column" and "type_" in _keywords(node)]
    return found + _late(upgrade)


def _keywords(node: ast.Call) -> set[str | None]:
    return {each.arg for each in node.keywords}


def _late(upgrade: ast.FunctionDef) -> list[str]:
    seen_other = False
    late = []
    for statement in upgrade.body:
        names = {_called(node) for node in ast.walk(statement) if isinstance(node, ast.Call)}
        if CONCURRENT in names and seen_other:
            late.append(f"{CONCURRENT} after other changes, in line {statement.lineno}")
        seen_other = seen_other or CONCURRENT not in names
    return late


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _literal(node: ast.Call, position: int) -> object:
    found = node.args[position] if len(node.args) > position else None
    return found.value if isinstance(found, ast.Constant) else "what cannot be read here"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_no_migration_locks_a_table_that_has_rows(script: Path) -> None:
    assert faults(script.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('op.create_index("ix", "images", ["a"])', "create_index on images"),
        ('op.create_index("ix", name, ["a"])', "create_index on what cannot be read here"),
        ('op.create_unique_constraint("uq", "images", ["a"])', "create_unique_constraint on images"),
        ('op.execute("CREATE UNIQUE INDEX ix ON images (a)")', "statement on images"),
        ('op.execute("ALTER TABLE images ALTER COLUMN a TYPE text")', "a column's type"),
        ('op.alter_column("images", "a", type_=b)', "a column's type"),
        ('op.add_column("images", a)\n    concurrent_index("ix", "images", ["a"])', "concurrent_index after"),
    ],
)
def test_each_way_to_lock_one_is_noticed(body: str, fault: str) -> None:
    (found,) = faults(f"def upgrade():\n    {body}\n")
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "body",
    [
        'op.create_table("new", a)\n    op.create_index("ix", "new", ["a"])',
        'concurrent_index("ix", "images", ["a"])\n    op.create_table("new", a)',
        'op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix ON images (a)")',
    ],
)
def test_what_locks_none_passes(body: str) -> None:
    assert faults(f"def upgrade():\n    {body}\n") == []
